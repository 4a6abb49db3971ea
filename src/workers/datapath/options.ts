/** The options of a datapath: their defaults and limits. */

import { CtAction, type CtActionOptions, plainAction } from '../../core/action.ts';
import { expectFlag, expectSignal, expectWhole, shown, UsageError } from '../../core/errors.ts';
import type { Steering } from './flow-steering.ts';
import { CONNTRACK_OPTIONS, type ConntrackOptions } from '../../core/memory/table-options.ts';
import { expectOptions, type OptionNames, pickOptions } from '../../core/options/option-names.ts';
import { MAX_BATCH } from '../../core/packet/batch.ts';
import type { DatapathClock } from '../threads/status.ts';

export interface DatapathOptions extends ConntrackOptions {
  /** PMD threads, 1..64; default 1. */
  threads?: number;
  /** Largest batch of a PMD, 1..32; default 32. */
  batchSize?: number;
  /** Memory of each PMD's ring in bytes, a power of two from 1 MiB on; default 4 MiB. */
  ringBytes?: number;
  /** Chooses the PMD of a packet by its flow or by its addresses; default 'flow'. */
  steering?: Steering;
  /** Action of packets that are pushed without one; default { commit: true }. */
  action?: CtActionOptions | CtAction;
  /**
   * 'verify' (default): the tracker checks every checksum. 'trust': all checksums count as right. Use 'trust' if the interface
   * verifies checksums, or writes them later: packets captured on the host that sends them have no checksums yet.
   */
  checksums?: 'verify' | 'trust';
  /** The sweeper takes the time of the packets ('packets', the default) or of the system ('system'). */
  clock?: DatapathClock;
  /** Run a thread that removes expired connections; default true. */
  sweeper?: boolean;
  /**
   * Deaths in a row, without progress in between, after which a worker is still restarted. After one more, the datapath fails.
   * 0: it fails at the first death. Default 100.
   */
  restarts?: number;
  /** A worker hangs if it has had work for this time without progress, in ms; at least 100, default 5000. */
  hangAfterMs?: number;
  /**
   * 'report' (default): a hang causes the event `workerHang`. 'terminate': the worker is also terminated and restarted, unless it
   * waits for a lock that another thread holds.
   */
  hung?: 'report' | 'terminate';
  /**
   * Set limits of V8's optimising compiler, for the whole process; default true. See `tuneCompiler` for the flags. With false, V8
   * stays as it is, and packets take about a quarter more time.
   */
  tuneCompiler?: boolean;
  /** Aborts the start: `Datapath.start` rejects with the signal's reason. Has no effect after the start. */
  signal?: AbortSignal;
}

const NAMES: OptionNames<DatapathOptions> = {
  ...CONNTRACK_OPTIONS,
  threads: true,
  batchSize: true,
  ringBytes: true,
  steering: true,
  action: true,
  checksums: true,
  clock: true,
  sweeper: true,
  restarts: true,
  hangAfterMs: true,
  tuneCompiler: true,
  signal: true,
  hung: true,
};

export const MAX_THREADS = 64;
const MIN_RING_BYTES = 1 << 20;
const MAX_RING_BYTES = 1 << 30;
const DEFAULT_RING_BYTES = 4 << 20;
const MAX_RESTARTS = 1_000_000;
const DEFAULT_RESTARTS = 100;
const MIN_HANG_AFTER_MS = 100;
const MAX_HANG_AFTER_MS = 86_400_000;
const DEFAULT_HANG_AFTER_MS = 5000;

/** Checked options, with defaults filled in. */
export type CheckedOptions = Required<
  Pick<
    DatapathOptions,
    | 'threads'
    | 'batchSize'
    | 'ringBytes'
    | 'sweeper'
    | 'clock'
    | 'checksums'
    | 'restarts'
    | 'hangAfterMs'
    | 'hung'
    | 'steering'
    | 'tuneCompiler'
  >
> & {
  action: CtActionOptions;
  signal: AbortSignal | undefined;
  /** The given options of the table. */
  table: ConntrackOptions;
};

function oneOf<T extends string>(what: string, value: T, [first, second]: readonly [T, T]): T {
  if (value !== first && value !== second) {
    throw new UsageError(`${what} must be '${first}' or '${second}', not ${shown(value)}`);
  }
  return value;
}

/** @throws UsageError for a wrong option. Options of the table are checked later, by Conntrack */
export function checkOptions(given: DatapathOptions): CheckedOptions {
  const options = expectOptions('the options of a datapath', given, NAMES);
  const { threads = 1, batchSize = MAX_BATCH, ringBytes = DEFAULT_RING_BYTES, sweeper = true } = options;
  expectWhole('threads', threads, 1, MAX_THREADS);
  expectWhole('batchSize', batchSize, 1, MAX_BATCH);
  expectWhole('ringBytes', ringBytes, MIN_RING_BYTES, MAX_RING_BYTES);
  if ((ringBytes & (ringBytes - 1)) !== 0) {
    throw new UsageError(`ringBytes must be a power of two, not ${shown(ringBytes)}`);
  }
  const { action = { commit: true }, clock = 'packets', checksums = 'verify', hung = 'report' } = options;
  const { steering = 'flow', restarts = DEFAULT_RESTARTS, hangAfterMs = DEFAULT_HANG_AFTER_MS } = options;
  return {
    threads,
    batchSize,
    ringBytes,
    steering,
    /* A wrong action must fail here: in a worker it would kill the thread. Inherited members would not reach the worker. */
    action: action instanceof CtAction ? action.options : plainAction(action),
    table: pickOptions(options, CONNTRACK_OPTIONS),
    sweeper: expectFlag('sweeper', sweeper),
    clock: oneOf('clock', clock, ['packets', 'system']),
    checksums: oneOf('checksums', checksums, ['verify', 'trust']),
    restarts: expectWhole('restarts', restarts, 0, MAX_RESTARTS),
    hangAfterMs: expectWhole('hangAfterMs', hangAfterMs, MIN_HANG_AFTER_MS, MAX_HANG_AFTER_MS),
    hung: oneOf('hung', hung, ['report', 'terminate']),
    tuneCompiler: options.tuneCompiler === undefined || expectFlag('tuneCompiler', options.tuneCompiler),
    signal: expectSignal(options.signal),
  };
}

/** The options of a datapath, and what is wrong with them. */

import { CtAction, type CtActionOptions, plainAction } from '../../core/action.ts';
import { expectFlag, expectSignal, expectWhole, shown, UsageError } from '../../core/errors.ts';
import type { Steering } from './flow-steering.ts';
import { CONNTRACK_OPTIONS, type ConntrackOptions } from '../../core/memory/memory.ts';
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
  /** How packets find their PMD; default 'flow'. */
  steering?: Steering;
  /** What is done with a packet that is pushed without an action of its own; default { commit: true }. */
  action?: CtActionOptions | CtAction;
  /**
   * 'verify' (default): the tracker checks every checksum. 'trust': they are taken for right, as when the interface has
   * checked them, or is yet to write them (what a host sends is captured before that).
   */
  checksums?: 'verify' | 'trust';
  /** Whose time the sweeper goes by: that of the packets handed in (default), or the system's. */
  clock?: DatapathClock;
  /** Default true. */
  sweeper?: boolean;
  /**
   * A worker that has died is started again. When it has died more often than this in a row, without having done anything in
   * between, the datapath fails instead; 0: at the first death. Default 100.
   */
  restarts?: number;
  /** A worker hangs when it has had work for so long, in ms, without getting on with it; from 100 on, default 5000. */
  hangAfterMs?: number;
  /**
   * 'report' (default): only the event `workerHang` tells of it; 'terminate': a worker that hangs is ended and started again, too, unless
   * it waits for a lock that another thread holds.
   */
  hung?: 'report' | 'terminate';
  /**
   * Sets limits of V8's optimising compiler, for the whole process (`tuneCompiler` says which and why); default true. With false
   * V8 stays as it is, and packets take about a quarter more time.
   */
  tuneCompiler?: boolean;
  /** Gives the start up: `Datapath.start` then rejects with its reason. Of no meaning once the datapath has started. */
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

/** What is not given has its default. */
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
  /** Those of the table that were given. */
  table: ConntrackOptions;
};

function oneOf<T extends string>(what: string, value: T, [first, second]: readonly [T, T]): T {
  if (value !== first && value !== second) {
    throw new UsageError(`${what} must be '${first}' or '${second}', not ${shown(value)}`);
  }
  return value;
}

/** @throws UsageError on an option that is out of range; those of the table are checked where it is made */
export function checkOptions(given: DatapathOptions): CheckedOptions {
  const options = expectOptions('the options of a datapath', given, NAMES);
  const { threads = 1, batchSize = MAX_BATCH, ringBytes = DEFAULT_RING_BYTES, sweeper = true } = options;
  expectWhole('threads', threads, 1, MAX_THREADS);
  expectWhole('batch', batchSize, 1, MAX_BATCH);
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
    /* A wrong action is to be told here, not to kill a worker; and what it inherits would not get there. */
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

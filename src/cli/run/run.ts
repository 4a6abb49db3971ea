/** `ct-bucket run`: tracks a capture file or live packets until it is stopped, and serves `ct-bucket ctl` meanwhile. */

import type { EngineName } from '../../core/engines/engine.ts';
import { bucketsFor } from '../../core/engines/registry.ts';
import { UsageError } from '../../core/errors.ts';
import type { Steering } from '../../workers/datapath/flow-steering.ts';
import type { TableFull } from '../../core/memory/table-options.ts';
import { PacketWord } from '../../core/packet/layout.ts';
import { stateText } from '../../core/inspect/state-names.ts';
import { stopOnSignals } from '../../host/signals.ts';
import { counted } from '../../host/terminal.ts';
import { Control } from '../../workers/control/control-thread.ts';
import { prepareSocketPath } from '../../workers/control/socket-path.ts';
import { Datapath } from '../../workers/datapath/datapath.ts';
import { CaptureError, CaptureSource } from '../capture/open-capture.ts';
import { ChecksumWatch } from '../tracking/checksum-watch.ts';
import { ExitCode } from '../exit-code.ts';
import { Feeder } from './feeder.ts';
import { requireTableMemory } from '../tracking/table-memory.ts';
import { printSummary, type Summary, summaryOf } from '../tracking/tracking-summary.ts';
import { deathLine, hangLine } from '../tracking/worker-lines.ts';

export interface RunOptions {
  threads: number;
  engine: EngineName;
  batch: number;
  zone: number;
  commit: boolean;
  buckets: number;
  maxConnections?: number;
  tableFull?: TableFull;
  /** 'capture': the times of the packets, never backwards, also for the sweeper. 'wall': the time of reading. */
  clock?: 'capture' | 'wall';
  checksums?: 'verify' | 'trust';
  /** Rounds of a file; true: endless. */
  loop?: number | true;
  steering: Steering;
  /** Most packets per second. */
  rate?: number;
  /** After the last packet: 'stay' and serve ctl until stopped, or 'exit'. */
  atEnd?: 'stay' | 'exit';
  /** See DatapathOptions. */
  hung?: 'report' | 'terminate';
  restarts?: number;
  socket?: string;
  /** Seconds between lines of progress. */
  statsInterval?: number;
  json: boolean;
}

const MAX_STATES = 256;

/** Options with defaults that depend on the source: a file, or live packets. */
interface RunPlan {
  /** Name of the source, for messages. */
  name: string;
  isLive: boolean;
  clock: 'system' | 'packets';
  atEnd: 'stay' | 'exit';
  checksums: 'verify' | 'trust';
}

function planOf(file: string, options: RunOptions): RunPlan {
  const isLive = file === '-';
  const clock = options.clock ?? (isLive ? 'wall' : 'capture');
  return {
    name: isLive ? 'standard input' : file,
    isLive,
    clock: clock === 'wall' ? 'system' : 'packets',
    atEnd: options.atEnd ?? (isLive ? 'exit' : 'stay'),
    checksums: options.checksums ?? (isLive ? 'trust' : 'verify'),
  };
}

/** Counts verdicts by state. */
class VerdictCounts {
  readonly #counts = new Float64Array(MAX_STATES);

  constructor(datapath: Datapath, checksums: ChecksumWatch | undefined) {
    datapath.exchange.rings.onReturn = (words, slot) => {
      this.#counts[words[slot + PacketWord.STATE]! & (MAX_STATES - 1)]!++;
      checksums?.see(words, slot);
    };
  }

  byText(): Record<string, number> {
    const texts: Record<string, number> = {};
    this.#counts.forEach((count, state) => {
      if (count > 0) {
        const text = stateText(state);
        texts[text] = (texts[text] ?? 0) + count;
      }
    });
    return texts;
  }
}

/** @throws UsageError for an option that is not for this source, or a source that cannot be opened */
function openSource(file: string, options: RunOptions): CaptureSource {
  if (file === '-') {
    for (const name of ['loop', 'rate'] as const) {
      if (options[name] !== undefined) {
        throw new UsageError(`--${name} is for files, and cannot be used with standard input`);
      }
    }
  }
  const source = new CaptureSource(file);
  if (options.loop !== undefined) {
    source.requireRepeatable('--loop reads it again');
  }
  return source;
}

/** Prints a line of progress at each interval. @returns a function that ends it */
function startProgress(datapath: Datapath, feeder: Feeder, options: RunOptions): () => void {
  if (options.statsInterval === undefined) {
    return () => {};
  }
  let packetsBefore = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    datapath.harvest();
    const seconds = (performance.now() - before) / 1000;
    before = performance.now();
    const { packets, ringDropped, ringWaited } = datapath.conntrack.counters();
    const packetsPerSecond = Math.round((packets - packetsBefore) / seconds);
    packetsBefore = packets;
    const connections = datapath.conntrack.connCount;
    if (options.json) {
      const { rounds } = feeder;
      console.log(JSON.stringify({ packets, packetsPerSecond, connections, ringDropped, ringWaited, rounds }));
    } else {
      console.log(
        `${counted(packets, 'packet')} (${packetsPerSecond}/s), ${counted(connections, 'connection')}, ` +
          `${ringDropped} dropped, ${ringWaited} waits`,
      );
    }
  }, options.statsInterval * 1000);
  return () => clearInterval(timer);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) {
      done();
    }
    signal.addEventListener('abort', () => done(), { once: true });
  });
}

async function startDatapath(options: RunOptions, { clock, checksums }: RunPlan): Promise<Datapath> {
  const { threads, engine, batch, zone, commit, buckets, steering, maxConnections, tableFull, hung, restarts } =
    options;
  const datapath = await Datapath.start({
    threads,
    engine,
    batchSize: batch,
    buckets: bucketsFor(engine, { threads, buckets }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(tableFull === undefined ? {} : { tableFull }),
    steering,
    action: { zone, commit },
    checksums,
    clock,
    ...(hung === undefined ? {} : { hung }),
    ...(restarts === undefined ? {} : { restarts }),
  });
  datapath.on('workerDeath', (death) => console.error(`ct-bucket: ${deathLine(death)}`));
  datapath.on('workerHang', (hang) => console.error(`ct-bucket: ${hangLine(hang)}`));
  return datapath;
}

/** A started run. */
interface Running {
  datapath: Datapath;
  feeder: Feeder;
  stop: AbortController;
  path: string;
  plan: RunPlan;
  options: RunOptions;
}

/** Tracks packets and serves ctl until stopped or done. @returns the error that ended it, if any */
async function trackAndAnswer({ datapath, feeder, stop, path, plan, options }: Running): Promise<Error | undefined> {
  const { name, atEnd } = plan;
  let failure: Error | undefined;
  let control: Control | undefined;
  let endProgress = () => {};
  try {
    const onError = (error: Error) => {
      failure ??= new Error(`the control thread has died: ${error.message}`, { cause: error });
      stop.abort();
    };
    control = await Control.start({ datapath, path, onError });
    console.error(`ct-bucket: tracking ${name}; answering on ${path}`);
    endProgress = startProgress(datapath, feeder, options);
    try {
      await feeder.run();
    } catch (error) {
      if (!(error instanceof UsageError)) {
        throw error;
      }
      failure ??= error;
    }
    if (failure === undefined && atEnd === 'stay' && !stop.signal.aborted) {
      console.error(`ct-bucket: ${name} ended after ${counted(feeder.packets, 'packet')}; answering until stopped`);
      await untilAborted(stop.signal);
    }
  } finally {
    endProgress();
    await control?.stop();
  }
  return failure;
}

/** Prints the totals, and the error if any. @returns the exit code */
function reportRun(summary: Summary, failure: Error | undefined, name: string, isJson: boolean): ExitCode {
  if (isJson) {
    console.log(JSON.stringify(summary));
  } else if (failure === undefined || summary.packets > 0) {
    printSummary(summary);
  }
  if (failure === undefined) {
    return ExitCode.ok;
  }
  console.error(`ct-bucket: ${failure instanceof CaptureError ? `${name}: ` : ''}${failure.message}`);
  return failure instanceof UsageError ? ExitCode.usage : ExitCode.checkFailed;
}

/**
 * Tracks a capture file, or standard input ('-'), and serves a control socket, until a signal stops it.
 * @returns the exit code
 * @throws UsageError for a wrong option, a file that cannot be read, or a socket in use
 */
export async function run(file: string, options: RunOptions): Promise<ExitCode> {
  const source = openSource(file, options);
  const plan = planOf(file, options);
  const { name, isLive } = plan;
  requireTableMemory(options);
  const path = await prepareSocketPath(options.socket);
  const { stop, release } = stopOnSignals();
  const datapath = await startDatapath(options, plan);
  const checksums = plan.checksums === 'verify' ? new ChecksumWatch() : undefined;
  const verdicts = new VerdictCounts(datapath, checksums);
  const onNotes = (lines: readonly string[]) =>
    [...lines, ...(checksums?.lines() ?? [])].forEach((line) => console.error(`ct-bucket: ${name}: ${line}`));
  const feeder = new Feeder(datapath, source, { ...options, isLive, onNotes }, stop.signal);
  let failure: Error | undefined;
  try {
    failure = await trackAndAnswer({ datapath, feeder, stop, path, plan, options });
  } finally {
    release();
    source.close();
    await datapath.stop();
  }
  const { packets, notes } = feeder;
  const { threads, json } = options;
  const summary = summaryOf(datapath, { file, packets, threads, verdicts: verdicts.byText(), notes, failure });
  datapath.conntrack.close();
  return reportRun(summary, failure, name, json);
}

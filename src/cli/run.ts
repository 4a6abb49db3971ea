/** `ct-bucket run`: tracks a capture or a live one until it is stopped, and answers `ct-bucket ctl` meanwhile. */

import { setTimeout as delay } from 'node:timers/promises';
import type { EngineName } from '../core/engines/engine.ts';
import type { Steering } from '../core/flow.ts';
import type { TableFull } from '../core/memory.ts';
import { PacketWord } from '../core/packet/layout.ts';
import { stateText } from '../core/state.ts';
import { Control } from '../workers/control.ts';
import { prepareSocketPath } from '../workers/control/socket-path.ts';
import { Datapath } from '../workers/datapath.ts';
import { systemTimeMs } from '../workers/status.ts';
import { CaptureClock, CaptureError, CaptureNotes, CaptureSource, readCapture } from './capture.ts';
import { ChecksumWatch } from './checksum-watch.ts';
import { ExitCode } from './exit-code.ts';
import { printSummary, type Summary } from './replay.ts';
import { deathLine, hangLine } from './worker-lines.ts';
import { UsageError } from '../core/errors.ts';
import { requireTableMemory } from './table-memory.ts';
import { stopOnSignals } from '../host/signals.ts';
import { counted } from '../host/terminal.ts';

export interface RunOptions {
  threads: number;
  engine: EngineName;
  batch: number;
  zone: number;
  commit: boolean;
  buckets: number;
  maxConnections?: number;
  tableFull?: TableFull;
  /** 'capture': the packets' time, never backwards, the sweeper's too; 'wall': when they are read. */
  clock?: 'capture' | 'wall';
  checksums?: 'verify' | 'trust';
  /** Rounds of a file; true: without end. */
  loop?: number | true;
  /** Packets per second at most. */
  steering: Steering;
  rate?: number;
  /** After the last packet: 'stay' and answer until stopped, or 'exit'. */
  atEnd?: 'stay' | 'exit';
  /** What is done about workers that hang: see DatapathOptions. */
  hung?: 'report' | 'terminate';
  restarts?: number;
  socket?: string;
  /** Seconds between lines of progress. */
  statsInterval?: number;
  json: boolean;
}

/** The packet after the end of a round comes so much later than the last one. */
const ROUND_GAP_MS = 1;
/** Ahead of its rate by more than this, a source rests. */
const RATE_SLACK_MS = 2;
/** Between two looks at what the PMDs gave back. */
const HARVEST_MS = 20;
const MAX_STATES = 256;

interface FeederOptions extends RunOptions {
  isLive: boolean;
  /** Is told once, in lines for a person, what is unusual about the capture. */
  onNotes: (lines: readonly string[]) => void;
}

/** Feeds the packets of a source to a datapath. */
class Feeder {
  /** Packets read. */
  packets = 0;
  rounds = 0;
  /** Of the first round: others would say the same. */
  readonly notes: CaptureNotes = new CaptureNotes();
  readonly #clock = new CaptureClock();
  readonly #datapath: Datapath;
  readonly #source: CaptureSource;
  readonly #options: FeederOptions;
  readonly #stop: AbortSignal;
  readonly #isLive: boolean;
  readonly #isWall: boolean;
  #nowMs = Number.NEGATIVE_INFINITY;
  #startedMs = 0;
  #isTold = false;

  constructor(datapath: Datapath, source: CaptureSource, options: FeederOptions, stop: AbortSignal) {
    this.#datapath = datapath;
    this.#source = source;
    this.#options = options;
    this.#stop = stop;
    this.#isLive = options.isLive;
    this.#isWall = datapath.share.clock === 'system';
  }

  /** Reads the source, as often as it is to be, until it ends or is stopped. @throws CaptureError */
  async run(): Promise<void> {
    const { loop = 1 } = this.#options;
    const rounds = loop === true ? Number.POSITIVE_INFINITY : loop;
    this.#startedMs = performance.now();
    try {
      while (this.rounds < rounds && !this.#stop.aborted) {
        const before = this.packets;
        await this.#round();
        if (this.packets === before) {
          /* Nothing to go on with, however often. */
          break;
        }
        this.rounds++;
      }
    } catch (error) {
      /* What is stopped may break off in the middle of a packet. */
      if (!this.#stop.aborted) {
        throw error;
      }
    } finally {
      this.#tellNotes();
    }
  }

  async #round(): Promise<void> {
    let shiftMs = Number.NaN;
    const isFirst = this.rounds === 0;
    const clock = isFirst ? this.#clock : new CaptureClock();
    const options = { notes: isFirst ? this.notes : new CaptureNotes(), ...(this.#isWall ? {} : { clock }) };
    for await (const packet of readCapture(this.#source.chunks(this.#stop), options)) {
      if (this.#stop.aborted) {
        return;
      }
      this.packets++;
      if (this.#isWall) {
        this.#nowMs = Math.floor(systemTimeMs());
      } else {
        if (Number.isNaN(shiftMs)) {
          shiftMs = isFirst ? 0 : this.#nowMs + ROUND_GAP_MS - clock.nowMs;
        }
        this.#nowMs = clock.nowMs + shiftMs;
      }
      if (this.#isLive) {
        this.#datapath.offer(packet.frame, this.#nowMs, this.packets);
      } else {
        const waits = this.#datapath.push(packet.frame, this.#nowMs, this.packets);
        if (waits !== undefined) {
          await waits;
        }
      }
      if (this.#options.rate !== undefined) {
        await this.#keepRate(this.#options.rate);
      }
    }
    await this.#datapath.drain();
    this.#tellNotes();
  }

  /** What is unusual about the capture is told once, as soon as it was read. */
  #tellNotes(): void {
    if (!this.#isTold) {
      this.#isTold = true;
      this.#options.onNotes([...this.notes.lines(), ...this.#clock.lines()]);
    }
  }

  async #keepRate(packetsPerSecond: number): Promise<void> {
    const aheadMs = (this.packets * 1000) / packetsPerSecond - (performance.now() - this.#startedMs);
    if (aheadMs > RATE_SLACK_MS) {
      await delay(aheadMs, undefined, { signal: this.#stop }).catch(() => {});
    }
  }
}

/** Verdicts by state. */
class VerdictCounts {
  readonly #counts = new Float64Array(MAX_STATES);

  constructor(datapath: Datapath, checksums: ChecksumWatch | undefined) {
    datapath.onVerdict = (words, slot) => {
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

/** @throws UsageError on options that are not for this source, or a source that cannot be opened */
function openSource(file: string, options: RunOptions): CaptureSource {
  if (file === '-') {
    for (const name of ['loop', 'rate'] as const) {
      if (options[name] !== undefined) {
        throw new UsageError(`--${name} is for files; standard input is tracked as it comes`);
      }
    }
  }
  const source = new CaptureSource(file);
  if (options.loop !== undefined) {
    source.requireRepeatable('--loop reads it again');
  }
  return source;
}

/** Takes verdicts back also where no packet follows: by them the sweeper and dumps know the time. @returns what ends it */
function startHarvest(datapath: Datapath): () => void {
  const timer = setInterval(() => datapath.harvest(), HARVEST_MS);
  return () => clearInterval(timer);
}

/** Prints a line of progress in every interval. @returns what ends it */
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

/**
 * Tracks a capture file, or standard input ('-'), and answers on a control socket, until stopped by a signal.
 * @returns the exit code
 * @throws UsageError on wrong options, a file that cannot be read, a socket that is in use
 */
export async function run(file: string, options: RunOptions): Promise<ExitCode> {
  const source = openSource(file, options);
  const isLive = file === '-';
  const clock = options.clock ?? (isLive ? 'wall' : 'capture');
  const atEnd = options.atEnd ?? (isLive ? 'exit' : 'stay');
  requireTableMemory(options);
  const path = await prepareSocketPath(options.socket);
  const { threads, engine, batch, zone, commit, buckets, maxConnections, tableFull } = options;
  const checksums = options.checksums ?? (isLive ? 'trust' : 'verify');
  const { stop, release } = stopOnSignals();
  const datapath = await Datapath.start({
    threads,
    engine,
    batchSize: batch,
    buckets,
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(tableFull === undefined ? {} : { tableFull }),
    steering: options.steering,
    action: { zone, commit },
    checksums,
    clock: clock === 'wall' ? 'system' : 'packets',
    ...(options.hung === undefined ? {} : { hung: options.hung }),
    ...(options.restarts === undefined ? {} : { restarts: options.restarts }),
  });
  datapath.onWorkerDeath = (death) => console.error(`ct-bucket: ${deathLine(death)}`);
  datapath.onWorkerHang = (hang) => console.error(`ct-bucket: ${hangLine(hang)}`);
  const name = isLive ? 'standard input' : file;
  const checksumWatch = checksums === 'verify' ? new ChecksumWatch() : undefined;
  const verdicts = new VerdictCounts(datapath, checksumWatch);
  const onNotes = (lines: readonly string[]) =>
    [...lines, ...(checksumWatch?.lines() ?? [])].forEach((line) => console.error(`ct-bucket: ${name}: ${line}`));
  const feeder = new Feeder(datapath, source, { ...options, isLive, onNotes }, stop.signal);
  let failure: Error | undefined;
  let control: Control | undefined;
  let endProgress = () => {};
  const endHarvest = startHarvest(datapath);
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
    endHarvest();
    await control?.stop();
    release();
    source.close();
    await datapath.stop();
  }

  const { conntrack } = datapath;
  const summary: Summary = {
    file,
    packets: feeder.packets,
    threads,
    verdicts: verdicts.byText(),
    connections: conntrack.connCount,
    counters: conntrack.counters(),
    fragments: conntrack.fragments.status(),
    pmds: datapath.pmdCounters().map((pmd) => ({ packets: pmd.packets, batches: pmd.batches })),
    cutPackets: feeder.notes.cutPackets,
    skippedPackets: feeder.notes.skippedPackets,
    ...(failure === undefined ? {} : { error: failure.message }),
  };
  conntrack.close();
  if (options.json) {
    console.log(JSON.stringify(summary));
  } else {
    if (failure === undefined || summary.packets > 0) {
      printSummary(summary);
    }
  }
  if (failure !== undefined) {
    console.error(`ct-bucket: ${failure instanceof CaptureError ? `${name}: ` : ''}${failure.message}`);
    return failure instanceof UsageError ? ExitCode.usage : ExitCode.notSo;
  }
  return ExitCode.ok;
}

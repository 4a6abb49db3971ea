/** `ct-bucket replay`: tracks a capture with a datapath. */

import { writeFileSync } from 'node:fs';
import type { EngineName } from '../../core/engines/engine.ts';
import { bucketsFor } from '../../core/engines/registry.ts';
import { UsageError } from '../../core/errors.ts';
import { FlowSteering, MAX_FRAME_BYTES, type Steering } from '../../workers/datapath/flow-steering.ts';
import { profileOf } from '../../core/inspect/lock-records.ts';
import { PacketWord } from '../../core/packet/layout.ts';
import { endWithReader } from '../../host/command-end.ts';
import { jsonText, type OutputFiles, withOutputFiles } from '../../host/output-files.ts';
import { counted, thousands, watchProgress } from '../../host/terminal.ts';
import { Datapath } from '../../workers/datapath/datapath.ts';
import {
  CaptureClock,
  CaptureError,
  CaptureNotes,
  type CapturePacket,
  CaptureSource,
  readCapture,
} from '../capture/open-capture.ts';
import { ChecksumWatch } from '../tracking/checksum-watch.ts';
import { ExitCode } from '../exit-code.ts';
import { EventLog } from './replay-events.ts';
import { requireTableMemory } from '../tracking/table-memory.ts';
import { printSummary, summaryOf } from '../tracking/tracking-summary.ts';
import { DeferredLog, VerdictLog } from './verdict-logs.ts';

export interface ReplayOptions {
  threads: number;
  engine: EngineName;
  /** In a profiled process: file for the lock records of its threads. */
  lockProfile?: string;
  batch: number;
  buckets: number;
  zone: number;
  commit: boolean;
  /** 'capture': the times of the packets, never backwards. 'frozen': time stands still. */
  clock: 'capture' | 'frozen';
  format: 'states' | 'json' | 'summary';
  /** File for the verdicts of held fragments. */
  late?: string;
  /** Print events instead: as text, or with format 'json' one object per line. */
  events: boolean;
  /** Time before each event. */
  timestamps: boolean;
  /** Default: 'trust' for standard input, 'verify' for a file. */
  checksums?: 'verify' | 'trust';
}

/**
 * Chooses the steering. A capture with fragments is steered by addresses: fragments stay in order with the other packets of their flow,
 * and verdicts do not depend on the number of threads. A pipe cannot be searched first, so it counts as one with fragments.
 */
async function steeringFor(source: CaptureSource, threads: number): Promise<Steering> {
  if (threads === 1) {
    return 'flow';
  }
  if (!source.isRepeatable) {
    return 'addresses';
  }
  const steering = new FlowSteering();
  try {
    for await (const packet of readCapture(source.chunks())) {
      if (packet.frame.length <= MAX_FRAME_BYTES && steering.isFragment(packet.frame)) {
        return 'addresses';
      }
    }
  } catch (error) {
    /* Reported later, after the packets before the broken place were tracked. */
    if (!(error instanceof CaptureError)) {
      throw error;
    }
  }
  return 'flow';
}

function checkReplayOptions(options: ReplayOptions): void {
  if (options.events && options.format === 'states') {
    throw new UsageError('--events and --format states exclude each other: give one of them');
  }
  if (options.timestamps && !options.events) {
    throw new UsageError('--timestamps needs --events');
  }
  if (options.late === '-') {
    throw new UsageError('--late -: standard output is for the other verdicts; name a file');
  }
}

/** The capture of a replay. */
class ReplayInput {
  readonly source: CaptureSource;
  readonly notes: CaptureNotes = new CaptureNotes();
  readonly clock: CaptureClock = new CaptureClock();
  /** Set if the capture is broken. */
  failure: CaptureError | undefined;
  readonly #file: string;
  readonly #packets: AsyncGenerator<CapturePacket, void, void>;
  #first: IteratorResult<CapturePacket, void> | undefined;

  constructor(file: string) {
    this.#file = file;
    this.source = new CaptureSource(file);
    this.#packets = readCapture(this.source.chunks(), { notes: this.notes, clock: this.clock });
  }

  /** Reads the first packet, so that a wrong file fails before any thread starts. @throws UsageError */
  async open(): Promise<void> {
    try {
      this.#first = await this.#packets.next();
    } catch (error) {
      if (!(error instanceof CaptureError)) {
        this.source.close();
        throw error;
      }
      this.failure = error;
    }
  }

  /** Hands over every packet, up to the end or the first broken place. */
  async feed(take: (frame: Uint8Array) => Promise<void> | undefined): Promise<void> {
    try {
      for (let next = this.#first; next !== undefined && !next.done; next = await this.#packets.next()) {
        const waits = take(next.value.frame);
        if (waits !== undefined) {
          await waits;
        }
      }
    } catch (error) {
      if (!(error instanceof CaptureError)) {
        throw error;
      }
      this.failure = error;
    }
  }

  /** Prints lines about unusual packets. */
  tell(lines: readonly string[]): void {
    for (const line of [...this.notes.lines(), ...this.clock.lines(), ...lines]) {
      console.error(`ct-bucket: ${this.#file}: ${line}`);
    }
  }
}

function startDatapath(options: ReplayOptions, checksums: 'verify' | 'trust', steering: Steering): Promise<Datapath> {
  const { threads, engine, batch, buckets, zone, commit, events } = options;
  return Datapath.start({
    threads,
    engine,
    steering,
    batchSize: batch,
    buckets: bucketsFor(engine, { threads, buckets }),
    action: { zone, commit },
    checksums,
    sweeper: !events,
    /* Verdicts must be the same in every run. So the replay fails if a worker dies and loses packets. */
    restarts: 0,
  });
}

/** A datapath, with the logs of its verdicts and events. */
class ReplayRun {
  readonly datapath: Datapath;
  readonly verdicts: VerdictLog;
  readonly deferred: DeferredLog = new DeferredLog();
  readonly events: EventLog | undefined;
  readonly checksums: ChecksumWatch | undefined;
  /** Packets pushed. */
  packets = 0;

  constructor(datapath: Datapath, { events, format, timestamps, clock }: ReplayOptions, watchesChecksums: boolean) {
    this.datapath = datapath;
    this.verdicts = new VerdictLog(format === 'states');
    this.checksums = watchesChecksums ? new ChecksumWatch() : undefined;
    this.events = events
      ? new EventLog(datapath, {
          format: format === 'json' ? 'json' : 'text',
          timestamps,
          sweeps: clock === 'capture',
        })
      : undefined;
    const { rings, delivery } = datapath.exchange;
    /* Verdicts are taken back when a ring is full, and at the end. Delivery in between would only cost time. */
    delivery.isAutomatic = false;
    rings.onReturn = (words, slot) => {
      this.verdicts.add(words[slot + PacketWord.NUMBER]!, words[slot + PacketWord.STATE]!);
      this.checksums?.see(words, slot);
    };
    rings.onDeferred = (words, slot) =>
      this.deferred.add(
        words[slot + PacketWord.NUMBER]!,
        words[slot + PacketWord.RELEASED_BY]!,
        words[slot + PacketWord.STATE]!,
      );
  }

  /** @returns a promise if the next packet has to wait */
  take(frame: Uint8Array, nowMs: number): Promise<void> | undefined {
    this.packets++;
    const first = this.events?.before(nowMs);
    const push = () => this.datapath.exchange.push(frame, nowMs, this.packets);
    return first === undefined ? push() : first.then(push);
  }

  /** Waits for the last verdicts, and stops the threads. */
  async finish(): Promise<void> {
    await this.events?.print();
    await this.datapath.stop();
  }
}

/** Feeds the whole capture. @returns duration, in ms */
async function runReplay(run: ReplayRun, input: ReplayInput, file: string, options: ReplayOptions): Promise<number> {
  const startedMs = performance.now();
  /* A profile measures: no progress meanwhile. */
  const endProgress =
    options.lockProfile === undefined ? watchProgress(() => `${file}: ${thousands(run.packets)} packets`) : () => {};
  try {
    await input.feed((frame) => run.take(frame, options.clock === 'frozen' ? 0 : input.clock.nowMs));
  } catch (error) {
    await run.datapath.stop();
    throw error;
  }
  endProgress();
  input.source.close();
  await run.finish();
  return performance.now() - startedMs;
}

/** Prints totals, or the number of events. @returns the exit code */
function reportReplay(run: ReplayRun, input: ReplayInput, file: string, { format, threads }: ReplayOptions): ExitCode {
  const { datapath, verdicts, events, packets } = run;
  const { notes, failure } = input;
  const summary = summaryOf(datapath, {
    file,
    packets,
    threads,
    verdicts: Object.fromEntries(verdicts.counts),
    notes,
    failure,
  });
  if (events !== undefined) {
    const { shown, lost } = events;
    const have = shown === 1 ? 'has' : 'have';
    const were = lost === 1 ? 'was' : 'were';
    console.error(`ct-bucket: ${counted(shown, 'flow event')} ${have} been shown, ${lost} ${were} lost.`);
    events.close();
  } else if (format === 'json') {
    console.log(JSON.stringify(summary, undefined, 2));
  } else if (format === 'summary' && (failure === undefined || packets > 0)) {
    printSummary(summary);
  }
  datapath.conntrack.close();
  if (failure !== undefined) {
    console.error(`ct-bucket: ${file}: ${failure.message}`);
    return ExitCode.usage;
  }
  return ExitCode.ok;
}

async function replayInto(outputs: OutputFiles, file: string, options: ReplayOptions): Promise<ExitCode> {
  const input = new ReplayInput(file);
  await input.open();
  requireTableMemory({ buckets: options.buckets, threads: options.threads });
  const checksums = options.checksums ?? (file === '-' ? 'trust' : 'verify');
  const steering = await steeringFor(input.source, options.threads);
  const run = new ReplayRun(await startDatapath(options, checksums, steering), options, checksums === 'verify');
  const durationMs = await runReplay(run, input, file, options);
  run.verdicts.flush();
  if (options.late !== undefined) {
    outputs.write({ late: () => run.deferred.text() });
  }
  if (options.lockProfile !== undefined) {
    writeFileSync(options.lockProfile, jsonText({ durationMs, ...profileOf(run.datapath.conntrack) }));
  }
  input.tell(run.checksums?.lines() ?? []);
  return reportReplay(run, input, file, options);
}

/**
 * Replays a capture file ('-': standard input) and prints verdicts. Packets before a broken place are still reported.
 * @returns the exit code
 */
export async function replay(file: string, options: ReplayOptions): Promise<ExitCode> {
  checkReplayOptions(options);
  if (options.late === undefined && (options.format === 'states' || options.events)) {
    endWithReader();
  }
  return withOutputFiles({ late: options.late }, (outputs) => replayInto(outputs, file, options), file);
}

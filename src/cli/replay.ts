/** `ct-bucket replay`: a capture through a datapath. */

import type { EngineName } from '../core/engines/engine.ts';
import { writeFileSync } from 'node:fs';
import type { Counters } from '../core/counters.ts';
import { UsageError } from '../core/errors.ts';
import { endWithReader } from '../host/command-end.ts';
import { counted, thousands, watchProgress } from '../host/terminal.ts';
import { jsonText, type OutputFiles, withOutputFiles } from '../host/output-files.ts';
import { FlowSteering, MAX_FRAME_BYTES, type Steering } from '../core/flow.ts';
import type { FragmentStatus } from '../core/fragments/settings.ts';
import { PacketWord } from '../core/packet/layout.ts';
import { stateText } from '../core/state.ts';
import { Datapath } from '../workers/datapath.ts';
import { CaptureClock, CaptureError, CaptureNotes, CaptureSource, readCapture } from './capture.ts';
import { cutLine } from './capture/notes.ts';
import { ChecksumWatch } from './checksum-watch.ts';
import { ExitCode } from './exit-code.ts';
import { requireTableMemory } from './table-memory.ts';
import { EventLog } from './replay-events.ts';

export interface ReplayOptions {
  threads: number;
  engine: EngineName;
  /** In a profiled process: a file for what its threads recorded about locks. */
  lockProfile?: string;
  batch: number;
  buckets: number;
  zone: number;
  commit: boolean;
  /** 'capture': the time of each packet is its own, never running backwards; 'frozen': time stands still. */
  clock: 'capture' | 'frozen';
  format: 'states' | 'json' | 'summary';
  /** File for the verdicts of fragments that were held when they were handed over. */
  late?: string;
  /** Print events instead: as text, or with format 'json' an object a line. */
  events: boolean;
  /** Time before each event. */
  timestamps: boolean;
  /** Default: trust for standard input, verify for a file. */
  checksums?: 'verify' | 'trust';
}

/** Lines written to standard output at once. */
const LINES_PER_WRITE = 10_000;

/** Verdicts by packet number, written out in order as soon as they are complete. */
class VerdictLog {
  #states = new Uint8Array(1 << 16);
  #isKnown = new Uint8Array(1 << 16);
  #printed = 0;
  readonly #prints: boolean;
  readonly counts = new Map<string, number>();

  constructor(prints: boolean) {
    this.#prints = prints;
  }

  /** @param number of the packet, 1 for the first */
  add(number: number, state: number): void {
    const text = stateText(state);
    this.counts.set(text, (this.counts.get(text) ?? 0) + 1);
    if (!this.#prints) {
      return;
    }
    const index = number - 1;
    if (index >= this.#states.length) {
      this.#states = grown(this.#states, index);
      this.#isKnown = grown(this.#isKnown, index);
    }
    this.#states[index] = state;
    this.#isKnown[index] = 1;
    if (index - this.#printed >= LINES_PER_WRITE) {
      this.flush();
    }
  }

  /** Writes what is complete. */
  flush(): void {
    const lines: string[] = [];
    while (this.#isKnown[this.#printed] === 1) {
      lines.push(stateText(this.#states[this.#printed++]!));
    }
    if (lines.length > 0) {
      process.stdout.write(`${lines.join('\n')}\n`);
    }
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes.length * 2, index + 1));
  larger.set(bytes);
  return larger;
}

/** Verdicts of held fragments, for a `.late` file. */
class LateLog {
  readonly #entries: { number: number; releasedBy: number; state: number }[] = [];

  add(number: number, releasedBy: number, state: number): void {
    this.#entries.push({ number, releasedBy, state });
  }

  /** Lines in the order in which the fragments came back: the same with any number of threads. */
  text(): string {
    return this.#entries
      .toSorted((a, b) => a.releasedBy - b.releasedBy || a.number - b.number)
      .map(({ number, releasedBy, state }) => `${number}\t${releasedBy}\t${stateText(state)}\n`)
      .join('');
  }
}

/**
 * How packets are to be spread over the PMDs. A capture with fragments is steered by addresses, so that the fragments
 * stay in order with the other packets of their flow and the verdicts do not depend on the number of threads. A pipe
 * can not be read twice: there may be fragments in it.
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
    /* It will be said when the packets before it have been tracked. */
    if (!(error instanceof CaptureError)) {
      throw error;
    }
  }
  return 'flow';
}

export interface Summary {
  file: string;
  packets: number;
  threads: number;
  verdicts: Record<string, number>;
  connections: number;
  counters: Counters;
  fragments: FragmentStatus;
  pmds: { packets: number; batches: number }[];
  /** Packets of which the capture has less than was on the wire. */
  cutPackets: number;
  /** Packets of link types that cannot be tracked. */
  skippedPackets: number;
  error?: string;
}

/** Counters whose names read like faults, and are none. */
const COUNTER_WORDS: Record<string, string> = {
  /* Another thread, or an earlier packet of the batch, had just created the connection. */
  clash: 'found just created',
  staleSkipped: 'stale ones passed over',
};

export function printSummary(summary: Summary): void {
  const { packets: all, connections } = summary;
  console.log(`${summary.file}: ${counted(all, 'packet')}, ${counted(connections, 'connection')} at the end`);
  const verdicts = Object.entries(summary.verdicts).toSorted(([, a], [, b]) => b - a);
  for (const [verdict, count] of verdicts) {
    console.log(`  ${verdict.padEnd(20)} ${String(count).padStart(10)}`);
  }
  if (summary.cutPackets > 0) {
    console.log(`  ${cutLine(summary)}`);
  }
  summary.pmds.forEach(({ packets, batches }, index) => {
    console.log(`  PMD ${index}: ${counted(packets, 'packet')} in ${batches} ${batches === 1 ? 'batch' : 'batches'}`);
  });
  const { v4, v6 } = summary.fragments;
  if (v4.accepted + v6.accepted > 0) {
    console.log(
      `  fragments: ${v4.accepted + v6.accepted} held, ${v4.completedSent + v6.completedSent} sent on complete`,
    );
  }
  const counters = Object.entries(summary.counters).filter(([, count]) => count > 0);
  if (counters.length === 0) {
    return;
  }
  console.log(`  counters: ${counters.map(([name, count]) => `${COUNTER_WORDS[name] ?? name} ${count}`).join(', ')}`);
}

function checkReplayOptions(options: ReplayOptions): void {
  if (options.events && options.format === 'states') {
    throw new UsageError('--events prints events, --format states verdicts: give one of them');
  }
  if (options.timestamps && !options.events) {
    throw new UsageError('--timestamps is for --events');
  }
  if (options.late === '-') {
    throw new UsageError('--late -: the verdicts go to standard output; name a file');
  }
}

/**
 * Replays a capture file ('-': standard input) and prints verdicts. What came before a broken place is still reported.
 * @returns the exit code
 */
export async function replay(file: string, options: ReplayOptions): Promise<ExitCode> {
  checkReplayOptions(options);
  if (options.late === undefined && (options.format === 'states' || options.events)) {
    endWithReader();
  }
  return withOutputFiles({ late: options.late }, (outputs) => replayInto(outputs, file, options), file);
}

async function replayInto(outputs: OutputFiles, file: string, options: ReplayOptions): Promise<ExitCode> {
  const { threads, engine, batch, buckets, zone, commit, clock, format } = options;
  /* Before any thread is started: a file that is not there is said at once. */
  const source = new CaptureSource(file);
  const notes = new CaptureNotes();
  const captureClock = new CaptureClock();
  const packets = readCapture(source.chunks(), { notes, clock: captureClock });
  const first = await packets.next().catch((error: unknown) => error as Error);
  if (first instanceof Error && !(first instanceof CaptureError)) {
    source.close();
    throw first;
  }

  requireTableMemory({ buckets });
  const checksums = options.checksums ?? (file === '-' ? 'trust' : 'verify');
  const steering = await steeringFor(source, threads);
  const sweeper = !options.events;
  const datapath = await Datapath.start({
    threads,
    engine,
    steering,
    batchSize: batch,
    buckets,
    action: { zone, commit },
    checksums,
    sweeper,
    /* Verdicts are to be the same in every run: what a dead worker loses is not to pass for one. */
    restarts: 0,
  });
  const eventLog = options.events
    ? new EventLog(datapath, {
        format: format === 'json' ? 'json' : 'text',
        timestamps: options.timestamps,
        sweeps: clock === 'capture',
      })
    : undefined;
  const log = new VerdictLog(format === 'states');
  const checksumWatch = checksums === 'verify' ? new ChecksumWatch() : undefined;
  datapath.onVerdict = (words, slot) => {
    log.add(words[slot + PacketWord.NUMBER]!, words[slot + PacketWord.STATE]!);
    checksumWatch?.see(words, slot);
  };
  const lateLog = new LateLog();
  datapath.onLateVerdict = (words, slot) =>
    lateLog.add(
      words[slot + PacketWord.NUMBER]!,
      words[slot + PacketWord.RELEASED_BY]!,
      words[slot + PacketWord.STATE]!,
    );
  const startedMs = performance.now();
  let count = 0;
  /* A profile measures: nothing is drawn beside it. */
  const endProgress =
    options.lockProfile === undefined ? watchProgress(() => `${file}: ${thousands(count)} packets`) : () => {};
  let failure: CaptureError | undefined = first instanceof Error ? first : undefined;
  try {
    if (!(first instanceof Error) && !first.done) {
      for (let packet = first.value; ; ) {
        count++;
        const nowMs = clock === 'frozen' ? 0 : captureClock.nowMs;
        const comesFirst = eventLog?.before(nowMs);
        if (comesFirst !== undefined) {
          await comesFirst;
        }
        const waits = datapath.push(packet.frame, nowMs, count);
        if (waits !== undefined) {
          await waits;
        }
        const next = await packets.next();
        if (next.done) {
          break;
        }
        packet = next.value;
      }
    }
  } catch (error) {
    if (!(error instanceof CaptureError)) {
      await datapath.stop();
      throw error;
    }
    failure = error;
  }
  endProgress();
  source.close();
  await eventLog?.print();
  await datapath.stop();
  const durationMs = performance.now() - startedMs;
  log.flush();
  if (options.late !== undefined) {
    outputs.write({ late: () => lateLog.text() });
  }

  const { conntrack } = datapath;
  if (options.lockProfile !== undefined) {
    const { profileOf } = await import('../../bench/profile/in-sample.ts');
    writeFileSync(options.lockProfile, jsonText({ durationMs, ...profileOf(conntrack) }));
  }
  for (const line of [...notes.lines(), ...captureClock.lines(), ...(checksumWatch?.lines() ?? [])]) {
    console.error(`ct-bucket: ${file}: ${line}`);
  }
  const summary: Summary = {
    file,
    packets: count,
    threads,
    verdicts: Object.fromEntries(log.counts),
    connections: conntrack.connCount,
    counters: conntrack.counters(),
    fragments: conntrack.fragments.status(),
    pmds: datapath.pmdCounters().map((pmd) => ({ packets: pmd.packets, batches: pmd.batches })),
    cutPackets: notes.cutPackets,
    skippedPackets: notes.skippedPackets,
    ...(failure === undefined ? {} : { error: failure.message }),
  };
  if (eventLog !== undefined) {
    const { shown, lost } = eventLog;
    const have = shown === 1 ? 'has' : 'have';
    const were = lost === 1 ? 'was' : 'were';
    console.error(`ct-bucket: ${counted(shown, 'flow event')} ${have} been shown, ${lost} ${were} lost.`);
    eventLog.close();
  } else if (format === 'json') {
    console.log(JSON.stringify(summary, undefined, 2));
  } else if (format === 'summary' && (failure === undefined || count > 0)) {
    printSummary(summary);
  }
  conntrack.close();
  if (failure !== undefined) {
    console.error(`ct-bucket: ${file}: ${failure.message}`);
    return ExitCode.usage;
  }
  return ExitCode.ok;
}

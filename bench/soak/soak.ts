/**
 * The soak. A datapath's PMDs and sweeper handle churn through source NAT. A side thread attacks their table, changes settings,
 * queries and flushes. The main thread makes the packets. At the end of each interval all threads pause, and the main thread
 * checks all invariants.
 */

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Counters } from '../../src/core/counters.ts';
import type { Datapath } from '../../src/workers/datapath/datapath.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import { udpFrame } from '../attacks/frames.ts';
import { figuresOf } from '../attacks/figures.ts';
import { seededRandom } from '../statistics/statistics.ts';
import { problemsOf } from './accounting.ts';
import { drainTable } from './drain.ts';
import { EventCheck } from './event-check.ts';
import { Flows, PINNED } from './flows.ts';
import { mutated } from './mutate.ts';
import { retiredRecords, Stillness } from './stillness.ts';
import { type SoakOptions, START_MS } from './options.ts';
import { batchUsOf, type IntervalFigures, removedOf, type Verdict, verdictOf } from './report.ts';
import { Command, type SideWords } from './side-words.ts';
import { SoakThreads } from './threads.ts';

/** Flows that take a step at a time, and ms by which the packets' clock advances meanwhile. */
const WINDOW = 512;
const STEP_MS = 5;
/** The pinned connections take one step in this many. Malformed packets for each step. */
const STEPS_PER_PINNED = 8;
const MALFORMED_PER_STEP = 4;
const MINUTE_MS = 60_000;
const MALFORMED_NUMBER = -1;

/** Garbage would look like growth, so collect it before reading the memory. */
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export class Soak {
  readonly #options: SoakOptions;
  readonly #threads: SoakThreads;
  readonly #datapath: Datapath;
  readonly #side: SideWords;
  readonly #random: () => number;
  readonly #flows: Flows;
  readonly #events: EventCheck;
  readonly #stillness: Stillness;
  readonly #failures: string[] = [];
  readonly #intervals: IntervalFigures[] = [];
  #nowMs = START_MS;
  #packets = 0;
  #isInterrupted = false;
  #killed = 0;
  #connectionsBefore = 0;
  /** Longest repair after a dead worker. */
  #longestRepairMs = 0;
  #nextKillMs = 0;

  static async start(options: SoakOptions): Promise<Soak> {
    return new Soak(options, await SoakThreads.start(options));
  }

  private constructor(options: SoakOptions, threads: SoakThreads) {
    const { datapath, side } = threads;
    this.#options = options;
    this.#threads = threads;
    this.#datapath = datapath;
    this.#side = side;
    this.#random = seededRandom(options.seed);
    this.#flows = new Flows(options.connections, this.#random);
    this.#events = new EventCheck(datapath.conntrack);
    this.#stillness = new Stillness(datapath, side);
    datapath.on('workerDeath', (death) => this.#noteDeath(death));
    datapath.on('workerHang', ({ role, index }) => this.#failures.push(`${role} ${index} hangs`));
    /* Read verdicts from the ring itself, since a soak makes millions of packets a minute. */
    datapath.exchange.rings.onReturn = (words, slot) => this.#flows.takeVerdict(words, slot);
    threads.watchSideThread(
      (failure) => this.#failures.push(failure),
      () => this.interrupt(),
    );
  }

  /** Ends the soak at the next step. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  /** Runs the soak to its end. @param onInterval gets the figures of each interval */
  async run(onInterval: (figures: IntervalFigures) => void): Promise<Verdict> {
    const startMs = performance.now();
    const endMs = startMs + this.#options.minutes * MINUTE_MS;
    try {
      /* Establish the pinned connections before the first flood. */
      for (let step = 0; step < 4; step++) {
        await this.#flows.step(this.#sink, 0, PINNED);
        await this.#datapath.drain();
      }
      this.#side.command(Command.run);
      while (!this.#isInterrupted && performance.now() < endMs) {
        onInterval(await this.#interval(startMs, endMs));
      }
      const end = { nowMs: this.#nowMs, number: MALFORMED_NUMBER };
      this.#failures.push(...(await drainTable(this.#threads, this.#stillness, end)));
    } catch (error) {
      this.#failures.push((error as Error).message);
    }
    const { counters } = this;
    await this.#end();
    return verdictOf(this.#intervals, [...this.#failures, ...this.#events.failures], this.#isInterrupted, counters);
  }

  /** Sends traffic for an interval, then checks. */
  async #interval(startMs: number, endMs: number): Promise<IntervalFigures> {
    const fromMs = performance.now();
    const packetsBefore = this.packets;
    await this.#traffic(Math.min(endMs, fromMs + this.#options.interval * 1000));
    const seconds = (performance.now() - fromMs) / 1000;
    const packets = this.packets - packetsBefore;
    const figures = await this.#checkAll((performance.now() - startMs) / 1000, packets, seconds);
    this.#intervals.push(figures);
    return figures;
  }

  readonly #sink = {
    push: (frame: Uint8Array, number: number) => this.#datapath.exchange.push(frame, this.#nowMs, number),
  };

  /** Packets of PMDs and side thread so far. */
  get packets(): number {
    return this.#packets + this.#side.packets;
  }

  /** The tracker's counters so far. */
  get counters(): Counters {
    return this.#datapath.conntrack.counters();
  }

  #noteDeath({ role, index, reason, repaired, isRestarted, repairMs }: WorkerDeath): void {
    this.#killed++;
    this.#longestRepairMs = Math.max(this.#longestRepairMs, repairMs);
    if (!repaired.isComplete || !isRestarted) {
      this.#failures.push(`${role} ${index} died (${reason}) and was not ${isRestarted ? 'repaired' : 'restarted'}`);
    }
  }

  /** Terminates a worker's thread at an arbitrary point. */
  #kill(): void {
    /* Node 20 crashes if a thread is terminated while it loads its modules. */
    const workers = this.#datapath.workers().filter(({ isUp }) => isUp);
    const victim = workers[Math.floor(this.#random() * workers.length)];
    if (victim !== undefined) {
      this.#datapath.terminateWorker(victim.role, victim.index);
    }
    this.#nextKillMs = performance.now() + (2 * this.#random() * MINUTE_MS) / this.#options.kills;
  }

  /** Sends packets, reads events and kills workers until `untilMs` of the performance clock. */
  async #traffic(untilMs: number): Promise<void> {
    const { conntrack } = this.#datapath;
    let at = PINNED;
    for (let steps = 1; !this.#isInterrupted && performance.now() < untilMs; steps++) {
      const to = Math.min(at + WINDOW, this.#flows.count);
      this.#packets += await this.#flows.step(this.#sink, at, to);
      at = to === this.#flows.count ? PINNED : to;
      if (steps % STEPS_PER_PINNED === 0) {
        this.#packets += await this.#flows.step(this.#sink, 0, PINNED);
      }
      for (let i = 0; i < MALFORMED_PER_STEP; i++) {
        const ends = { src: 0x0d000000 + (steps & 0xffff), dst: 0x0a670001, sport: 7000 + i, dport: 7000 };
        await this.#datapath.exchange.push(mutated(udpFrame(ends, 30), this.#random), this.#nowMs, MALFORMED_NUMBER);
        this.#packets++;
      }
      this.#datapath.harvest();
      this.#nowMs += STEP_MS;
      this.#side.timeMs = this.#nowMs;
      this.#events.readEvents();
      this.#side.moved();
      if (this.#options.kills > 0 && performance.now() >= this.#nextKillMs) {
        this.#kill();
      }
      await setImmediate();
      if (conntrack.connCount > conntrack.memory.maxConnections) {
        this.#failures.push(
          `the table holds ${conntrack.connCount} connections, more than its limit of ${conntrack.memory.maxConnections}`,
        );
      }
    }
  }

  /** Pauses all threads, checks all invariants, and lets the threads continue. */
  async #checkAll(s: number, packets: number, seconds: number): Promise<IntervalFigures> {
    const { conntrack } = this.#datapath;
    const problems = await this.#stillness.reach();
    collectGarbage();
    /* Sweep first, else the checks' lookups would remove expired connections. */
    conntrack.sweep(this.#nowMs);
    problems.push(...problemsOf(conntrack, this.#nowMs));
    const counters = conntrack.counters();
    const connections = conntrack.connCount;
    const { recordBytes, lineBytes, fragmentBytes, expectationBytes } = figuresOf(conntrack);
    const figures: IntervalFigures = {
      type: 'interval',
      s,
      packetsPerSecond: packets / seconds,
      packets,
      connections,
      limit: conntrack.maxConnections,
      created: counters.created,
      removed: removedOf(counters),
      tableFull: conntrack.tableFull,
      problems,
      residentBytes: process.memoryUsage.rss(),
      heapBytes: process.memoryUsage().heapUsed,
      tableBytes: recordBytes + lineBytes + fragmentBytes + expectationBytes,
      recordBytes,
      lineBytes,
      retired: retiredRecords(conntrack),
      batchUs: batchUsOf(this.#side.bins, this.#side.longestNs),
      lost: this.#flows.lost,
      killed: this.#killed,
      longestRepairMs: this.#longestRepairMs,
      unanswered: this.#flows.unanswered,
      events: this.#events.finishInterval(this.#connectionsBefore, connections),
    };
    this.#connectionsBefore = connections;
    this.#side.clearLatency();
    this.#stillness.end();
    return figures;
  }

  async #end(): Promise<void> {
    this.#events.close();
    await this.#threads.end().catch((error: Error) => this.#failures.push(error.message));
    this.#datapath.conntrack.close();
  }
}

/**
 * The soak. A datapath's PMDs and sweeper handle churn through source NAT. A side thread attacks their table, changes settings,
 * queries and flushes. The main thread makes the packets. At the end of each interval all threads pause, and the main thread
 * checks all invariants.
 */

import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import type { Counters } from '../../src/core/counters.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import { store } from '../../src/shared/access.ts';
import { udpFrame } from '../attacks/frames.ts';
import { figuresOf } from '../attacks/figures.ts';
import { seededRandom } from '../statistics/statistics.ts';
import { problemsOf } from './accounting.ts';
import { EventCheck } from './event-check.ts';
import { Flows, PINNED } from './flows.ts';
import { mutated } from './mutate.ts';
import { retiredRecords, Stillness } from './stillness.ts';
import { type SoakOptions, START_MS, TABLE_FACTOR } from './options.ts';
import { batchUsOf, type IntervalFigures, removedOf, type Verdict, verdictOf } from './report.ts';
import type { SideTask } from './side-thread.ts';
import { Command, SideWord, SideWords } from './side-words.ts';
import type { WatchTask } from './watch-thread.ts';

/** Flows that take a step at a time, and ms by which the packets' clock advances meanwhile. */
const WINDOW = 512;
const STEP_MS = 5;
/** The pinned connections take one step in this many. Malformed packets for each step. */
const STEPS_PER_PINNED = 8;
const MALFORMED_PER_STEP = 4;
/** Timeouts in s, short enough for a soak of some seconds. */
const SHORT = { udp_first: 4, udp_single: 4, udp_multiple: 8, icmp_first: 4, icmp_reply: 4 };
const SHORT_TCP = { tcp_syn_sent: 4, tcp_syn_recv: 4, tcp_fin_wait: 4, tcp_time_wait: 4, tcp_close: 2 };
/** The watch thread's limit. Checking a large table takes some seconds. */
const STALL_MS = 60_000;
const MINUTE_MS = 60_000;
const DRAIN_MS = 2 * MINUTE_MS;
const PASSES_TO_DRAIN = 2000;
const MALFORMED_NUMBER = -1;

/** Garbage would look like growth, so collect it before reading the memory. */
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export class Soak {
  readonly #options: SoakOptions;
  readonly #datapath: Datapath;
  readonly #random: () => number;
  readonly #flows: Flows;
  readonly #events: EventCheck;
  readonly #side = new SideWords();
  readonly #stillness: Stillness;
  readonly #sideThread: Worker;
  readonly #watch: Worker;
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
    const datapath = await Datapath.start({
      threads: options.threads,
      maxConnections: TABLE_FACTOR * options.connections,
      buckets: 256,
      action: { commit: true, nat: { action: ['src'], minAddr: '10.9.0.1', maxAddr: '10.9.0.8' } },
      maxParticipants: options.threads + 8,
    });
    datapath.conntrack.setTimeoutPolicy(0, { ...SHORT, ...SHORT_TCP });
    return new Soak(options, datapath);
  }

  private constructor(options: SoakOptions, datapath: Datapath) {
    this.#options = options;
    this.#datapath = datapath;
    this.#random = seededRandom(options.seed);
    this.#flows = new Flows(options.connections, this.#random);
    this.#events = new EventCheck(datapath.conntrack);
    this.#stillness = new Stillness(datapath, this.#side);
    datapath.on('workerDeath', (death) => this.#noteDeath(death));
    datapath.on('workerHang', ({ role, index }) => this.#failures.push(`${role} ${index} hangs`));
    /* Read verdicts from the ring itself, since a soak makes millions of packets a minute. */
    datapath.exchange.rings.onReturn = (words, slot) => this.#flows.takeVerdict(words, slot);
    const entry = workerEntry('side-thread', import.meta.url);
    const task: SideTask = {
      memory: datapath.conntrack.memory,
      shared: this.#side.buffer,
      seed: options.seed,
    };
    this.#side.timeMs = this.#nowMs;
    store(this.#side.words, SideWord.COMMAND, Command.stand);
    this.#sideThread = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
    const watchEntry = workerEntry('watch-thread', import.meta.url);
    this.#watch = new Worker(watchEntry.filename, {
      execArgv: watchEntry.execArgv,
      workerData: {
        memory: datapath.conntrack.memory,
        shared: this.#side.buffer,
        stallMs: STALL_MS,
      } satisfies WatchTask,
    });
    this.#sideThread.on('message', (failure: string) => this.#failures.push(failure));
    this.#sideThread.on('error', (error) => {
      this.#failures.push(`the side thread died: ${(error as Error).message}`);
      this.#isInterrupted = true;
    });
  }

  /** Ends the soak at the next step. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  /** Runs the soak to its end. @param onInterval gets the figures of each interval */
  async run(onInterval: (figures: IntervalFigures) => void): Promise<Verdict> {
    const { minutes, interval } = this.#options;
    const startMs = performance.now();
    const endMs = startMs + minutes * 60_000;
    try {
      /* Establish the pinned connections before the first flood. */
      for (let step = 0; step < 4; step++) {
        await this.#flows.step(this.#sink, 0, PINNED);
        await this.#datapath.drain();
      }
      this.#side.command(Command.run);
      while (!this.#isInterrupted && performance.now() < endMs) {
        const fromMs = performance.now();
        const packetsBefore = this.packets;
        await this.#traffic(Math.min(endMs, fromMs + interval * 1000));
        const seconds = (performance.now() - fromMs) / 1000;
        const packets = this.packets - packetsBefore;
        const figures = await this.#checkAll((performance.now() - startMs) / 1000, packets, seconds);
        this.#intervals.push(figures);
        onInterval(figures);
      }
      await this.#drain();
    } catch (error) {
      this.#failures.push((error as Error).message);
    }
    const { counters } = this;
    await this.#end();
    return verdictOf(this.#intervals, [...this.#failures, ...this.#events.failures], this.#isInterrupted, counters);
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

  /** Sends no more packets, and checks that the table becomes empty. */
  async #drain(): Promise<void> {
    const { conntrack } = this.#datapath;
    this.#failures.push(...(await this.#stillness.reach()));
    /* Only the sweeper removes fragments of zones without packets, much later. */
    const laterMs = this.#nowMs + DRAIN_MS;
    const expired = conntrack.sweep(laterMs);
    const left = conntrack.flush({ nowMs: laterMs });
    this.#nowMs = laterMs;
    for (let pass = 0; pass < PASSES_TO_DRAIN && this.#fragments() > 0; pass++) {
      await this.#datapath.exchange.push(udpFrame({ src: 1, dst: 2, sport: 3, dport: 4 }), laterMs, MALFORMED_NUMBER);
      await this.#datapath.drain();
      if (pass === 0) {
        conntrack.sweepIntervalMs = 1;
      }
      this.#side.moved();
      await setImmediate();
    }
    this.#failures.push(...(await this.#stillness.reach()));
    conntrack.flush({ nowMs: laterMs });
    const { counters, limited } = { counters: conntrack.counters(), limited: conntrack.zoneLimits() };
    const rest: [what: string, count: number][] = [
      ['connections', conntrack.connCount],
      ['connections by the counters', counters.created - removedOf(counters)],
      ['expectations', conntrack.tracker.alg.expectations.used],
      ['fragments', this.#fragments()],
      ...limited.map(({ zone, count }): [string, number] => [`connections of zone ${zone}`, count]),
    ];
    for (const [what, count] of rest) {
      if (count !== 0) {
        this.#failures.push(
          `${count} ${what} are left after everything expired or was flushed (${expired} expired, ${left} flushed)`,
        );
      }
    }
    this.#failures.push(...problemsOf(conntrack, laterMs));
  }

  #fragments(): number {
    return this.#datapath.conntrack.fragments.status().nfrag;
  }

  async #end(): Promise<void> {
    this.#events.close();
    if (this.#sideThread.threadId !== -1) {
      const ended = once(this.#sideThread, 'exit');
      this.#side.command(Command.end);
      await ended;
    }
    await this.#watch.terminate();
    await this.#datapath.stop().catch((error: Error) => this.#failures.push(error.message));
    this.#datapath.conntrack.close();
  }
}

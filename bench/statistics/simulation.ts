/**
 * A discrete-event simulation of threads that take locks. It predicts rates for more threads than there are cores.
 *
 * A thread works outside locks, passes one critical section after another, and begins the next packet. Each section takes one lock
 * out of many. Waiting threads get a lock in the order of arrival. If another thread held the lock last, the new holder fetches
 * that thread's cache lines first. Each thread has a core of its own.
 */

import { seededRandom } from './statistics.ts';

export interface CriticalSection {
  /** Number of locks: 1 for a global lock, else the number of buckets. */
  locks: number;
  holdNs: number;
  /** Share of the packets that pass this section. Default: 1. */
  share?: number;
  /** Cache lines to fetch from the last holder. Default: 1. */
  lines?: number;
}

/** The cost of a packet, measured on one thread. A thread alone does 1 / (outsideNs + hold times) packets. */
export interface SimulatedWork {
  /** Time of a packet outside all locks. */
  outsideNs: number;
  sections: readonly CriticalSection[];
  /** Time to fetch a line that another core wrote. */
  lineTransferNs: number;
  /** Distribution of the times outside and inside locks. Default: constant. */
  times?: 'constant' | 'exponential';
}

export interface SimulationOptions {
  threads: number;
  /** Packets of all threads. A tenth as many come first, as a warm-up. */
  packets?: number;
  seed?: number;
}

export interface SimulatedRun {
  threads: number;
  /** Packets per second of all threads. */
  rate: number;
  /** Time that threads waited for locks / total time of the threads. */
  waitingShare: number;
  /** Share of acquisitions that found the lock held. */
  contendedShare: number;
}

/** With as many packets, the rate varies by well under one percent from seed to seed. */
const DEFAULT_PACKETS = 100_000;
const NOBODY = -1;

interface Lock {
  holder: number;
  lastHolder: number;
  waiting: number[];
}

interface Thread {
  /** Time of the thread's next event. Infinity while it waits for a lock. */
  at: number;
  /** The section that the thread waits for or is in. */
  section: number;
  lock: Lock | undefined;
  askedAt: number;
}

export function simulate(work: SimulatedWork, options: SimulationOptions): SimulatedRun {
  const { threads, packets = DEFAULT_PACKETS, seed = 1 } = options;
  return new Simulation(work, threads, seed).run(packets);
}

class Simulation {
  readonly #work: SimulatedWork;
  readonly #random: () => number;
  readonly #locks: Lock[][];
  readonly #threads: Thread[];
  #done = 0;
  #acquired = 0;
  #contended = 0;
  #waitedNs = 0;

  constructor(work: SimulatedWork, threads: number, seed: number) {
    this.#work = work;
    this.#random = seededRandom(seed);
    this.#locks = work.sections.map(({ locks }) =>
      Array.from({ length: locks }, () => ({ holder: NOBODY, lastHolder: NOBODY, waiting: [] })),
    );
    const packetNs = work.outsideNs + work.sections.reduce((sum, { holdNs, share = 1 }) => sum + holdNs * share, 0);
    this.#threads = Array.from({ length: threads }, () => ({
      /* Start the threads at random times, so that they do not run in lockstep. */
      at: this.#random() * packetNs,
      section: -1,
      lock: undefined,
      askedAt: 0,
    }));
  }

  run(packets: number): SimulatedRun {
    const start = Math.ceil(packets / 10);
    let now = this.#runUntil(start);
    const from = {
      now,
      done: this.#done,
      waited: this.#waitedNs,
      acquired: this.#acquired,
      contended: this.#contended,
    };
    now = this.#runUntil(start + packets);
    const ns = now - from.now;
    const acquired = this.#acquired - from.acquired;
    return {
      threads: this.#threads.length,
      rate: ((this.#done - from.done) / ns) * 1e9,
      waitingShare: (this.#waitedNs - from.waited) / (ns * this.#threads.length),
      contendedShare: acquired === 0 ? 0 : (this.#contended - from.contended) / acquired,
    };
  }

  /** @returns the time at which `packets` packets are done */
  #runUntil(packets: number): number {
    let now = 0;
    while (this.#done < packets) {
      const index = this.#nextThread();
      const thread = this.#threads[index]!;
      now = thread.at;
      if (thread.lock !== undefined) {
        this.#release(thread.lock, now);
        thread.lock = undefined;
      }
      this.#advance(thread, index, now);
    }
    return now;
  }

  #nextThread(): number {
    let next = 0;
    for (let i = 1; i < this.#threads.length; i++) {
      if (this.#threads[i]!.at < this.#threads[next]!.at) {
        next = i;
      }
    }
    return next;
  }

  /** Moves a thread to its packet's next section, or to the end of the packet. */
  #advance(thread: Thread, index: number, now: number): void {
    const { sections, outsideNs } = this.#work;
    do {
      thread.section++;
    } while (thread.section < sections.length && !this.#comesTo(sections[thread.section]!));
    if (thread.section >= sections.length) {
      this.#done++;
      thread.section = -1;
      thread.at = now + this.#draw(outsideNs);
      return;
    }
    const locks = this.#locks[thread.section]!;
    const lock = locks[locks.length === 1 ? 0 : Math.floor(this.#random() * locks.length)]!;
    this.#acquired++;
    thread.askedAt = now;
    if (lock.holder === NOBODY) {
      this.#hold(lock, index, now);
    } else {
      this.#contended++;
      lock.waiting.push(index);
      thread.at = Number.POSITIVE_INFINITY;
    }
  }

  #comesTo({ share = 1 }: CriticalSection): boolean {
    return share >= 1 || this.#random() < share;
  }

  #hold(lock: Lock, index: number, now: number): void {
    const thread = this.#threads[index]!;
    const { holdNs, lines = 1 } = this.#work.sections[thread.section]!;
    const isAway = lock.lastHolder !== NOBODY && lock.lastHolder !== index;
    lock.holder = index;
    lock.lastHolder = index;
    thread.lock = lock;
    thread.at = now + (isAway ? lines * this.#work.lineTransferNs : 0) + this.#draw(holdNs);
    this.#waitedNs += now - thread.askedAt;
  }

  #release(lock: Lock, now: number): void {
    lock.holder = NOBODY;
    const next = lock.waiting.shift();
    if (next !== undefined) {
      this.#hold(lock, next, now);
    }
  }

  #draw(meanNs: number): number {
    return this.#work.times === 'exponential' ? -Math.log(1 - this.#random()) * meanNs : meanNs;
  }
}

export interface SimulationCheck {
  threads: number;
  /** Packets per second. */
  measured: number;
  predicted: number;
  /** (predicted - measured) / measured. */
  error: number;
}

/** Compares the simulation with measured rates. Leaves out points with more threads than cores, which it does not model. */
export function checkSimulation(
  work: SimulatedWork,
  measured: readonly { threads: number; rate: number }[],
  cores: number,
): SimulationCheck[] {
  return measured
    .filter(({ threads }) => threads <= cores)
    .map(({ threads, rate }) => {
      const predicted = simulate(work, { threads }).rate;
      return { threads, measured: rate, predicted, error: (predicted - rate) / rate };
    });
}

/**
 * Churn: connections come, have two exchanges, and expire; the table holds about a given population throughout, while a
 * sweeper removes what has expired. The packets' clock goes as fast as connections are opened, so that one lives for
 * LIFE_MS of it. Threads that run ahead of the sweeper wait for it: what is measured is what all of them can keep up.
 */

import { CtAction } from '../../src/core/action.ts';
import { add, load, wait } from '../../src/shared/access.ts';
import type { Sender } from './sender.ts';
import { StepBatch } from './step-batch.ts';
import { tell, type Workload, type WorkloadOptions, type WorkloadRun } from './workload.ts';

const COMMIT = new CtAction({ commit: true });

/** The timeout of all states, s. */
export const CHURN_TIMEOUT_S = 1;
/** Connections that are opened for each of the population. */
export const LIVES = 5;
const PACKETS = 4;
/** Threads wait while the table holds more than so many populations. */
const MOST = 2;
/** No thread is further ahead of the slowest, ms: what it opens early, the sweeper cannot remove early. */
const MOST_AHEAD_MS = 50;
/** Batches of new connections between two looks at the table. */
const BATCHES_PER_LOOK = 32;

class ChurnRun implements WorkloadRun {
  readonly #original: StepBatch;
  readonly #reply: StepBatch;
  readonly #options: WorkloadOptions;
  readonly #times: Float64Array;

  constructor(options: WorkloadOptions) {
    const { batchSize, shared } = options;
    this.#options = options;
    this.#original = new StepBatch({ protocol: 'udp', batchSize, payloadBytes: 100 });
    this.#reply = new StepBatch({ protocol: 'udp', batchSize, payloadBytes: 100, isReply: true });
    this.#times = churnTimes(shared);
  }

  run(sender: Sender, _phase: number, from: number, to: number): void {
    const { batchSize, threads, thread, connections, shared } = this.#options;
    const { tracker } = sender;
    const stepMs = (batchSize * threads * CHURN_TIMEOUT_S * 1000) / connections;
    const first = from * LIVES;
    const end = to * LIVES;
    let batches = 0;
    for (let id = first; id < end; id += batchSize) {
      const count = Math.min(batchSize, end - id);
      for (let packet = 0; packet < PACKETS; packet++) {
        const step = (packet & 1) === 0 ? this.#original : this.#reply;
        step.fillGrid(id, count);
        sender.send(step.batch, COMMIT);
      }
      sender.nowMs += stepMs;
      this.#times[thread] = sender.nowMs;
      if (++batches % BATCHES_PER_LOOK === 0) {
        while (
          sender.nowMs > leastTimeMs(this.#times, threads) + MOST_AHEAD_MS ||
          tracker.quota.pools.used(tracker.quota.pool) > MOST * connections
        ) {
          /* Holding nothing: what was removed can be used again. */
          tracker.quiesce();
          wait(shared, WAIT_WORD, 0, 0.05);
        }
      }
    }
    /* The sweeper need not wait for those who have finished. */
    this.#times[thread] = Number.POSITIVE_INFINITY;
    add(shared, DONE_WORD, 1);
  }
}

const WAIT_WORD = 0;
/** Threads that have finished. */
const DONE_WORD = 1;
const FIRST_TIME = 4;

/** The time of each thread; 0 before it has begun. */
export function churnTimes(shared: Int32Array<SharedArrayBuffer>): Float64Array {
  return new Float64Array(shared.buffer, FIRST_TIME * 4, (shared.length - FIRST_TIME) >> 1);
}

function leastTimeMs(times: Float64Array, threads: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let thread = 0; thread < threads; thread++) {
    least = Math.min(least, times[thread]!);
  }
  return least;
}

/** The time that all threads have reached; NaN before, and when all have finished. */
export function churnTimeMs(shared: Int32Array<SharedArrayBuffer>, threads: number): number {
  const least = leastTimeMs(churnTimes(shared), threads);
  return least > 0 && Number.isFinite(least) ? least : Number.NaN;
}

export function isChurnOver(shared: Int32Array<SharedArrayBuffer>, threads: number): boolean {
  return load(shared, DONE_WORD) >= threads;
}

export const churn: Workload = {
  description: `Track connections that come, talk and expire, with --connections alive at a time, for ${LIVES} lifetimes`,
  variants: [''],
  phasesOf: () => [{ result: 'churn', packetsPerConnection: LIVES * PACKETS }],
  make: (options) => new ChurnRun(options),
  fault: (accounting) => {
    const { counters, live, connections } = accounting;
    const { created, expiredAtLookup, expiredAtSweep, tableFull, insertFailed, invalid } = counters;
    const isRight =
      created === LIVES * connections &&
      created === live + expiredAtLookup + expiredAtSweep &&
      counters.new === created &&
      counters.established === (PACKETS - 1) * created &&
      tableFull + insertFailed + invalid === 0;
    return isRight ? undefined : tell(accounting);
  },
  tableOf: ({ connections }) => ({ maxConnections: Math.max(100_000, 3 * connections) }),
  hasSweeper: true,
};

/**
 * Churn: connections come, have two exchanges, and expire. A sweeper removes them, so the table holds a constant population. The
 * packets' clock advances with the number of opened connections, so that each lives for LIFE_MS. Threads that run ahead of the
 * sweeper wait for it. The figure is the rate that all threads together can sustain.
 */

import { CtAction } from '../../src/core/action.ts';
import { add, load, wait } from '../../src/shared/access.ts';
import type { Sender } from './sender.ts';
import { StepBatch } from './step-batch.ts';
import { describeFault, type Workload, type WorkloadOptions, type WorkloadRun } from './workload.ts';

const COMMIT = new CtAction({ commit: true });

/** Timeout of all states, s. */
export const CHURN_TIMEOUT_S = 1;
/** Connections opened for each connection of the population. */
export const LIVES = 5;
const PACKETS = 4;
/** Threads wait while the table holds more than this many populations. */
const MOST = 2;
/** Most that a thread may be ahead of the slowest, ms. The sweeper cannot remove early what a thread opens early. */
const MOST_AHEAD_MS = 50;
/** Batches of new connections between two checks of the table's population. */
const BATCHES_PER_CHECK = 32;

class ChurnRun implements WorkloadRun {
  readonly #original: StepBatch;
  readonly #reply: StepBatch;
  readonly #options: WorkloadOptions;
  readonly #times: Float64Array;

  constructor(options: WorkloadOptions) {
    const { batchSize, shared, memory } = options;
    this.#options = options;
    this.#original = new StepBatch({ protocol: 'udp', batchSize, payloadBytes: 100, memory });
    this.#reply = new StepBatch({ protocol: 'udp', batchSize, payloadBytes: 100, isReply: true, memory });
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
      if (++batches % BATCHES_PER_CHECK === 0) {
        while (
          sender.nowMs > leastTimeMs(this.#times, threads) + MOST_AHEAD_MS ||
          tracker.quota.pools.used(tracker.quota.pool) > MOST * connections
        ) {
          /* This thread holds no reference, so removed records may be reused. */
          tracker.quiesce();
          wait(shared, WAIT_WORD, 0, 0.05);
        }
      }
    }
    /* The sweeper need not wait for a finished thread. */
    this.#times[thread] = Number.POSITIVE_INFINITY;
    add(shared, DONE_WORD, 1);
  }
}

const WAIT_WORD = 0;
/** Word that counts finished threads. */
const DONE_WORD = 1;
const FIRST_TIME = 4;

/** The time of each thread. 0 before it begins. */
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

/** The time that all threads have reached. NaN before they begin, and when all have finished. */
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
    return isRight ? undefined : describeFault(accounting);
  },
  tableOf: ({ connections }) => ({ maxConnections: Math.max(100_000, 3 * connections) }),
  hasSweeper: true,
};

/**
 * A thread that watches how long the workers of a datapath are in the middle of one piece of work: a batch, a step of the
 * sweep. It also measures how late it comes itself, which is what the machine adds.
 */

import { workerData } from 'node:worker_threads';
import { peek, type Words } from '../../src/shared/access.ts';
import { isBusy, WorkerWord, workerLine } from '../../src/workers/status.ts';

export interface BeatWatchTask {
  status: Words;
  /** PMDs. */
  threads: number;
  /** Workers that are watched: numbers from 0 on. */
  workers: number;
  /** Words of BeatWatchWord. */
  results: Words;
}

/** Words that it shares. */
export const BeatWatchWord = {
  STOP: 0,
  /** Counted up by whoever wants to begin anew. */
  ROUND: 1,
  /** The round that the longest times belong to. */
  WATCHED_ROUND: 2,
  /** How late the watcher came at most, in us. */
  LATE_US: 3,
  /** From here on: longest time of each worker in us. */
  LONGEST_US: 16,
} as const;

const LOOK_MS = 0.5;

export function watchBeats({ status, threads, workers, results }: BeatWatchTask): void {
  const beats = new Int32Array(workers);
  const sinceMs = new Float64Array(workers);
  let wokenMs = performance.now();
  while (Atomics.load(results, BeatWatchWord.STOP) === 0) {
    Atomics.wait(results, BeatWatchWord.STOP, 0, LOOK_MS);
    const nowMs = performance.now();
    const lateUs = Math.round((nowMs - wokenMs - LOOK_MS) * 1000);
    wokenMs = nowMs;
    const round = Atomics.load(results, BeatWatchWord.ROUND);
    if (round !== results[BeatWatchWord.WATCHED_ROUND]) {
      results.fill(0, BeatWatchWord.LATE_US);
      sinceMs.fill(nowMs);
      Atomics.store(results, BeatWatchWord.WATCHED_ROUND, round);
    }
    results[BeatWatchWord.LATE_US] = Math.max(results[BeatWatchWord.LATE_US]!, lateUs);
    for (let worker = 0; worker < workers; worker++) {
      const line = workerLine(threads, worker);
      const beat = peek(status, line + WorkerWord.HEARTBEAT);
      const isUp = peek(status, line + WorkerWord.UP) !== 0;
      if (beat !== beats[worker] || !isBusy(beat) || !isUp) {
        beats[worker] = beat;
        sinceMs[worker] = nowMs;
        continue;
      }
      const at = BeatWatchWord.LONGEST_US + worker;
      results[at] = Math.max(results[at]!, Math.round((nowMs - sinceMs[worker]!) * 1000));
    }
  }
}

if (workerData !== null) {
  watchBeats(workerData as BeatWatchTask);
}

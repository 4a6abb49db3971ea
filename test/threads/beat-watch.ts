/**
 * A thread that watches for how long the workers of a datapath are blocked in the middle of one piece of work (a batch, a
 * step of the sweep): neither running nor waiting for a processor, as the system's scheduler has it.
 */

import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { peek, type Words } from '../../src/shared/access.ts';
import { isBusy, WorkerWord, workerLine } from '../../src/workers/threads/status.ts';

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
  /** From here on: longest time of each worker in us. */
  LONGEST_US: 16,
} as const;

const LOOK_MS = 1;
/** What a thread has used of processors is read so often, */
const SAMPLE_MS = 4;
/** and when it has not got on for so long. */
const SUSPICIOUS_MS = 10;

/** How long a thread has run and was kept waiting for a processor, in ms; 0 where the system does not tell. */
function usedMs(threadId: number): number {
  try {
    const [ran, delayed] = readFileSync(`/proc/self/task/${threadId}/schedstat`, 'utf8').split(' ');
    return (Number(ran) + Number(delayed)) / 1e6;
  } catch {
    return 0;
  }
}

export function watchBeats({ status, threads, workers, results }: BeatWatchTask): void {
  const looks = Array.from({ length: workers }, () => ({ beat: 0, sinceMs: 0, sampledMs: 0, usedMs: 0 }));
  while (Atomics.load(results, BeatWatchWord.STOP) === 0) {
    Atomics.wait(results, BeatWatchWord.STOP, 0, LOOK_MS);
    const nowMs = performance.now();
    const round = Atomics.load(results, BeatWatchWord.ROUND);
    if (round !== results[BeatWatchWord.WATCHED_ROUND]) {
      results.fill(0, BeatWatchWord.LONGEST_US);
      looks.forEach((look) => Object.assign(look, { beat: 0, sampledMs: 0 }));
      Atomics.store(results, BeatWatchWord.WATCHED_ROUND, round);
    }
    for (const [worker, look] of looks.entries()) {
      const line = workerLine(threads, worker);
      const beat = peek(status, line + WorkerWord.HEARTBEAT);
      const threadId = peek(status, line + WorkerWord.THREAD_ID);
      if (beat !== look.beat || !isBusy(beat) || peek(status, line + WorkerWord.UP) === 0) {
        look.beat = beat;
        look.sinceMs = nowMs;
        if (nowMs - look.sampledMs > SAMPLE_MS) {
          look.sampledMs = nowMs;
          look.usedMs = usedMs(threadId);
        }
      } else if (nowMs - look.sinceMs > SUSPICIOUS_MS) {
        const blockedMs = nowMs - look.sinceMs - (usedMs(threadId) - look.usedMs);
        const at = BeatWatchWord.LONGEST_US + worker;
        results[at] = Math.max(results[at]!, Math.round(blockedMs * 1000));
      }
    }
  }
}

if (workerData !== null) {
  watchBeats(workerData as BeatWatchTask);
}

/**
 * How long a cache line takes from one core to another, in a process of its own: two threads hand a word to each other, again
 * and again. Prints `{"ns": ...}`: half the time of a round, the median of several windows. With one core there is no such
 * time: both threads would wait for their turns, and the answer is null.
 */

import { availableParallelism } from 'node:os';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { allocateWords, load, store, type Words } from '../../src/shared/access.ts';
import { median } from '../statistics/statistics.ts';

const ROUNDS = 200_000;
const WINDOWS = 9;

if (isMainThread) {
  console.log(JSON.stringify({ ns: availableParallelism() < 2 ? null : measure() }));
  process.exit(0);
} else {
  answer(workerData as Words);
}

function measure(): number {
  const words = allocateWords(64);
  void new Worker(new URL(import.meta.url), { workerData: words });
  let turn = 0;
  const windows: number[] = [];
  for (let window = 0; window < WINDOWS; window++) {
    const from = performance.now();
    for (let round = 0; round < ROUNDS; round++) {
      turn++;
      store(words, 0, turn);
      while (load(words, 0) !== -turn) {
        /* The other core has it. */
      }
    }
    windows.push(((performance.now() - from) * 1e6) / ROUNDS / 2);
  }
  /* The first is the other thread's start. */
  return median(windows.slice(1));
}

function answer(words: Words): never {
  for (;;) {
    const turn = load(words, 0);
    if (turn > 0) {
      store(words, 0, -turn);
    }
  }
}

/**
 * The time that a cache line takes from one core to another. Two threads pass a word to and fro. Prints `{"ns": ...}`: half the
 * time of a round trip, as the median of several windows. With a single core it prints null, since both threads would only
 * wait for their turns.
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
  echo(workerData as Words);
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
        /* The other core has the line. */
      }
    }
    windows.push(((performance.now() - from) * 1e6) / ROUNDS / 2);
  }
  /* The first window includes the start of the other thread. */
  return median(windows.slice(1));
}

function echo(words: Words): never {
  for (;;) {
    const turn = load(words, 0);
    if (turn > 0) {
      store(words, 0, -turn);
    }
  }
}

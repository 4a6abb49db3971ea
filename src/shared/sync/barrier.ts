/**
 * A barrier for a fixed number of threads. It can be used again after each round.
 *
 *   word 0   threads that have arrived in this round. Atomic.
 *   word 1   round number. Atomic: the last thread to arrive increments it, the others sleep on it.
 */

import { add, load, notify, store, wait, type Words } from '../access.ts';

export const BARRIER_WORDS = 2;

const ARRIVED = 0;
const ROUND = 1;

/** Blocks until `parties` threads have arrived in this round. */
export function arriveAndWait(words: Words, base: number, parties: number): void {
  const round = load(words, base + ROUND);
  if (add(words, base + ARRIVED, 1) + 1 === parties) {
    /* Reset the count before the round ends: no thread can arrive for the next round until then. */
    store(words, base + ARRIVED, 0);
    store(words, base + ROUND, (round + 1) | 0);
    notify(words, base + ROUND, parties);
    return;
  }
  while (load(words, base + ROUND) === round) {
    wait(words, base + ROUND, round);
  }
}

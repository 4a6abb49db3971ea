/**
 * The number of credits of a quota pool that are in use. Each participant counts the credits that it takes and releases. The
 * number is not computed from RESERVED and the unused words: credits move between these, and a thread that is interrupted
 * in between would make the difference wrong.
 *
 * Only a participant's own thread writes its counts, or the thread that repairs after it. Beside them it writes the pool's
 * generation, before it takes or releases. A thread may be interrupted after it took a credit and before it counts it. If
 * the pool is renewed meanwhile, the thread counts for the old generation, and nobody reads that. No other thread resets a
 * count. Generation numbers wrap: a renewal invalidates counts that still have the new number from long ago (forgetCounts).
 *
 * Within a generation both counts of a participant only grow. While no count of releases changes, the sum of the counts
 * of takes, read one after another, lies between its values at the beginning and at the end.
 */

import { load, poke, store, type Words } from '../access.ts';
import { COUNTED, GENERATION, RELEASED, STRIDE_WORDS, TAKEN } from './quota-layout.ts';

/** Attempts to read the sums while nobody releases. Each takes a fraction of a microsecond. */
const ATTEMPTS = 100;
/** Value of COUNTED: the counts belong to no generation. */
const NO_GENERATION = -1;

function sumOf(words: Words, pool: number, maxParticipants: number, generation: number, count: number): number {
  let sum = 0;
  for (let id = 0; id < maxParticipants; id++) {
    const own = pool + (1 + id) * STRIDE_WORDS;
    if (load(words, own + COUNTED) === generation) {
      sum = (sum + load(words, own + count)) | 0;
    }
  }
  return sum;
}

/**
 * Credits in use. Exact while nobody takes or releases. Otherwise a number between the least and the most that were in use
 * during the call. If other threads released credits during every attempt, the result may be too high by the credits that
 * were released during the last one.
 */
export function creditsInUse(words: Words, pool: number, maxParticipants: number): number {
  let inUse = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const generation = load(words, pool + GENERATION);
    const released = sumOf(words, pool, maxParticipants, generation, RELEASED);
    /* Releases are read before takes: so the difference is never too low. */
    inUse = (sumOf(words, pool, maxParticipants, generation, TAKEN) - released) | 0;
    if (
      sumOf(words, pool, maxParticipants, generation, RELEASED) === released &&
      load(words, pool + GENERATION) === generation
    ) {
      break;
    }
  }
  return Math.max(inUse, 0);
}

/**
 * Makes the owner's counts those of this generation. Call it before the atomic operation that takes or releases a credit.
 * The count follows that operation directly, without a call, so no thread dies between the two.
 * @param own index of the owner's unused word
 */
export function beginToCount(words: Words, own: number, generation: number): void {
  /* A plain read: only the owner writes its words. forgetCounts does too, but only over a number from long ago. */
  if (words[own + COUNTED] !== generation) {
    poke(words, own + TAKEN, 0);
    poke(words, own + RELEASED, 0);
    /* Atomic, and last: no reader sees this generation with the counts of another one. */
    store(words, own + COUNTED, generation);
  }
}

/** Call before the pool gets this generation. Invalidates counts that a participant still has from the last time of that number. */
export function forgetCounts(words: Words, pool: number, maxParticipants: number, generation: number): void {
  for (let id = 0; id < maxParticipants; id++) {
    const counted = pool + (1 + id) * STRIDE_WORDS + COUNTED;
    /* Safe although the owner is another thread: it has not used the pool for 2^15 - 1 generations, and is not writing now. */
    if (words[counted] === generation) {
      store(words, counted, NO_GENERATION);
    }
  }
}

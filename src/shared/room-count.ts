/**
 * How many units of a room pool are in use. It is counted where units are taken and given back, and not made out of what is
 * reserved and what lies unused: units move between these, and a thread that stands still in the middle of moving them would
 * make any number out of them.
 *
 * Both counts of a participant only grow. So while no count of what was given back changes, the sum of what was taken, read one
 * by one, lies between what it was at the beginning and what it was at the end.
 */

import { load, poke, type Words } from './access.ts';
import { GENERATION, GIVEN, SLOT_MASK, SLOT_SHIFT, STRIDE_WORDS, TAKEN } from './room-layout.ts';

/** Tries to add up while nobody gives back: each takes a fraction of a microsecond. */
const ATTEMPTS = 100;

function sumOf(words: Words, pool: number, maxParticipants: number, count: number): number {
  let sum = 0;
  for (let id = 0; id < maxParticipants; id++) {
    sum = (sum + load(words, pool + (1 + id) * STRIDE_WORDS + count)) | 0;
  }
  return sum;
}

/**
 * Units in use. Exact while nobody takes or gives back; while others do, a number between the least and the most that were in
 * use during the call. If they gave back in every attempt, as many more at most as were given back during the last one.
 */
export function unitsInUse(words: Words, pool: number, maxParticipants: number): number {
  let inUse = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const generation = load(words, pool + GENERATION);
    const slot = (generation & SLOT_MASK) << SLOT_SHIFT;
    const given = sumOf(words, pool, maxParticipants, GIVEN + slot);
    /* What was given back before it was taken: never less than there is. */
    inUse = (sumOf(words, pool, maxParticipants, TAKEN + slot) - given) | 0;
    if (sumOf(words, pool, maxParticipants, GIVEN + slot) === given && load(words, pool + GENERATION) === generation) {
      break;
    }
  }
  return Math.max(inUse, 0);
}

/** Before the pool gets this generation, which publishes it: nothing of it has been taken. */
export function clearCounts(words: Words, pool: number, maxParticipants: number, generation: number): void {
  const slot = (generation & SLOT_MASK) << SLOT_SHIFT;
  for (let id = 0; id < maxParticipants; id++) {
    poke(words, pool + (1 + id) * STRIDE_WORDS + TAKEN + slot, 0);
    poke(words, pool + (1 + id) * STRIDE_WORDS + GIVEN + slot, 0);
  }
}

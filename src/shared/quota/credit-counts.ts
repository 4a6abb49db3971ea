/**
 * How many units of a quota pool are in use. It is counted where units are taken and given back, and not made out of what is
 * reserved and what lies unused: units move between these, and a thread that stands still in the middle of moving them would
 * make any number out of them.
 *
 * Only a participant's own thread writes its counts, and it writes beside them which generation of the pool they are of. A
 * thread may stand still after it took a unit and before it counts it, while the pool starts anew any number of times: what it
 * counts then is of the old generation, as it has said before. No other thread sets a count to 0.
 * Numbers of generations come again: a thread that starts the pool anew takes the number from counts that still bear it.
 *
 * Both counts of a participant only grow within a generation. So while no count of what was given back changes, the sum of
 * what was taken, read one by one, lies between what it was at the beginning and what it was at the end.
 */

import { load, poke, store, type Words } from '../access.ts';
import { COUNTED, GENERATION, GIVEN, STRIDE_WORDS, TAKEN } from './quota-layout.ts';

/** Tries to add up while nobody gives back: each takes a fraction of a microsecond. */
const ATTEMPTS = 100;
/** In COUNTED: these counts are of no generation. */
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
 * Units in use. Exact while nobody takes or gives back; while others do, a number between the least and the most that were in
 * use during the call. If they gave back in every attempt, as many more at most as were given back during the last one.
 */
export function unitsInUse(words: Words, pool: number, maxParticipants: number): number {
  let inUse = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const generation = load(words, pool + GENERATION);
    const given = sumOf(words, pool, maxParticipants, generation, GIVEN);
    /* What was given back before it was taken: never less than there is. */
    inUse = (sumOf(words, pool, maxParticipants, generation, TAKEN) - given) | 0;
    if (
      sumOf(words, pool, maxParticipants, generation, GIVEN) === given &&
      load(words, pool + GENERATION) === generation
    ) {
      break;
    }
  }
  return Math.max(inUse, 0);
}

/**
 * From here on the owner of these counts counts units of this generation. Before the step that takes or gives one back: between
 * that and the count there is no place at which its thread may end.
 * @param own the owner's unused word
 */
export function beginToCount(words: Words, own: number, generation: number): void {
  /* The owner reads its own words plainly: nobody else writes them, but forgetCounts a number that is long gone. */
  if (words[own + COUNTED] !== generation) {
    poke(words, own + TAKEN, 0);
    poke(words, own + GIVEN, 0);
    /* Atomic, so that nobody finds the counts of another generation behind it. */
    store(words, own + COUNTED, generation);
  }
}

/** Before the pool gets this generation: counts that a participant has from the last one of that number do not count. */
export function forgetCounts(words: Words, pool: number, maxParticipants: number, generation: number): void {
  for (let id = 0; id < maxParticipants; id++) {
    const counted = pool + (1 + id) * STRIDE_WORDS + COUNTED;
    /* Nobody else writes the word then: its owner has not used the pool for all generations but one. */
    if (words[counted] === generation) {
      store(words, counted, NO_GENERATION);
    }
  }
}

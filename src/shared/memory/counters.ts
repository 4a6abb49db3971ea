/**
 * Counters without sharing. Each participant adds to words that only it writes. A reader adds up the words of all.
 *
 * A counter is a 64-bit float, exact up to 2^53. All accesses are plain. On x86-64 and ARM64 an aligned 64-bit access is
 * not split, so a reader sees a value that was really there. It may be a few stores old.
 */

import { COUNTER_WORDS, PARTICIPANT_WORDS, ParticipantWord, type ParticipantRegion } from './participant.ts';

/** Counters of one participant. */
export const MAX_COUNTERS: number = COUNTER_WORDS / 2;

/** The counters of participant `id`, for its owner to add to. */
export function countersOf(region: ParticipantRegion, id: number): Float64Array<SharedArrayBuffer> {
  const word = region.base + id * PARTICIPANT_WORDS + ParticipantWord.COUNTERS;
  return new Float64Array(region.words.buffer, word * 4, MAX_COUNTERS);
}

/** The sum of counter `index` over all participants, those that have ended included. */
export function sumCounter(region: ParticipantRegion, index: number): number {
  let sum = 0;
  for (let id = 0; id < region.maxParticipants; id++) {
    sum += countersOf(region, id)[index]!;
  }
  return sum;
}

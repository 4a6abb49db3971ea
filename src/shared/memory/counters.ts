/**
 * Counters without sharing: each participant adds to words that only it writes, a reader adds all of them up.
 *
 * A counter is a 64-bit float, exact up to 2^53. It is written plainly and read plainly by others; on x86-64 and
 * ARM64 an aligned 64-bit access is one access, so a reader sees a value that was there, at most some stores old.
 */

import { COUNTER_WORDS, PARTICIPANT_WORDS, ParticipantWord, type ParticipantRegion } from './participant.ts';

/** How many counters a participant has room for. */
export const MAX_COUNTERS: number = COUNTER_WORDS / 2;

/** The counters of participant `id`, for its owner to add to. */
export function countersOf(region: ParticipantRegion, id: number): Float64Array<SharedArrayBuffer> {
  const word = region.base + id * PARTICIPANT_WORDS + ParticipantWord.COUNTERS;
  return new Float64Array(region.words.buffer, word * 4, MAX_COUNTERS);
}

/** The sum of counter `index` over all participants, past ones included. */
export function sumCounter(region: ParticipantRegion, index: number): number {
  let sum = 0;
  for (let id = 0; id < region.maxParticipants; id++) {
    sum += countersOf(region, id)[index]!;
  }
  return sum;
}

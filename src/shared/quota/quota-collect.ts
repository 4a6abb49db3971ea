/**
 * Collecting the unused credits of all participants, before a pool refuses.
 *
 * A pool may refuse only if it misses no credit. The order of the steps ensures that:
 *
 *   1. RESERVED gets the flag COLLECTING. From now on no thread begins to take from its own word.
 *   2. The first round empties all unused words. A thread that had begun to take before step 1 now fails: its word has
 *      changed.
 *   3. One look at each PREFETCHED word. A thread sets that word before it takes, so a thread that took before step 2 is
 *      seen here. A thread that is not seen has no prefetched credits, and gets none while the flag stands.
 *   4. The second round empties the words again. It finds every credit that was released up to the last look of step 3.
 *
 * If the second round finds nothing, and nobody has prefetched credits, then all credits were in use at that moment.
 */

import { exchange, poke, store, type Words } from '../access.ts';
import { type Participant, ParticipantWord } from '../memory/participant.ts';
import { anyonePrefetching } from './prefetched-credits.ts';
import {
  CLEAR_FULL_BELOW,
  COLLECTING,
  COUNT_MASK,
  FULL_BELOW,
  GENERATION_SHIFT,
  NOT_SURE,
  RESERVED,
  STRIDE_WORDS,
} from './quota-layout.ts';

/**
 * Collects the unused credits. The caller holds the pool's mutex. Afterwards QUOTA_RESERVED of its block has the new value
 * of RESERVED.
 * @returns the PREFETCHED word of a participant that has prefetched credits, or 0
 */
export function collectCredits(
  words: Words,
  pool: number,
  maxParticipants: number,
  generation: number,
  participant: Participant,
): number {
  const reserved = participant.base + ParticipantWord.QUOTA_RESERVED;
  store(words, pool + FULL_BELOW, NOT_SURE);
  poke(words, pool + RESERVED, participant.words[reserved]! | COLLECTING);
  emptyUnusedWords(words, pool, maxParticipants, generation, participant);
  const holder = anyonePrefetching(words, pool, maxParticipants);
  emptyUnusedWords(words, pool, maxParticipants, generation, participant);
  poke(words, pool + RESERVED, participant.words[reserved]!);
  return holder;
}

/** One round. Subtracts the credits that it finds from QUOTA_RESERVED. */
function emptyUnusedWords(
  words: Words,
  pool: number,
  maxParticipants: number,
  generation: number,
  participant: Participant,
): void {
  const reserved = participant.base + ParticipantWord.QUOTA_RESERVED;
  for (let id = 0; id < maxParticipants; id++) {
    const unused = pool + (1 + id) * STRIDE_WORDS;
    const before = exchange(words, unused, (generation << GENERATION_SHIFT) | CLEAR_FULL_BELOW);
    participant.words[reserved]! -= before & COUNT_MASK;
  }
}

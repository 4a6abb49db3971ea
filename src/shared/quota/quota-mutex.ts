/**
 * The mutex of a quota pool, rare operations under it, and the repair after a thread that died with it.
 *
 * Only the thread that holds the mutex writes the pool's RESERVED. In that thread's block, QUOTA_RESERVED less QUOTA_IN_TRANSIT
 * is the value that RESERVED must get if the thread dies now (participant.ts). Both words change in the same step as the credits
 * that they count. While they are not right, QUOTA_IS_KNOWN is 0.
 */

import { exchange, poke, store, type Words } from '../access.ts';
import { type Participant, ParticipantWord } from '../memory/participant.ts';
import { LockSite } from '../sync/lock-sites.ts';
import { LockClass } from '../sync/lockdep.ts';
import { inheritLock, lock, unlock, wakeWaiters } from '../sync/mutex.ts';
import { forgetCounts } from './credit-counts.ts';
import {
  COUNT_MASK,
  FULL_BELOW,
  GENERATION,
  GENERATION_MASK,
  GENERATION_SHIFT,
  MUTEX,
  RESERVED,
  STRIDE_WORDS,
} from './quota-layout.ts';
import { writeLimit } from './quota-limit.ts';

export function lockPool(words: Words, pool: number, participant: Participant): void {
  const own = participant.words;
  const { base } = participant;
  own[base + ParticipantWord.QUOTA_IS_KNOWN] = 0;
  own[base + ParticipantWord.QUOTA_POOL] = pool;
  lock(words, pool + MUTEX, participant, LockClass.leaf, LockSite.quota);
  own[base + ParticipantWord.QUOTA_RESERVED] = words[pool + RESERVED]!;
  own[base + ParticipantWord.QUOTA_IS_KNOWN] = 1;
}

export function unlockPool(words: Words, pool: number, participant: Participant): void {
  participant.words[participant.base + ParticipantWord.QUOTA_IS_KNOWN] = 0;
  unlock(words, pool + MUTEX);
}

/** Returns the participant's unused credits to the pool. */
export function returnUnused(words: Words, pool: number, participant: Participant): void {
  const own = pool + (1 + participant.id) * STRIDE_WORDS;
  lockPool(words, pool, participant);
  const returned = exchange(words, own, words[pool + GENERATION]! << GENERATION_SHIFT) & COUNT_MASK;
  const reserved = words[pool + RESERVED]! - returned;
  participant.words[participant.base + ParticipantWord.QUOTA_RESERVED] = reserved;
  poke(words, pool + RESERVED, reserved);
  store(words, pool + FULL_BELOW, 0);
  unlockPool(words, pool, participant);
}

/** Begins a new generation of the pool, with no credit in use. */
export function renewPool(
  words: Words,
  pool: number,
  maxParticipants: number,
  limit: number,
  participant: Participant,
): void {
  lockPool(words, pool, participant);
  participant.words[participant.base + ParticipantWord.QUOTA_IS_KNOWN] = 0;
  const generation = (words[pool + GENERATION]! + 1) & GENERATION_MASK;
  forgetCounts(words, pool, maxParticipants, generation);
  store(words, pool + GENERATION, generation);
  for (let id = 0; id < maxParticipants; id++) {
    store(words, pool + (1 + id) * STRIDE_WORDS, generation << GENERATION_SHIFT);
  }
  poke(words, pool + RESERVED, 0);
  writeLimit(words, pool, limit);
  store(words, pool + FULL_BELOW, 0);
  unlockPool(words, pool, participant);
}

/**
 * Repairs a pool after the participant's thread has died. The participant keeps its credits in flight and its prefetched
 * credits.
 * @returns whether the dead thread held the mutex
 */
export function repairPool(words: Words, pool: number, participant: Participant): boolean {
  const own = participant.words;
  const { base } = participant;
  const heldIt = inheritLock(words, pool + MUTEX, participant, LockClass.leaf);
  if (heldIt) {
    if (own[base + ParticipantWord.QUOTA_POOL] === pool && own[base + ParticipantWord.QUOTA_IS_KNOWN] !== 0) {
      const reserved = own[base + ParticipantWord.QUOTA_RESERVED]! - own[base + ParticipantWord.QUOTA_IN_TRANSIT]!;
      poke(words, pool + RESERVED, reserved);
      own[base + ParticipantWord.QUOTA_IS_KNOWN] = 0;
      own[base + ParticipantWord.QUOTA_IN_TRANSIT] = 0;
    }
    unlock(words, pool + MUTEX);
  }
  /* The dead thread may have released a credit, and died before it cleared this word. */
  store(words, pool + FULL_BELOW, 0);
  wakeWaiters(words, pool + MUTEX);
  return heldIt;
}

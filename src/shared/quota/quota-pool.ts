/**
 * A quota pool: how many connections there may be. It is exact under concurrency: it never exceeds its limit, and refuses
 * nobody while a credit is free. A credit is the right to create one connection.
 *
 * One shared counter would move its cache line between all threads for each new connection. So a participant takes credits
 * in blocks while the limit is far away, and one by one near it. Credits that it has taken and not used lie in its own
 * word, `unused`. Before the pool refuses, it collects these words (quota-collect.ts).
 *
 * RESERVED counts the credits in use and the unused ones. A participant may use a credit from its own word only while
 * RESERVED <= limit: then the limit holds even if all reserved credits are used.
 *
 * Refusing is cheap, because a flood is refused millions of times. A thread that collects sets CLEAR_FULL_BELOW in each
 * unused word. If it finds no credit, it notes the limit in FULL_BELOW. The thread that releases the next credit sees the
 * flag in the same atomic step that releases it, and clears FULL_BELOW. While FULL_BELOW stands no release was
 * completed. So a refusal reads two words, takes no mutex, and writes nothing.
 *
 * A pool can be renewed: a zone's limit is deleted and set again. Credits of an older generation do not count any more. The
 * unused word contains its generation, so that the same atomic step checks it.
 *
 * A participant's block says which credits it has taken and what it is about to change (CreditWord, PREFETCHED_CREDITS,
 * the QUOTA_ words), for the repair after its thread has died. The credit that `take` returns is in flight until the caller
 * releases it, or writes that it is in use.
 *
 * quota-layout.ts draws the words. quota-limit.ts has the limit, quota-mutex.ts the mutex and the repair, credit-counts.ts
 * the counts, prefetched-credits.ts the waiting for batches.
 */

import { add, compareExchange, load, peek, poke, store, type Words } from '../access.ts';
import { CreditWord, type Participant, ParticipantWord } from '../memory/participant.ts';
import { FREE } from '../sync/lock-word.ts';
import { beginToCount, creditsInUse } from './credit-counts.ts';
import { awaitPrefetchEnd, endPrefetch, releasePrefetched, repairPrefetched } from './prefetched-credits.ts';
import { collectCredits } from './quota-collect.ts';
import {
  CLEAR_FULL_BELOW,
  COUNT_MASK,
  FULL_BELOW,
  GENERATION,
  GENERATION_SHIFT,
  MUTEX,
  NOT_SURE,
  PREFETCHED,
  RELEASED,
  RESERVED,
  RESERVED_MASK,
  STRIDE_WORDS,
  TAKEN,
} from './quota-layout.ts';
import { givenLimit, limitInForce, isWithinLimit, writeLimit } from './quota-limit.ts';
import { lockPool, renewPool, repairPool, returnUnused, unlockPool } from './quota-mutex.ts';

/** Credits taken at once far from the limit. One creation in 256 touches the shared words. */
const BLOCK = 256;

/** Looks at a batch that has prefetched credits, before sleeping until it ends. A batch takes a few microseconds. */
const PREFETCH_LOOKS = 1000;

/** For the accounting. */
export const QuotaLayout = { MUTEX, RESERVED, FULL_BELOW, PREFETCHED, STRIDE_WORDS, COUNT_MASK } as const;

/** `take` refuses: the limit is reached. */
export const QUOTA_EXHAUSTED = -1;

export { USE_FALLBACK } from './quota-limit.ts';

export interface QuotaPoolsOptions {
  words: Words;
  maxParticipants: number;
  /** Word index of the fallback limit, which applies to pools whose own limit is USE_FALLBACK. Its value 0 means unlimited. */
  fallbackLimit?: number;
  /** Offset in a participant's block of the credits in flight (CreditWord) of these pools; default QUOTA_CREDIT. */
  credit?: number;
  /** Credits taken at once far from the limit; default 256. */
  block?: number;
  /** With fewer credits than this below the limit, credits are taken one by one; default a block for each participant. */
  margin?: number;
  /** Looks at a batch that has prefetched credits, before sleeping until it ends; default 1000. */
  prefetchLooks?: number;
}

/** The pools of one region. A pool is named by the word index of its header. */
export class QuotaPools {
  private readonly words: Words;
  private readonly maxParticipants: number;
  private readonly fallbackLimit: number;
  private readonly block: number;
  private readonly margin: number;
  private readonly prefetchLooks: number;
  private readonly credit: number;
  /** PREFETCHED word of a participant that had prefetched credits at the last collection; 0: nobody had. */
  #holder = 0;

  constructor(options: QuotaPoolsOptions) {
    this.words = options.words;
    this.maxParticipants = options.maxParticipants;
    this.fallbackLimit = options.fallbackLimit ?? 0;
    this.credit = options.credit ?? ParticipantWord.QUOTA_CREDIT;
    this.block = options.block ?? BLOCK;
    /* Closer to the limit, blocks would soon be collected again. */
    this.margin = options.margin ?? options.maxParticipants * this.block;
    this.prefetchLooks = options.prefetchLooks ?? PREFETCH_LOOKS;
  }

  /** Words of one pool. */
  static wordsFor(maxParticipants: number): number {
    return (1 + maxParticipants) * STRIDE_WORDS;
  }

  /** The limit in force, in credits. */
  limit(pool: number): number {
    return limitInForce(this.words, pool, this.fallbackLimit);
  }

  /** The pool's own limit as it was set: from 0 to 2^32 - 1, or USE_FALLBACK. */
  ownLimit(pool: number): number {
    return givenLimit(this.words, pool);
  }

  /** Sets the pool's own limit. It applies to the next connection of every thread. @param limit from 0 to 2^32 - 1, or USE_FALLBACK */
  setLimit(pool: number, limit: number): void {
    writeLimit(this.words, pool, limit);
  }

  /** Begins a new generation of the pool, with no credit in use. */
  renew(pool: number, limit: number, participant: Participant): void {
    renewPool(this.words, pool, this.maxParticipants, limit, participant);
  }

  /**
   * May credits that are already reserved be used? They may unless the limit was set below them. During a collection the sum
   * from its beginning counts.
   */
  mayUseReserved(pool: number): boolean {
    const reserved = peek(this.words, pool + RESERVED) & RESERVED_MASK;
    return isWithinLimit(this.words, pool, this.fallbackLimit, reserved);
  }

  /** Credits in use. Prefetched credits count until their batch ends. Exact while nobody takes or releases (credit-counts.ts). */
  used(pool: number): number {
    return creditsInUse(this.words, pool, this.maxParticipants);
  }

  /** Takes one credit. @returns the generation with which it must be released; or QUOTA_EXHAUSTED */
  take(pool: number, participant: Participant): number {
    const words = this.words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    const unused = peek(words, own);
    if ((unused & COUNT_MASK) > 0 && this.#hasMargin(pool, 0) && this.#takeOwn(own, unused, 1)) {
      words[own + TAKEN]!++;
      const credit = participant.base + this.credit;
      participant.words[credit + CreditWord.UNITS]!++;
      participant.words[credit + CreditWord.POOL] = pool;
      participant.words[credit + CreditWord.GENERATION] = unused >>> GENERATION_SHIFT;
      return unused >>> GENERATION_SHIFT;
    }
    return this.takeFromPool(pool, own, participant);
  }

  /** Tries once to take credits from the participant's own word. The caller counts them, in the same step. */
  #takeOwn(own: number, unused: number, credits: number): boolean {
    beginToCount(this.words, own, unused >>> GENERATION_SHIFT);
    return compareExchange(this.words, own, unused, unused - credits) === unused;
  }

  /** Is the limit at least `beyond` above the reserved credits? False during a collection. */
  #hasMargin(pool: number, beyond: number): boolean {
    const reserved = peek(this.words, pool + RESERVED);
    return reserved >= 0 && isWithinLimit(this.words, pool, this.fallbackLimit, reserved + beyond);
  }

  /**
   * Prefetches up to `count` credits for a batch, so that its connections need no atomic operation for the quota. Near the
   * limit it takes nothing. The caller decrements PREFETCHED_CREDITS of the participant for each credit that it uses. When
   * the batch ends, it must release the others with `releasePrefetched`. Not for pools that are renewed.
   * @returns the number of credits
   */
  prefetchCredits(pool: number, count: number, participant: Participant): number {
    const words = this.words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    const unused = peek(words, own);
    const taken = Math.min(count, unused & COUNT_MASK);
    if (taken === 0 || !this.#hasMargin(pool, this.margin)) {
      return 0;
    }
    /* Before the credits leave the unused word: a thread that collects must see them in one of the two. */
    poke(words, own + PREFETCHED, participant.lockTag);
    if (!this.#takeOwn(own, unused, taken)) {
      endPrefetch(words, own + PREFETCHED);
      return 0;
    }
    participant.words[participant.base + ParticipantWord.PREFETCHED_CREDITS] = taken;
    words[own + TAKEN]! += taken;
    return taken;
  }

  /** Call when the batch ends. Releases the `left` prefetched credits that it has not used. */
  releasePrefetched(pool: number, left: number, participant: Participant): void {
    releasePrefetched(this.words, pool, left, participant);
  }

  private takeFromPool(pool: number, own: number, participant: Participant): number {
    const words = this.words;
    if (this.limit(pool) < load(words, pool + FULL_BELOW) >>> 0) {
      return QUOTA_EXHAUSTED;
    }
    if (peek(words, own + PREFETCHED) !== FREE) {
      /* This thread has used up its prefetched credits. */
      endPrefetch(words, own + PREFETCHED);
    }
    for (;;) {
      const taken = this.#tryTakeFromPool(pool, own, participant);
      if (taken !== QUOTA_EXHAUSTED || this.#holder === 0) {
        return taken;
      }
      /* The other thread releases the credits that its batch does not use. Near the limit no other batch prefetches. */
      awaitPrefetchEnd(words, this.#holder, participant, this.prefetchLooks);
    }
  }

  /**
   * Tries once to take credits from the pool, under its mutex.
   * @returns the generation; or QUOTA_EXHAUSTED: all credits are in use, except those of the batch at `#holder`, if there is one
   */
  #tryTakeFromPool(pool: number, own: number, participant: Participant): number {
    const words = this.words;
    lockPool(words, pool, participant);
    const mine = participant.words;
    const { base } = participant;
    const credit = base + this.credit;
    const limit = this.limit(pool);
    const generation = words[pool + GENERATION]!;
    beginToCount(words, own, generation);
    let reserved = words[pool + RESERVED]!;
    this.#holder = 0;
    if (reserved >= limit) {
      this.#holder = collectCredits(words, pool, this.maxParticipants, generation, participant);
      reserved = mine[base + ParticipantWord.QUOTA_RESERVED]!;
    }
    let taken = QUOTA_EXHAUSTED;
    if (reserved < limit) {
      const more = reserved + this.block + this.margin <= limit ? this.block - 1 : 0;
      taken = generation;
      /* Up to the count in TAKEN without a call (participant.ts): the credit becomes reserved and in flight in one step. */
      poke(words, pool + RESERVED, reserved + 1 + more);
      mine[base + ParticipantWord.QUOTA_RESERVED] = reserved + 1 + more;
      mine[base + ParticipantWord.QUOTA_IN_TRANSIT] = more;
      mine[credit + CreditWord.UNITS]!++;
      mine[credit + CreditWord.POOL] = pool;
      mine[credit + CreditWord.GENERATION] = generation;
      words[own + TAKEN]!++;
      if (more > 0) {
        store(words, pool + FULL_BELOW, 0);
        add(words, own, more - (peek(words, own) & CLEAR_FULL_BELOW));
        mine[base + ParticipantWord.QUOTA_IN_TRANSIT] = 0;
      }
    } else if (this.#holder === 0) {
      compareExchange(words, pool + FULL_BELOW, NOT_SURE, (limit + 1) | 0);
    }
    unlockPool(words, pool, participant);
    return taken;
  }

  /**
   * Releases one credit of that generation: its connection is gone, or was never created.
   * @param note offset in the participant's block of a word to which `by` is added in the same step; by default its number of
   *   credits in flight
   */
  release(
    pool: number,
    generation: number,
    participant: Participant,
    note: number = this.credit + CreditWord.UNITS,
    by: number = -1,
  ): void {
    if (this.releaseLocally(pool, generation, participant, note, by)) {
      this.returnAll(pool, participant);
    }
  }

  /** As release, but never takes the mutex. @returns whether so many credits are unused here that `returnAll` should follow */
  releaseLocally(pool: number, generation: number, participant: Participant, note: number, by: number): boolean {
    const words = this.words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    for (;;) {
      const unused = peek(words, own);
      if (unused >>> GENERATION_SHIFT !== generation) {
        participant.words[participant.base + note]! += by;
        return false;
      }
      beginToCount(words, own, generation);
      if (compareExchange(words, own, unused, (unused & ~CLEAR_FULL_BELOW) + 1) === unused) {
        participant.words[participant.base + note]! += by;
        words[own + RELEASED]!++;
        if ((unused & CLEAR_FULL_BELOW) !== 0) {
          store(words, pool + FULL_BELOW, 0);
        }
        return (unused & COUNT_MASK) >= 2 * this.block;
      }
    }
  }

  /** Returns the participant's unused credits to the pool. */
  returnAll(pool: number, participant: Participant): void {
    returnUnused(this.words, pool, participant);
  }

  /**
   * Call after the participant's thread has died. The participant keeps its credits in flight and its prefetched credits.
   * @returns whether the dead thread held the mutex
   */
  repair(pool: number, participant: Participant): boolean {
    return repairPool(this.words, pool, participant);
  }

  /** Call after the participant's thread has died. Releases its prefetched credits. @returns their number */
  repairPrefetched(pool: number, participant: Participant): number {
    return repairPrefetched(this.words, pool, participant);
  }
}

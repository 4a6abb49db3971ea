/**
 * Room for connections, exact under concurrency: never more taken than the limit, never refused while any is left.
 *
 * Taking every unit of room from one shared word would move that word's cache line between all threads for every new
 * connection. So a participant takes blocks while the limit is far away, and single units near it. Room taken but
 * not used yet lies in a word of its own; before anybody is refused, those words are emptied. quota-layout.ts draws the words,
 * quota-limit.ts reads and writes the limit, credit-counts.ts counts what is in use, prefetched-credits.ts waits for batches that have taken
 * units ahead.
 *
 * A unit that was reserved may be used while reserved <= limit: then even using every reserved unit stays within.
 * Refusing is cheap, since a flood is refused millions of times: who has emptied all unused words in vain leaves the
 * limit in `full below` and TELL in each of the words, so that whoever gives a unit back, in the same atomic step,
 * learns that it has to clear `full below`. As long as that stands nobody has given back, and no word need be looked at.
 *
 * A pool can start anew (a zone's limit is deleted and made again); units of an earlier generation then no longer
 * count, which the generation in the unused word decides in the same atomic step.
 *
 * What a participant has taken and what it is about to change stands in its block (CreditWord, PREFETCHED_CREDITS, POOL_ words), for
 * `repair` after its thread has died. The unit that `take` returns is in its hand until it is given back, or until the
 * caller writes that it is in use.
 */

import { add, compareExchange, exchange, load, notify, peek, poke, store, type Words } from '../access.ts';
import { LockSite } from '../sync/lock-sites.ts';
import { FREE } from '../sync/lock-word.ts';
import { LockClass } from '../sync/lockdep.ts';
import { inheritLock, lock, unlock, wakeWaiters } from '../sync/mutex.ts';
import { CreditWord, type Participant, ParticipantWord } from '../memory/participant.ts';
import { awaitPrefetchEnd, endPrefetch, anyonePrefetching } from './prefetched-credits.ts';
import { beginToCount, forgetCounts, unitsInUse } from './credit-counts.ts';
import {
  PREFETCHED,
  COLLECTING,
  COUNT_MASK,
  FULL_BELOW,
  GENERATION,
  GENERATION_MASK,
  GENERATION_SHIFT,
  GIVEN,
  LIMIT,
  MUTEX,
  NOT_SURE,
  RESERVED,
  RESERVED_MASK,
  STRIDE_WORDS,
  TAKEN,
  TELL,
} from './quota-layout.ts';
import { givenLimit, limitInForce, USE_FALLBACK, writeLimit } from './quota-limit.ts';

/** Units taken at once far from the limit: makes the shared words 1/256 as busy as the table. */
const BLOCK = 256;

/** Looks at another participant's PREFETCHED before sleeping: a batch takes a few microseconds. */
const PREFETCH_LOOKS = 1000;

/** For the checks of the invariants. */
export const QuotaLayout = { MUTEX, RESERVED, FULL_BELOW, PREFETCHED, STRIDE_WORDS, COUNT_MASK } as const;

/** `take` refused: the limit is reached. */
export const QUOTA_EXHAUSTED = -1;

export { USE_FALLBACK } from './quota-limit.ts';

export interface QuotaPoolsOptions {
  words: Words;
  maxParticipants: number;
  /** Word index of the limit that applies where a pool's own is USE_FALLBACK; its value 0 means unlimited. */
  fallbackLimit?: number;
  /** Offset in a participant's block of its hand (CreditWord) for these pools; default QUOTA_CREDIT. */
  credit?: number;
  /** Units taken at once far from the limit; default 256. */
  block?: number;
  /** Closer to the limit than so many units they are taken singly; default a block for each participant. */
  margin?: number;
  /** Looks at a batch that has taken ahead before sleeping until it ends; default 1000. */
  prefetchLooks?: number;
}

/** Pools in one region, each named by the word index of its header. */
export class QuotaPools {
  readonly #words: Words;
  readonly #maxParticipants: number;
  readonly #fallbackLimit: number;
  readonly #block: number;
  readonly #margin: number;
  readonly #prefetchLooks: number;
  readonly #credit: number;
  /** The PREFETCHED word for which the last attempt to take was in vain; 0: nobody was ahead. */
  #holder = 0;

  constructor(options: QuotaPoolsOptions) {
    this.#words = options.words;
    this.#maxParticipants = options.maxParticipants;
    this.#fallbackLimit = options.fallbackLimit ?? 0;
    this.#credit = options.credit ?? ParticipantWord.QUOTA_CREDIT;
    this.#block = options.block ?? BLOCK;
    /* Closer to the limit than this, blocks would only be collected again. */
    this.#margin = options.margin ?? options.maxParticipants * this.#block;
    this.#prefetchLooks = options.prefetchLooks ?? PREFETCH_LOOKS;
  }

  /** Words of one pool. */
  static wordsFor(maxParticipants: number): number {
    return (1 + maxParticipants) * STRIDE_WORDS;
  }

  /** The limit in force, in units. */
  limit(pool: number): number {
    return limitInForce(this.#words, pool, this.#fallbackLimit);
  }

  /** The pool's own limit as it was given, from 0 to 2^32 - 1; or USE_FALLBACK. */
  ownLimit(pool: number): number {
    return givenLimit(this.#words, pool);
  }

  /** Takes effect with the next connection, in every thread. @param limit from 0 to 2^32 - 1, or USE_FALLBACK */
  setLimit(pool: number, limit: number): void {
    writeLimit(this.#words, pool, limit);
  }

  /** Starts the pool anew with nothing in use. */
  renew(pool: number, limit: number, participant: Participant): void {
    const words = this.#words;
    this.#enter(pool, participant);
    participant.words[participant.base + ParticipantWord.POOL_IS_KNOWN] = 0;
    const generation = (words[pool + GENERATION]! + 1) & GENERATION_MASK;
    forgetCounts(words, pool, this.#maxParticipants, generation);
    store(words, pool + GENERATION, generation);
    for (let id = 0; id < this.#maxParticipants; id++) {
      store(words, pool + (1 + id) * STRIDE_WORDS, generation << GENERATION_SHIFT);
    }
    poke(words, pool + RESERVED, 0);
    writeLimit(words, pool, limit);
    store(words, pool + FULL_BELOW, 0);
    this.#leave(pool, participant);
  }

  /**
   * May units that are already reserved be used: is the limit not below them? While somebody collects, they count as they were
   * when that began.
   */
  mayUseReserved(pool: number): boolean {
    return (peek(this.#words, pool + RESERVED) & RESERVED_MASK) <= this.#peekLimit(pool);
  }

  /**
   * Units in use; those that a batch has taken ahead count until it ends. Exact while nobody takes or gives back, and whatever
   * else others are in the middle of: see credit-counts.ts.
   */
  used(pool: number): number {
    return unitsInUse(this.#words, pool, this.#maxParticipants);
  }

  #enter(pool: number, participant: Participant): void {
    const own = participant.words;
    const { base } = participant;
    own[base + ParticipantWord.POOL_IS_KNOWN] = 0;
    own[base + ParticipantWord.POOL] = pool;
    lock(this.#words, pool + MUTEX, participant, LockClass.leaf, LockSite.quota);
    own[base + ParticipantWord.POOL_RESERVED] = this.#words[pool + RESERVED]!;
    own[base + ParticipantWord.POOL_IS_KNOWN] = 1;
  }

  #leave(pool: number, participant: Participant): void {
    participant.words[participant.base + ParticipantWord.POOL_IS_KNOWN] = 0;
    unlock(this.#words, pool + MUTEX);
  }

  /** Takes one unit; returns the generation to give it back with, or QUOTA_EXHAUSTED. */
  take(pool: number, participant: Participant): number {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    const unused = peek(words, own);
    if ((unused & COUNT_MASK) > 0 && this.#leaves(pool, 0) && this.#takeOwn(own, unused, 1)) {
      words[own + TAKEN]!++;
      const credit = participant.base + this.#credit;
      participant.words[credit + CreditWord.UNITS]!++;
      participant.words[credit + CreditWord.POOL] = pool;
      participant.words[credit + CreditWord.GENERATION] = unused >>> GENERATION_SHIFT;
      return unused >>> GENERATION_SHIFT;
    }
    return this.#takeShared(pool, own, participant);
  }

  /** One attempt to take units out of the participant's own word; the caller counts them. */
  #takeOwn(own: number, unused: number, units: number): boolean {
    beginToCount(this.#words, own, unused >>> GENERATION_SHIFT);
    return compareExchange(this.#words, own, unused, unused - units) === unused;
  }

  /** Does the limit leave room for so many units beyond those that are reserved? Not while somebody collects. */
  #leaves(pool: number, beyond: number): boolean {
    const reserved = peek(this.#words, pool + RESERVED);
    return reserved >= 0 && reserved + beyond <= this.#peekLimit(pool);
  }

  /** The limit in force, as a hint. */
  #peekLimit(pool: number): number {
    const own = peek(this.#words, pool + LIMIT);
    return own === USE_FALLBACK ? this.limit(pool) : own >>> 0;
  }

  /**
   * Far from the limit, takes up to `count` units at once for a batch, so that each connection of it costs no atomic
   * operation; near it takes nothing. They stand in PREFETCHED_CREDITS of the participant, which the caller counts down as it
   * uses them; what is left must be given back with `releasePrefetched` when the batch ends. Not of a pool that starts anew.
   * @returns how many were taken
   */
  prefetchCredits(pool: number, count: number, participant: Participant): number {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    const unused = peek(words, own);
    const taken = Math.min(count, unused & COUNT_MASK);
    if (taken === 0 || !this.#leaves(pool, this.#margin)) {
      return 0;
    }
    /* Before the units disappear from the unused word: nobody may miss them in both. */
    poke(words, own + PREFETCHED, participant.lockTag);
    if (!this.#takeOwn(own, unused, taken)) {
      endPrefetch(words, own + PREFETCHED);
      return 0;
    }
    participant.words[participant.base + ParticipantWord.PREFETCHED_CREDITS] = taken;
    words[own + TAKEN]! += taken;
    return taken;
  }

  /** The batch is over: gives back what is left of the units taken ahead. */
  releasePrefetched(pool: number, left: number, participant: Participant): void {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    if (left > 0) {
      /* prefetchCredits has begun to count, and such a pool has one generation. */
      const unused = add(words, own, left);
      participant.words[participant.base + ParticipantWord.PREFETCHED_CREDITS] = 0;
      words[own + GIVEN]! += left;
      if ((unused & TELL) !== 0) {
        store(words, pool + FULL_BELOW, 0);
      }
    }
    endPrefetch(words, own + PREFETCHED);
  }

  #takeShared(pool: number, own: number, participant: Participant): number {
    const words = this.#words;
    if (this.limit(pool) < load(words, pool + FULL_BELOW) >>> 0) {
      return QUOTA_EXHAUSTED;
    }
    if (peek(words, own + PREFETCHED) !== FREE) {
      /* Whoever comes here has used up what it took ahead. */
      endPrefetch(words, own + PREFETCHED);
    }
    for (;;) {
      const taken = this.#tryTakeShared(pool, own, participant);
      if (taken !== QUOTA_EXHAUSTED || this.#holder === 0) {
        return taken;
      }
      /* What a batch does not use up comes back at its end. Near the limit no other one takes ahead. */
      awaitPrefetchEnd(words, this.#holder, participant, this.#prefetchLooks);
    }
  }

  /**
   * One attempt, under the mutex. QUOTA_EXHAUSTED: all units are in use, or but for those that the batch of `#holder` has taken ahead.
   *
   * Whoever is refused must not have missed a unit. From the mark COLLECTING on nobody begins to take from its own word, and
   * after the first round nobody who had begun before can succeed: its word has changed. So whoever is not ahead when it is
   * looked at then will not be. What came back until the last of these looks, the second round finds where it lies: if
   * there is nothing, all units were in use at that moment.
   */
  #tryTakeShared(pool: number, own: number, participant: Participant): number {
    const words = this.#words;
    this.#enter(pool, participant);
    const mine = participant.words;
    const { base } = participant;
    const credit = base + this.#credit;
    const limit = this.limit(pool);
    const generation = words[pool + GENERATION]!;
    beginToCount(words, own, generation);
    let reserved = words[pool + RESERVED]!;
    this.#holder = 0;
    if (reserved >= limit) {
      store(words, pool + FULL_BELOW, NOT_SURE);
      poke(words, pool + RESERVED, reserved | COLLECTING);
      this.#collect(pool, generation, participant);
      this.#holder = anyonePrefetching(words, pool, this.#maxParticipants);
      this.#collect(pool, generation, participant);
      reserved = mine[base + ParticipantWord.POOL_RESERVED]!;
      poke(words, pool + RESERVED, reserved);
    }
    let taken = QUOTA_EXHAUSTED;
    if (reserved < limit) {
      const more = reserved + this.#block + this.#margin <= limit ? this.#block - 1 : 0;
      taken = generation;
      poke(words, pool + RESERVED, reserved + 1 + more);
      mine[base + ParticipantWord.POOL_RESERVED] = reserved + 1 + more;
      mine[base + ParticipantWord.POOL_UNITS] = more;
      mine[credit + CreditWord.UNITS]!++;
      mine[credit + CreditWord.POOL] = pool;
      mine[credit + CreditWord.GENERATION] = generation;
      words[own + TAKEN]!++;
      if (more > 0) {
        store(words, pool + FULL_BELOW, 0);
        add(words, own, more - (peek(words, own) & TELL));
        mine[base + ParticipantWord.POOL_UNITS] = 0;
      }
    } else if (this.#holder === 0) {
      compareExchange(words, pool + FULL_BELOW, NOT_SURE, (limit + 1) | 0);
    }
    this.#leave(pool, participant);
    return taken;
  }

  /** Empties the unused words, and takes what was in them off POOL_RESERVED. */
  #collect(pool: number, generation: number, participant: Participant): void {
    const reserved = participant.base + ParticipantWord.POOL_RESERVED;
    for (let id = 0; id < this.#maxParticipants; id++) {
      const unused = pool + (1 + id) * STRIDE_WORDS;
      const before = exchange(this.#words, unused, (generation << GENERATION_SHIFT) | TELL);
      participant.words[reserved]! -= before & COUNT_MASK;
    }
  }

  /**
   * Gives one unit of that generation back: its connection is gone, or was never made.
   * @param note word of the participant's block to which `by` is added in the same step: by default the count of its hand
   */
  release(
    pool: number,
    generation: number,
    participant: Participant,
    note: number = this.#credit + CreditWord.UNITS,
    by: number = -1,
  ): void {
    if (this.putBack(pool, generation, participant, note, by)) {
      this.returnAll(pool, participant);
    }
  }

  /** As release, but it never takes the mutex. @returns whether so much lies unused here that some should go back */
  putBack(pool: number, generation: number, participant: Participant, note: number, by: number): boolean {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    for (;;) {
      const unused = peek(words, own);
      if (unused >>> GENERATION_SHIFT !== generation) {
        participant.words[participant.base + note]! += by;
        return false;
      }
      beginToCount(words, own, generation);
      if (compareExchange(words, own, unused, (unused & ~TELL) + 1) === unused) {
        participant.words[participant.base + note]! += by;
        words[own + GIVEN]!++;
        if ((unused & TELL) !== 0) {
          store(words, pool + FULL_BELOW, 0);
        }
        return (unused & COUNT_MASK) >= 2 * this.#block;
      }
    }
  }

  /** Puts everything that lies with the participant back into the pool. */
  returnAll(pool: number, participant: Participant): void {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    this.#enter(pool, participant);
    const returned = exchange(words, own, words[pool + GENERATION]! << GENERATION_SHIFT) & COUNT_MASK;
    const reserved = words[pool + RESERVED]! - returned;
    participant.words[participant.base + ParticipantWord.POOL_RESERVED] = reserved;
    poke(words, pool + RESERVED, reserved);
    store(words, pool + FULL_BELOW, 0);
    this.#leave(pool, participant);
  }

  /**
   * After the participant's thread has died: leaves the pool as it is without it. What is in its hand and what it has taken
   * ahead stays there.
   * @returns whether it held the mutex
   */
  repair(pool: number, participant: Participant): boolean {
    const words = this.#words;
    const own = participant.words;
    const { base } = participant;
    const heldIt = inheritLock(words, pool + MUTEX, participant, LockClass.leaf);
    if (heldIt) {
      if (own[base + ParticipantWord.POOL] === pool && own[base + ParticipantWord.POOL_IS_KNOWN] !== 0) {
        const reserved = own[base + ParticipantWord.POOL_RESERVED]! - own[base + ParticipantWord.POOL_UNITS]!;
        poke(words, pool + RESERVED, reserved);
        own[base + ParticipantWord.POOL_IS_KNOWN] = 0;
        own[base + ParticipantWord.POOL_UNITS] = 0;
      }
      unlock(words, pool + MUTEX);
    }
    /* It may have been about to say that a unit was given back. */
    store(words, pool + FULL_BELOW, 0);
    wakeWaiters(words, pool + MUTEX);
    return heldIt;
  }

  /** Gives back what a participant whose thread has died had taken ahead. @returns units */
  repairPrefetched(pool: number, participant: Participant): number {
    const left = participant.words[participant.base + ParticipantWord.PREFETCHED_CREDITS]!;
    this.releasePrefetched(pool, left, participant);
    notify(this.#words, pool + (1 + participant.id) * STRIDE_WORDS + PREFETCHED, Number.POSITIVE_INFINITY);
    return left;
  }
}

/**
 * Room for connections, exact under concurrency: never more taken than the limit, never refused while any is left.
 *
 * Taking every unit of room from one shared word would move that word's cache line between all threads for every new
 * connection. So a participant takes blocks while the limit is far away, and single units near it. Room taken but
 * not used yet lies in a word of its own; before anybody is refused, those words are emptied.
 *
 *   header line   0 limit        atomic: set from outside, read by all
 *                 1 reserved     changed under the mutex, read as a hint: units in use + units lying unused
 *                 2 mutex
 *                 3 generation   under the mutex
 *                 4 sequence     odd while units move between reserved and unused; written under the mutex, for `used`
 *                 5 full below   limits below this number are known to be reached; 0: nothing known. atomic: set under
 *                                the mutex by whoever was refused, cleared by whoever gives back first after that
 *                 8 is max       1 if the limit was given as 2^32 - 1. atomic; says nothing unless the limit is 2^32 - 2
 *   then two lines per participant, word 0: generation << 16 | TELL | units lying unused. Atomic: the owner takes one or
 *                 gives one back, a refused participant takes all.
 *                 word 1: units taken ahead for a batch, not used up yet. The owner writes it; who would be refused waits
 *                 until it is 0
 *
 * A unit that was reserved may be used while reserved <= limit: then even using every reserved unit stays within.
 * Refusing is cheap, since a flood is refused millions of times: who has emptied all unused words in vain leaves the
 * limit in `full below` and TELL in each of the words, so that whoever gives a unit back, in the same atomic step,
 * learns that it has to clear `full below`. As long as that stands nobody has given back, and no word need be looked at.
 *
 * A pool can start anew (a zone's limit is deleted and made again); units of an earlier generation then no longer
 * count, which the generation in the unused word decides in the same atomic step.
 *
 * What a participant has taken and what it is about to change stands in its block (HandWord, ROOM_AHEAD, POOL_ words), for
 * `repair` after its thread has died. The unit that `take` returns is in its hand until it is given back, or until the
 * caller writes that it is in use.
 */

import { add, compareExchange, exchange, load, notify, pause, peek, poke, store, wait, type Words } from './access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { LockSite } from './lock-sites.ts';
import { LockClass } from './lockdep.ts';
import { inheritLock, lock, unlock, wakeWaiters } from './mutex.ts';
import { HandWord, type Participant, ParticipantWord } from './participant.ts';

const LIMIT = 0;
const RESERVED = 1;
const MUTEX = 2;
const GENERATION = 3;
const SEQUENCE = 4;
const FULL_BELOW = 5;
const IS_MAX = 8;

/** Offset from a participant's unused word. */
const AHEAD = 1;

/** Tries to add up reserved and unused units while nobody moves any: each is a fraction of a microsecond. */
const USED_ATTEMPTS = 1000;

/** Looks at another participant's AHEAD before sleeping: a batch takes a few microseconds. */
const AHEAD_LOOKS = 1000;

/** RESERVED while the unused words are being emptied: above every limit, as an unsigned number. */
const COLLECTING = -1;

const GENERATION_SHIFT = 16;
/** In an unused word: who gives a unit back clears FULL_BELOW. */
const TELL = 1 << (GENERATION_SHIFT - 1);
const COUNT_MASK = TELL - 1;
const GENERATION_MASK = 0x7fff;

/**
 * FULL_BELOW while the one who will set it empties the unused words: whoever gives back meanwhile clears it. What it
 * says is that a limit of 0 is reached, which is always so.
 */
const NOT_SURE = 1;

/** Units taken at once far from the limit: makes the shared words 1/256 as busy as the table. */
const BLOCK = 256;

/** Two lines: processors that fetch lines in pairs would pull neighbours' lines back and forth. */
const STRIDE_WORDS = 2 * LINE_WORDS;

/** For those who check the books. */
export const RoomLayout = { MUTEX, RESERVED, SEQUENCE, FULL_BELOW, AHEAD, STRIDE_WORDS, COUNT_MASK } as const;

/** `take` refused: the limit is reached. */
export const NO_ROOM = -1;

/** A limit word of this value stands for the fallback limit. */
export const USE_FALLBACK = -1;

/** The largest limit. Its 32 bits are those of USE_FALLBACK, so the limit word holds one less, which is as far away. */
const MAX_LIMIT = 0xffffffff;
const NEXT_TO_MAX = 0xfffffffe;

export interface RoomPoolsOptions {
  words: Words;
  maxParticipants: number;
  /** Word index of the limit that applies where a pool's own is USE_FALLBACK; its value 0 means unlimited. */
  fallbackLimit?: number;
  /** Offset in a participant's block of its hand (HandWord) for these pools; default ROOM_HAND. */
  hand?: number;
}

/** Pools in one region, each named by the word index of its header. */
export class RoomPools {
  readonly #words: Words;
  readonly #maxParticipants: number;
  readonly #fallbackLimit: number;
  readonly #margin: number;
  readonly #hand: number;

  constructor(options: RoomPoolsOptions) {
    this.#words = options.words;
    this.#maxParticipants = options.maxParticipants;
    this.#fallbackLimit = options.fallbackLimit ?? 0;
    this.#hand = options.hand ?? ParticipantWord.ROOM_HAND;
    /* Closer to the limit than this, blocks would only be collected again. */
    this.#margin = options.maxParticipants * BLOCK;
  }

  /** Words of one pool. */
  static wordsFor(maxParticipants: number): number {
    return (1 + maxParticipants) * STRIDE_WORDS;
  }

  /** The limit in force, in units. */
  limit(pool: number): number {
    const own = load(this.#words, pool + LIMIT);
    if (own !== USE_FALLBACK) {
      return own >>> 0;
    }
    const fallback = load(this.#words, this.#fallbackLimit);
    return fallback === 0 ? 0xffffffff : fallback >>> 0;
  }

  /** The pool's own limit as it was given, from 0 to 2^32 - 1; or USE_FALLBACK. */
  ownLimit(pool: number): number {
    const own = load(this.#words, pool + LIMIT);
    if (own === USE_FALLBACK) {
      return USE_FALLBACK;
    }
    return own >>> 0 === NEXT_TO_MAX && load(this.#words, pool + IS_MAX) !== 0 ? MAX_LIMIT : own >>> 0;
  }

  /** Takes effect with the next connection, in every thread. */
  setLimit(pool: number, limit: number): void {
    this.setOwnLimit(pool, limit);
  }

  /** As setLimit. @param limit a limit, or USE_FALLBACK */
  setOwnLimit(pool: number, limit: number): void {
    store(this.#words, pool + IS_MAX, limit === MAX_LIMIT ? 1 : 0);
    store(this.#words, pool + LIMIT, limit === MAX_LIMIT ? NEXT_TO_MAX : limit);
  }

  /** Starts the pool anew with nothing in use. */
  renew(pool: number, limit: number, participant: Participant): void {
    const words = this.#words;
    this.#enter(pool, participant);
    participant.words[participant.base + ParticipantWord.POOL_IS_KNOWN] = 0;
    const generation = (words[pool + GENERATION]! + 1) & GENERATION_MASK;
    poke(words, pool + GENERATION, generation);
    for (let id = 0; id < this.#maxParticipants; id++) {
      store(words, pool + (1 + id) * STRIDE_WORDS, generation << GENERATION_SHIFT);
    }
    poke(words, pool + RESERVED, 0);
    this.setOwnLimit(pool, limit);
    store(words, pool + FULL_BELOW, 0);
    this.#leave(pool, participant);
  }

  /** May units that are already reserved be used: is the limit not below them? */
  mayUseReserved(pool: number): boolean {
    return this.#within(pool, peek(this.#words, pool + RESERVED));
  }

  /** Units in use; exact when nobody is taking or giving back, else as of some moment of the call, give or take those. */
  used(pool: number): number {
    const words = this.#words;
    let used = 0;
    for (let attempt = 0; attempt < USED_ATTEMPTS; attempt++) {
      const sequence = load(words, pool + SEQUENCE);
      used = load(words, pool + RESERVED);
      for (let id = 0; id < this.#maxParticipants; id++) {
        used -= load(words, pool + (1 + id) * STRIDE_WORDS) & COUNT_MASK;
      }
      if ((sequence & 1) === 0 && load(words, pool + SEQUENCE) === sequence) {
        break;
      }
    }
    return Math.max(used, 0);
  }

  /** Takes the mutex; until #leave the sum of reserved and unused units is not to be trusted. */
  #enter(pool: number, participant: Participant): void {
    const own = participant.words;
    const { base } = participant;
    own[base + ParticipantWord.POOL_IS_KNOWN] = 0;
    own[base + ParticipantWord.POOL] = pool;
    lock(this.#words, pool + MUTEX, participant, LockClass.leaf, LockSite.room);
    own[base + ParticipantWord.POOL_RESERVED] = this.#words[pool + RESERVED]!;
    own[base + ParticipantWord.POOL_IS_KNOWN] = 1;
    add(this.#words, pool + SEQUENCE, 1);
  }

  #leave(pool: number, participant: Participant): void {
    add(this.#words, pool + SEQUENCE, 1);
    participant.words[participant.base + ParticipantWord.POOL_IS_KNOWN] = 0;
    unlock(this.#words, pool + MUTEX);
  }

  /** Takes one unit; returns the generation to give it back with, or NO_ROOM. */
  take(pool: number, participant: Participant): number {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    const unused = peek(words, own);
    if (
      (unused & COUNT_MASK) > 0 &&
      this.#within(pool, peek(words, pool + RESERVED)) &&
      compareExchange(words, own, unused, unused - 1) === unused
    ) {
      const hand = participant.base + this.#hand;
      participant.words[hand + HandWord.UNITS]!++;
      participant.words[hand + HandWord.POOL] = pool;
      participant.words[hand + HandWord.GENERATION] = unused >>> GENERATION_SHIFT;
      return unused >>> GENERATION_SHIFT;
    }
    return this.#takeShared(pool, own, participant);
  }

  #within(pool: number, reserved: number): boolean {
    const own = peek(this.#words, pool + LIMIT);
    return reserved >>> 0 <= (own === USE_FALLBACK ? this.limit(pool) : own >>> 0);
  }

  /**
   * Far from the limit, takes up to `count` units at once for a batch, so that each connection of it costs no atomic
   * operation; near it takes nothing. They stand in ROOM_AHEAD of the participant, which the caller counts down as it
   * uses them; what is left must be given back with `endAhead` when the batch ends.
   * @returns how many were taken
   */
  takeAhead(pool: number, count: number, participant: Participant): number {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    const unused = peek(words, own);
    const taken = Math.min(count, unused & COUNT_MASK);
    if (taken === 0 || !this.#within(pool, peek(words, pool + RESERVED) + this.#margin)) {
      return 0;
    }
    /* Before the units disappear from the unused word: nobody may miss them in both. */
    poke(words, own + AHEAD, taken);
    if (compareExchange(words, own, unused, unused - taken) !== unused) {
      poke(words, own + AHEAD, 0);
      return 0;
    }
    participant.words[participant.base + ParticipantWord.ROOM_AHEAD] = taken;
    return taken;
  }

  /** The batch is over: gives back what is left of the units taken ahead. */
  endAhead(pool: number, left: number, participant: Participant): void {
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    if (left > 0) {
      const unused = add(this.#words, own, left);
      participant.words[participant.base + ParticipantWord.ROOM_AHEAD] = 0;
      if ((unused & TELL) !== 0) {
        store(this.#words, pool + FULL_BELOW, 0);
      }
    }
    store(this.#words, own + AHEAD, 0);
  }

  #takeShared(pool: number, own: number, participant: Participant): number {
    const words = this.#words;
    if (this.limit(pool) < load(words, pool + FULL_BELOW) >>> 0) {
      return NO_ROOM;
    }
    /* Whoever comes here has used up what it took ahead. */
    store(words, own + AHEAD, 0);
    /* Between an attempt and the look at who is ahead, somebody may have given back: only an attempt that begins with
     * nobody ahead counts. After a failed one nobody can take ahead, so there is such an attempt. */
    let isNobodyAhead = false;
    for (;;) {
      const taken = this.#tryTakeShared(pool, own, participant, isNobodyAhead);
      if (taken !== NO_ROOM || isNobodyAhead) {
        return taken;
      }
      const holder = this.#someoneAhead(pool);
      isNobodyAhead = holder === 0;
      if (!isNobodyAhead) {
        this.#waitForEnd(holder);
      }
    }
  }

  /** Word index of an AHEAD word that is not 0, or 0 if there is none. */
  #someoneAhead(pool: number): number {
    for (let id = 0; id < this.#maxParticipants; id++) {
      const ahead = pool + (1 + id) * STRIDE_WORDS + AHEAD;
      if (load(this.#words, ahead) !== 0) {
        return ahead;
      }
    }
    return 0;
  }

  /** Waits until a participant's batch is over; what it then gives back may be taken. It waits for nobody. */
  #waitForEnd(ahead: number): void {
    for (let looks = 0; looks < AHEAD_LOOKS; looks++) {
      if (load(this.#words, ahead) === 0) {
        return;
      }
      pause();
    }
    wait(this.#words, ahead, load(this.#words, ahead), 1);
  }

  #tryTakeShared(pool: number, own: number, participant: Participant, isNobodyAhead: boolean): number {
    const words = this.#words;
    this.#enter(pool, participant);
    const mine = participant.words;
    const { base } = participant;
    const hand = base + this.#hand;
    const limit = this.limit(pool);
    const generation = words[pool + GENERATION]!;
    let reserved = words[pool + RESERVED]!;
    if (reserved >= limit) {
      store(words, pool + FULL_BELOW, NOT_SURE);
      /* From here on nobody starts to take from its own word. Twice, since a unit given back behind the first round and
       * one taken before it, by a participant that had looked before, could make it look as if there was none. */
      poke(words, pool + RESERVED, COLLECTING);
      this.#collect(pool, generation, participant);
      this.#collect(pool, generation, participant);
      reserved = mine[base + ParticipantWord.POOL_RESERVED]!;
      poke(words, pool + RESERVED, reserved);
    }
    let taken = generation;
    if (reserved + BLOCK + this.#margin <= limit) {
      poke(words, pool + RESERVED, reserved + BLOCK);
      mine[base + ParticipantWord.POOL_RESERVED] = reserved + BLOCK;
      mine[base + ParticipantWord.POOL_UNITS] = BLOCK - 1;
      mine[hand + HandWord.UNITS]!++;
      mine[hand + HandWord.POOL] = pool;
      mine[hand + HandWord.GENERATION] = generation;
      store(words, pool + FULL_BELOW, 0);
      add(words, own, BLOCK - 1 - (peek(words, own) & TELL));
      mine[base + ParticipantWord.POOL_UNITS] = 0;
    } else if (reserved < limit) {
      poke(words, pool + RESERVED, reserved + 1);
      mine[base + ParticipantWord.POOL_RESERVED] = reserved + 1;
      mine[hand + HandWord.UNITS]!++;
      mine[hand + HandWord.POOL] = pool;
      mine[hand + HandWord.GENERATION] = generation;
    } else {
      taken = NO_ROOM;
      if (isNobodyAhead) {
        compareExchange(words, pool + FULL_BELOW, NOT_SURE, (limit + 1) | 0);
      }
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
  giveBack(
    pool: number,
    generation: number,
    participant: Participant,
    note: number = this.#hand + HandWord.UNITS,
    by: number = -1,
  ): void {
    if (this.putBack(pool, generation, participant, note, by)) {
      this.returnAll(pool, participant);
    }
  }

  /** As giveBack, but it never takes the mutex. @returns whether so much lies unused here that some should go back */
  putBack(pool: number, generation: number, participant: Participant, note: number, by: number): boolean {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    for (;;) {
      const unused = peek(words, own);
      if (unused >>> GENERATION_SHIFT !== generation) {
        participant.words[participant.base + note]! += by;
        return false;
      }
      if (compareExchange(words, own, unused, (unused & ~TELL) + 1) === unused) {
        participant.words[participant.base + note]! += by;
        if ((unused & TELL) !== 0) {
          store(words, pool + FULL_BELOW, 0);
        }
        return (unused & COUNT_MASK) >= 2 * BLOCK;
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
      if ((load(words, pool + SEQUENCE) & 1) !== 0) {
        add(words, pool + SEQUENCE, 1);
      }
      unlock(words, pool + MUTEX);
    }
    /* It may have been about to say that a unit was given back. */
    store(words, pool + FULL_BELOW, 0);
    wakeWaiters(words, pool + MUTEX);
    return heldIt;
  }

  /** Gives back what a participant whose thread has died had taken ahead. @returns units */
  repairAhead(pool: number, participant: Participant): number {
    const left = participant.words[participant.base + ParticipantWord.ROOM_AHEAD]!;
    this.endAhead(pool, left, participant);
    notify(this.#words, pool + (1 + participant.id) * STRIDE_WORDS + AHEAD, Number.POSITIVE_INFINITY);
    return left;
  }
}

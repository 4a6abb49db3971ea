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
 *   then two lines per participant, word 0: generation << 16 | units lying unused. Atomic: the owner takes one or
 *                 gives one back, a refused participant takes all.
 *                 word 1: units taken ahead for a batch, not used up yet. The owner writes it; who would be refused waits
 *                 until it is 0
 *
 * A unit that was reserved may be used while reserved <= limit: then even using every reserved unit stays within.
 * A pool can start anew (a zone's limit is deleted and made again); units of an earlier generation then no longer
 * count, which the generation in the unused word decides in the same atomic step.
 */

import { add, compareExchange, exchange, load, pause, peek, poke, store, wait, type Words } from './access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { LockClass } from './lockdep.ts';
import { lock, unlock } from './mutex.ts';
import type { Participant } from './participant.ts';

const LIMIT = 0;
const RESERVED = 1;
const MUTEX = 2;
const GENERATION = 3;

/** Offset from a participant's unused word. */
const AHEAD = 1;

/** Looks at another participant's AHEAD before sleeping: a batch takes a few microseconds. */
const AHEAD_LOOKS = 1000;

const GENERATION_SHIFT = 16;
const COUNT_MASK = (1 << GENERATION_SHIFT) - 1;
const GENERATION_MASK = 0x7fff;

/** Units taken at once far from the limit: makes the shared words 1/256 as busy as the table. */
const BLOCK = 256;

/** Two lines: processors that fetch lines in pairs would pull neighbours' lines back and forth. */
const STRIDE_WORDS = 2 * LINE_WORDS;

/** `take` refused: the limit is reached. */
export const NO_ROOM = -1;

/** A limit word of this value stands for the fallback limit. */
export const USE_FALLBACK = -1;

export interface RoomPoolsOptions {
  words: Words;
  maxParticipants: number;
  /** Word index of the limit that applies where a pool's own is USE_FALLBACK; its value 0 means unlimited. */
  fallbackLimit?: number;
}

/** Pools in one region, each named by the word index of its header. */
export class RoomPools {
  readonly #words: Words;
  readonly #maxParticipants: number;
  readonly #fallbackLimit: number;
  readonly #margin: number;

  constructor(options: RoomPoolsOptions) {
    this.#words = options.words;
    this.#maxParticipants = options.maxParticipants;
    this.#fallbackLimit = options.fallbackLimit ?? 0;
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

  /** The pool's own limit word: a limit, or USE_FALLBACK. */
  ownLimit(pool: number): number {
    return load(this.#words, pool + LIMIT);
  }

  /** Takes effect with the next connection, in every thread. */
  setLimit(pool: number, limit: number): void {
    store(this.#words, pool + LIMIT, limit);
  }

  /** Starts the pool anew with nothing in use. */
  renew(pool: number, limit: number, participant: Participant): void {
    const words = this.#words;
    lock(words, pool + MUTEX, participant, LockClass.leaf);
    const generation = (words[pool + GENERATION]! + 1) & GENERATION_MASK;
    poke(words, pool + GENERATION, generation);
    for (let id = 0; id < this.#maxParticipants; id++) {
      store(words, pool + (1 + id) * STRIDE_WORDS, generation << GENERATION_SHIFT);
    }
    poke(words, pool + RESERVED, 0);
    store(words, pool + LIMIT, limit);
    unlock(words, pool + MUTEX);
  }

  /** Units in use; exact when nobody is taking or giving back, else at most a few operations old. */
  used(pool: number): number {
    let used = load(this.#words, pool + RESERVED);
    for (let id = 0; id < this.#maxParticipants; id++) {
      used -= load(this.#words, pool + (1 + id) * STRIDE_WORDS) & COUNT_MASK;
    }
    return used;
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
      return unused >>> GENERATION_SHIFT;
    }
    return this.#takeShared(pool, own, participant);
  }

  #within(pool: number, reserved: number): boolean {
    const own = peek(this.#words, pool + LIMIT);
    return own === USE_FALLBACK ? reserved <= this.limit(pool) : reserved <= own >>> 0;
  }

  /**
   * Far from the limit, takes up to `count` units at once for a batch, so that each connection of it costs no atomic
   * operation; near it takes nothing. What is left must be given back with `endAhead` when the batch ends.
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
    return taken;
  }

  /** The batch is over: gives back what is left of the units taken ahead. */
  endAhead(pool: number, left: number, participant: Participant): void {
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    if (left > 0) {
      add(this.#words, own, left);
    }
    store(this.#words, own + AHEAD, 0);
  }

  #takeShared(pool: number, own: number, participant: Participant): number {
    const words = this.#words;
    /* Whoever comes here has used up what it took ahead. */
    store(words, own + AHEAD, 0);
    for (;;) {
      const taken = this.#tryTakeShared(pool, own, participant);
      if (taken !== NO_ROOM) {
        return taken;
      }
      const holder = this.#someoneAhead(pool);
      if (holder === 0) {
        return NO_ROOM;
      }
      this.#waitForEnd(holder);
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

  #tryTakeShared(pool: number, own: number, participant: Participant): number {
    const words = this.#words;
    lock(words, pool + MUTEX, participant, LockClass.leaf);
    const limit = this.limit(pool);
    const generation = words[pool + GENERATION]!;
    let reserved = words[pool + RESERVED]!;
    if (reserved >= limit) {
      for (let id = 0; id < this.#maxParticipants; id++) {
        const unused = pool + (1 + id) * STRIDE_WORDS;
        reserved -= exchange(words, unused, generation << GENERATION_SHIFT) & COUNT_MASK;
      }
      poke(words, pool + RESERVED, reserved);
    }
    let taken = generation;
    if (reserved + BLOCK + this.#margin <= limit) {
      poke(words, pool + RESERVED, reserved + BLOCK);
      add(words, own, BLOCK - 1);
    } else if (reserved < limit) {
      poke(words, pool + RESERVED, reserved + 1);
    } else {
      taken = NO_ROOM;
    }
    unlock(words, pool + MUTEX);
    return taken;
  }

  /** Gives one unit of that generation back: its connection is gone, or was never made. */
  giveBack(pool: number, generation: number, participant: Participant): void {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    for (;;) {
      const unused = peek(words, own);
      if (unused >>> GENERATION_SHIFT !== generation) {
        return;
      }
      if (compareExchange(words, own, unused, unused + 1) === unused) {
        if ((unused & COUNT_MASK) >= 2 * BLOCK) {
          this.returnAll(pool, participant);
        }
        return;
      }
    }
  }

  /** Puts everything that lies with the participant back into the pool. */
  returnAll(pool: number, participant: Participant): void {
    const words = this.#words;
    const own = pool + (1 + participant.id) * STRIDE_WORDS;
    lock(words, pool + MUTEX, participant, LockClass.leaf);
    const returned = exchange(words, own, words[pool + GENERATION]! << GENERATION_SHIFT) & COUNT_MASK;
    poke(words, pool + RESERVED, words[pool + RESERVED]! - returned);
    unlock(words, pool + MUTEX);
  }
}

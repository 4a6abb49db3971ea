/**
 * A slab of fixed-size records in shared memory, referred to by unit number (never 0).
 *
 * A record of class 0 is one unit, of class 1 two units next to each other, the first of even number. Memory is
 * reserved for all units and committed by the system when it is first touched: fresh records come from a bump
 * pointer in chunks, so a table that was never full never commits what it did not use.
 *
 * Each participant allocates from its own cache and frees into it, without a lock. Full caches hand batches of
 * CHUNK records to a common list, empty ones take from it, under the slab's mutex.
 *
 *   slab, under its mutex
 *   word    0           1             2                            3, 4
 *         +-----------+-------------+----------------------------+-------------------------------------+-----
 *         | MUTEX     | NEXT_FRESH  | CAPACITY: after the last   | COMMON_HEAD: batches, one per class |
 *         +-----------+-------------+----------------------------+-------------------------------------+-----
 *
 *   cache of a participant, one per class, owner only
 *   word    0           1            2            3           4              5              6
 *         +-----------+------------+------------+-----------+--------------+--------------+---------------+---
 *         | FREE_HEAD | FREE_COUNT | FRESH_NEXT | FRESH_END | RETIRED_HEAD | RETIRED_TAIL | RETIRED_COUNT |
 *         +-----------+------------+------------+-----------+--------------+--------------+---------------+---
 *
 *                                  batches of CHUNK
 *   fresh chunk --> free list --------------------------> common list
 *                    |     ^  <--------------------------
 *                    v     | reclaim: the epoch has passed
 *             linked record --> retired list
 *
 * Lists run through two words of the records themselves, which nobody but the slab touches: `linkWord` (next record)
 * and `tagWord` (epoch of retirement; in the common list, the next batch). The words that readers compare stay as
 * they are until the record is handed out again.
 */

import { peek, type Words } from '../access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { Epochs } from './epoch.ts';
import { LockSite } from '../sync/lock-sites.ts';
import { LockClass } from '../sync/lockdep.ts';
import { lock, releaseOfDead, unlock } from '../sync/mutex.ts';
import { ParticipantWord, type Participant } from './participant.ts';
import { wordLayout } from './word-layout.ts';

export const SLAB_WORDS: number = LINE_WORDS;
export const RECORD_CLASSES = 2;
export const SLAB_CACHE_WORDS = 8;

/** Records that move between a cache and the common list at once: amortises the lock. */
const CHUNK = 64;
/** Units of a fresh chunk: 32 KiB. */
const FRESH_UNITS = 256;
/** A cache above this many free records gives a batch away. */
const CACHE_LIMIT = 2 * CHUNK;
/** Units kept beyond that for records that are retired and not free yet. */
const RETIRED_UNITS = 1 << 18;

const SlabWord = wordLayout("the slab's own words", SLAB_WORDS, {
  MUTEX: 1,
  NEXT_FRESH: 1,
  CAPACITY: 1,
  COMMON_HEAD: RECORD_CLASSES,
  _REST: SLAB_WORDS - 3 - RECORD_CLASSES,
});
const MUTEX: number = SlabWord.MUTEX;
const NEXT_FRESH: number = SlabWord.NEXT_FRESH;
const CAPACITY: number = SlabWord.CAPACITY;
const COMMON_HEAD: number = SlabWord.COMMON_HEAD;

const CacheWord = wordLayout("a participant's cache of records", SLAB_CACHE_WORDS, {
  FREE_HEAD: 1,
  FREE_COUNT: 1,
  FRESH_NEXT: 1,
  FRESH_END: 1,
  RETIRED_HEAD: 1,
  RETIRED_TAIL: 1,
  RETIRED_COUNT: 1,
  _REST: 1,
});
const FREE_HEAD: number = CacheWord.FREE_HEAD;
const FREE_COUNT: number = CacheWord.FREE_COUNT;
const FRESH_NEXT: number = CacheWord.FRESH_NEXT;
const FRESH_END: number = CacheWord.FRESH_END;
const RETIRED_HEAD: number = CacheWord.RETIRED_HEAD;
const RETIRED_TAIL: number = CacheWord.RETIRED_TAIL;
const RETIRED_COUNT: number = CacheWord.RETIRED_COUNT;

/** For the checks of the invariants. */
export const SlabLayout = {
  MUTEX,
  NEXT_FRESH,
  COMMON_HEAD,
  FREE_HEAD,
  FREE_COUNT,
  FRESH_NEXT,
  FRESH_END,
  RETIRED_HEAD,
  RETIRED_TAIL,
  RETIRED_COUNT,
  CHUNK,
} as const;

export interface SlabOptions {
  /** The slab's own words (SLAB_WORDS of them, zeroed) and where they start. */
  words: Words;
  base: number;
  /** The units; unit u starts at word u * unitWords of this array. */
  records: Words;
  /** The first unit that may be handed out (even, not 0), and the number after the last. */
  firstUnit: number;
  endUnit: number;
  unitWords: number;
  /** Offsets inside a record that belong to the slab. */
  linkWord: number;
  tagWord: number;
}

export class Slab {
  readonly #words: Words;
  readonly #base: number;
  readonly #records: Words;
  readonly #unitWords: number;
  readonly #linkWord: number;
  readonly #tagWord: number;
  readonly #firstUnit: number;
  readonly #endUnit: number;

  constructor(options: SlabOptions) {
    this.#words = options.words;
    this.#base = options.base;
    this.#records = options.records;
    this.#unitWords = options.unitWords;
    this.#linkWord = options.linkWord;
    this.#tagWord = options.tagWord;
    this.#firstUnit = options.firstUnit;
    this.#endUnit = options.endUnit;
  }

  /** Units to reserve so that `maxRecords` of any mix of classes fit, beside what caches and epochs hold back. */
  static unitsFor(maxRecords: number, maxParticipants: number): number {
    /* A chunk belongs to its class for good: the worst case is all of class 0 first, then all of class 1. */
    return maxRecords * 3 + maxParticipants * 4 * (CACHE_LIMIT + FRESH_UNITS) + RETIRED_UNITS;
  }

  /** Records of any class that each participant may keep retired without the slab being used up before its time. */
  static retiredAllowance(maxParticipants: number): number {
    return Math.floor(RETIRED_UNITS / (2 * maxParticipants));
  }

  /** Once, by whoever creates the region. */
  initialise(): void {
    this.#words[this.#base + NEXT_FRESH] = this.#firstUnit;
    this.#words[this.#base + CAPACITY] = this.#endUnit;
  }

  /** Units that caches have been given; they come back to caches only. */
  get unitsTaken(): number {
    return peek(this.#words, this.#base + NEXT_FRESH) - this.#firstUnit;
  }

  #cache(participant: Participant, recordClass: number): number {
    return participant.base + ParticipantWord.CACHES + recordClass * SLAB_CACHE_WORDS;
  }

  /**
   * A record of the class, its words as they were left; 0 when the slab is used up. The caller writes into
   * RECORD_IN_FLIGHT that it has it, as the next thing it does.
   */
  allocate(participant: Participant, recordClass: number): number {
    const words = participant.words;
    const cache = this.#cache(participant, recordClass);
    const head = words[cache + FREE_HEAD]!;
    if (head !== 0) {
      words[cache + FREE_HEAD] = this.#records[head * this.#unitWords + this.#linkWord]!;
      words[cache + FREE_COUNT] = words[cache + FREE_COUNT]! - 1;
      return head;
    }
    const fresh = words[cache + FRESH_NEXT]!;
    if (fresh < words[cache + FRESH_END]!) {
      words[cache + FRESH_NEXT] = fresh + 1 + recordClass;
      return fresh;
    }
    return this.#refill(participant, recordClass) ? this.allocate(participant, recordClass) : 0;
  }

  /**
   * Reads the first word of the records that the next `count` allocations will return, as far as they
   * are fresh: the misses overlap here, where filling the records would wait for them one by one.
   * @returns a number without meaning that depends on what was read
   */
  touchNext(participant: Participant, recordClass: number, count: number): number {
    const words = participant.words;
    const records = this.#records;
    const cache = this.#cache(participant, recordClass);
    if (words[cache + FREE_HEAD] !== 0) {
      return 0;
    }
    const fresh = words[cache + FRESH_NEXT]!;
    const end = Math.min(words[cache + FRESH_END]!, fresh + count);
    let sink = 0;
    for (let word = fresh * this.#unitWords; word < end * this.#unitWords; word += this.#unitWords) {
      sink ^= records[word]!;
    }
    return sink;
  }

  /** Takes a batch from the common list, or a fresh chunk. */
  #refill(participant: Participant, recordClass: number): boolean {
    const words = this.#words;
    const cache = this.#cache(participant, recordClass);
    lock(words, this.#base + MUTEX, participant, LockClass.leaf, LockSite.slabRefill);
    const common = this.#base + COMMON_HEAD + recordClass;
    const batch = words[common]!;
    let found = true;
    if (batch !== 0) {
      words[common] = this.#records[batch * this.#unitWords + this.#tagWord]!;
      participant.words[cache + FREE_HEAD] = batch;
      participant.words[cache + FREE_COUNT] = CHUNK;
    } else {
      const fresh = words[this.#base + NEXT_FRESH]!;
      const chunkEnd = Math.min(fresh + FRESH_UNITS, words[this.#base + CAPACITY]! & ~1);
      if (chunkEnd > fresh) {
        words[this.#base + NEXT_FRESH] = chunkEnd;
        participant.words[cache + FRESH_NEXT] = fresh;
        participant.words[cache + FRESH_END] = chunkEnd;
      } else {
        found = false;
      }
    }
    unlock(words, this.#base + MUTEX);
    return found;
  }

  /** Gives back the record in hand, that no other thread can have seen (it was never linked). */
  free(participant: Participant, recordClass: number, record: number): void {
    if (this.keep(participant, recordClass, record)) {
      this.#giveBatchAway(participant, recordClass);
    }
  }

  /** As free, but it never takes the mutex. @returns whether so many are free here that a batch should be given away */
  keep(participant: Participant, recordClass: number, record: number): boolean {
    const words = participant.words;
    const cache = this.#cache(participant, recordClass);
    this.#records[record * this.#unitWords + this.#linkWord] = words[cache + FREE_HEAD]!;
    words[cache + FREE_HEAD] = record;
    const count = words[cache + FREE_COUNT]! + 1;
    words[cache + FREE_COUNT] = count;
    words[participant.base + ParticipantWord.RECORD_IN_FLIGHT] = 0;
    return count > CACHE_LIMIT;
  }

  #giveBatchAway(participant: Participant, recordClass: number): void {
    const records = this.#records;
    const cache = this.#cache(participant, recordClass);
    const batch = participant.words[cache + FREE_HEAD]!;
    let last = batch;
    for (let i = 1; i < CHUNK; i++) {
      last = records[last * this.#unitWords + this.#linkWord]!;
    }
    const lastLink = last * this.#unitWords + this.#linkWord;

    const words = this.#words;
    const common = this.#base + COMMON_HEAD + recordClass;
    lock(words, this.#base + MUTEX, participant, LockClass.leaf, LockSite.slabGiveAway);
    /* From here to there in one step: the batch is never in nobody's list (participant.ts). */
    participant.words[cache + FREE_HEAD] = records[lastLink]!;
    participant.words[cache + FREE_COUNT] = participant.words[cache + FREE_COUNT]! - CHUNK;
    records[lastLink] = 0;
    records[batch * this.#unitWords + this.#tagWord] = words[common]!;
    words[common] = batch;
    unlock(words, this.#base + MUTEX);
  }

  /** Keeps an unlinked record until every online participant has passed the epoch `tag`. */
  retire(participant: Participant, recordClass: number, record: number, tag: number): void {
    const words = participant.words;
    const cache = this.#cache(participant, recordClass);
    const at = record * this.#unitWords;
    this.#records[at + this.#tagWord] = tag;
    this.#records[at + this.#linkWord] = 0;
    const tail = words[cache + RETIRED_TAIL]!;
    if (tail === 0) {
      words[cache + RETIRED_HEAD] = record;
    } else {
      this.#records[tail * this.#unitWords + this.#linkWord] = record;
    }
    words[cache + RETIRED_TAIL] = record;
    words[cache + RETIRED_COUNT] = words[cache + RETIRED_COUNT]! + 1;
  }

  /** Records of both classes that this participant has retired and not yet freed. */
  retiredCount(participant: Participant): number {
    const words = participant.words;
    const cache = participant.base + ParticipantWord.CACHES;
    return words[cache + RETIRED_COUNT]! + words[cache + SLAB_CACHE_WORDS + RETIRED_COUNT]!;
  }

  /** Frees what this participant retired before epoch `oldest` (see Epochs.advance); returns how many. */
  reclaim(participant: Participant, oldest: number): number {
    let freed = 0;
    for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
      freed += this.#reclaimClass(participant, recordClass, oldest);
    }
    return freed;
  }

  #reclaimClass(participant: Participant, recordClass: number, oldest: number): number {
    const words = participant.words;
    const records = this.#records;
    const cache = this.#cache(participant, recordClass);
    let freed = 0;
    let record = words[cache + RETIRED_HEAD]!;
    while (record !== 0 && Epochs.isSafe(records[record * this.#unitWords + this.#tagWord]!, oldest)) {
      const link = record * this.#unitWords + this.#linkWord;
      const following = records[link]!;
      words[cache + RETIRED_HEAD] = following;
      if (following === 0) {
        words[cache + RETIRED_TAIL] = 0;
      }
      words[cache + RETIRED_COUNT] = words[cache + RETIRED_COUNT]! - 1;
      /* As keep, but in the same step: the record is never in nobody's list (participant.ts). */
      records[link] = words[cache + FREE_HEAD]!;
      words[cache + FREE_HEAD] = record;
      const count = words[cache + FREE_COUNT]! + 1;
      words[cache + FREE_COUNT] = count;
      if (count > CACHE_LIMIT) {
        this.#giveBatchAway(participant, recordClass);
      }
      freed++;
      record = following;
    }
    return freed;
  }

  /** After the participant's thread has died: whatever it was doing is done or not begun. @returns whether it held the mutex */
  repair(participant: Participant): boolean {
    return releaseOfDead(this.#words, this.#base + MUTEX, participant, LockClass.leaf);
  }

  /** Touches the memory of the first `count` fresh units, so that no page fault happens later. */
  prefault(count: number): void {
    const records = this.#records;
    const from = this.#words[this.#base + NEXT_FRESH]!;
    const end = Math.min(this.#endUnit, from + count) * this.#unitWords;
    for (let word = from * this.#unitWords; word < end; word += 1024) {
      Atomics.or(records, word, 0);
    }
  }
}

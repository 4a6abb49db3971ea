/**
 * A slab of fixed-size records in shared memory. A record is named by its unit number, which is never 0.
 *
 * A record of class 0 is one unit. A record of class 1 is two adjacent units, the first of even number. Address space is
 * reserved for all units. The system commits memory when it is first touched. Fresh records come from a bump pointer, in
 * chunks. So a table commits only as much memory as it has used at its fullest.
 *
 * Each participant allocates from its own cache and frees into it, without a lock. A cache with too many free records
 * moves a batch of CHUNK records to a common list. An empty cache takes a batch from there. Both happen under the slab's
 * mutex. slab-layout.ts draws the words.
 *
 *                                  batches of CHUNK
 *   fresh chunk --> free list --------------------------> common list
 *                    |     ^  <--------------------------
 *                    v     | reclaim: the epoch has passed
 *             linked record --> retired list
 *
 * The lists run through two words of the records, which only the slab uses: `linkWord` (the next record) and `tagWord` (the
 * epoch of retirement; in the common list, the next batch). A freed record keeps all its other words until it is allocated
 * again: readers may still compare them.
 */

import { peek, type Words } from '../access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { Epochs } from './epoch.ts';
import { LockSite } from '../sync/lock-sites.ts';
import { LockClass } from '../sync/lockdep.ts';
import { lock, releaseOfDead, unlock } from '../sync/mutex.ts';
import { ParticipantWord, type Participant } from './participant.ts';
import {
  CAPACITY,
  CHUNK,
  COMMON_HEAD,
  FREE_COUNT,
  FREE_HEAD,
  FRESH_END,
  FRESH_NEXT,
  MUTEX,
  NEXT_FRESH,
  RECORD_CLASSES,
  RETIRED_COUNT,
  RETIRED_HEAD,
  RETIRED_TAIL,
  SLAB_CACHE_WORDS,
} from './slab-layout.ts';

export { RECORD_CLASSES, SLAB_CACHE_WORDS, SLAB_WORDS, SlabLayout } from './slab-layout.ts';

/** Units of a fresh chunk: 32 KiB. */
const FRESH_UNITS = 256;
/** A cache with more free records than this returns a batch. */
const CACHE_LIMIT = 2 * CHUNK;
/** Units reserved for records that are retired and not free yet. */
const RETIRED_UNITS = 1 << 18;

export interface SlabOptions {
  /** The array with the slab's own words (SLAB_WORDS of them, zeroed), and the index of the first. */
  words: Words;
  base: number;
  /** The array with the units. Unit u starts at word u * unitWords. */
  records: Words;
  /** The first unit (even, not 0), and the number after the last. */
  firstUnit: number;
  endUnit: number;
  unitWords: number;
  /** Offsets in a record of the two words that belong to the slab. */
  linkWord: number;
  tagWord: number;
  /** The number of its first cache among those of a participant, SLAB_CACHE_WORDS each; default 0. */
  firstCache?: number;
  /** Record classes; default RECORD_CLASSES. */
  classes?: number;
  /** Offset in a participant's block of the word that names its record in flight; default RECORD_IN_FLIGHT. */
  inFlightWord?: number;
}

export class Slab {
  private readonly words: Words;
  private readonly base: number;
  private readonly records: Words;
  private readonly unitWords: number;
  private readonly linkWord: number;
  private readonly tagWord: number;
  private readonly firstUnit: number;
  private readonly endUnit: number;
  /** Offset in a participant's block of its cache for class 0. */
  private readonly caches: number;
  private readonly classes: number;
  private readonly inFlightWord: number;

  constructor(options: SlabOptions) {
    this.words = options.words;
    this.base = options.base;
    this.records = options.records;
    this.unitWords = options.unitWords;
    this.linkWord = options.linkWord;
    this.tagWord = options.tagWord;
    this.firstUnit = options.firstUnit;
    this.endUnit = options.endUnit;
    this.caches = ParticipantWord.CACHES + (options.firstCache ?? 0) * SLAB_CACHE_WORDS;
    this.classes = options.classes ?? RECORD_CLASSES;
    this.inFlightWord = options.inFlightWord ?? ParticipantWord.RECORD_IN_FLIGHT;
  }

  /** Units to reserve so that `maxRecords` of any mix of classes fit, besides those in caches and retired lists. */
  static unitsFor(maxRecords: number, maxParticipants: number): number {
    /* A chunk never changes its class. So the worst case is that all records are first of class 0, and later of class 1. */
    return maxRecords * 2 + Slab.unitsForOneClass(maxRecords, maxParticipants);
  }

  /** As unitsFor, if all records are of class 0. */
  static unitsForOneClass(maxRecords: number, maxParticipants: number): number {
    return maxRecords + maxParticipants * 4 * (CACHE_LIMIT + FRESH_UNITS) + RETIRED_UNITS;
  }

  /** Records of any class that each participant may keep retired. With more, the slab may run out before the table is full. */
  static retiredAllowance(maxParticipants: number): number {
    return Math.floor(RETIRED_UNITS / (2 * maxParticipants));
  }

  /** Call once, in the thread that creates the region. */
  initialise(): void {
    this.words[this.base + NEXT_FRESH] = this.firstUnit;
    this.words[this.base + CAPACITY] = this.endUnit;
  }

  /** Units that were ever taken for caches. Caches and the common list keep them for good. */
  get unitsTaken(): number {
    return peek(this.words, this.base + NEXT_FRESH) - this.firstUnit;
  }

  private cache(participant: Participant, recordClass: number): number {
    return participant.base + this.caches + recordClass * SLAB_CACHE_WORDS;
  }

  /**
   * Allocates a record of the class. Its words are as they were left. The caller must store the record in RECORD_IN_FLIGHT
   * directly after this call: a thread that dies in between would leak it.
   * @returns the record; 0 when the slab is used up
   */
  allocate(participant: Participant, recordClass: number): number {
    const words = participant.words;
    const cache = this.cache(participant, recordClass);
    const head = words[cache + FREE_HEAD]!;
    if (head !== 0) {
      words[cache + FREE_HEAD] = this.records[head * this.unitWords + this.linkWord]!;
      words[cache + FREE_COUNT] = words[cache + FREE_COUNT]! - 1;
      return head;
    }
    const fresh = words[cache + FRESH_NEXT]!;
    if (fresh < words[cache + FRESH_END]!) {
      words[cache + FRESH_NEXT] = fresh + 1 + recordClass;
      return fresh;
    }
    return this.refill(participant, recordClass) ? this.allocate(participant, recordClass) : 0;
  }

  /**
   * Prefetches the records of the next `count` allocations, if they are fresh: reads a word of each cache line in their first
   * `recordWords` words. The cache misses overlap here. When the records are filled, they would come one after another.
   * @returns a number without meaning, made from the words, so that V8 does not remove the reads
   */
  touchNext(participant: Participant, recordClass: number, count: number, recordWords: number): number {
    const words = participant.words;
    const records = this.records;
    const cache = this.cache(participant, recordClass);
    if (words[cache + FREE_HEAD] !== 0) {
      return 0;
    }
    const fresh = words[cache + FRESH_NEXT]!;
    const units = 1 + recordClass;
    const end = Math.min(words[cache + FRESH_END]!, fresh + count * units) * this.unitWords;
    let sink = 0;
    for (let record = fresh * this.unitWords; record < end; record += units * this.unitWords) {
      for (let word = record; word < record + recordWords; word += LINE_WORDS) {
        sink ^= records[word]!;
      }
    }
    return sink;
  }

  /** Takes a batch from the common list, or a fresh chunk. @returns false when the slab is used up */
  private refill(participant: Participant, recordClass: number): boolean {
    const words = this.words;
    const cache = this.cache(participant, recordClass);
    lock(words, this.base + MUTEX, participant, LockClass.leaf, LockSite.slabRefill);
    const common = this.base + COMMON_HEAD + recordClass;
    const batch = words[common]!;
    let found = true;
    if (batch !== 0) {
      words[common] = this.records[batch * this.unitWords + this.tagWord]!;
      participant.words[cache + FREE_HEAD] = batch;
      participant.words[cache + FREE_COUNT] = CHUNK;
    } else {
      const fresh = words[this.base + NEXT_FRESH]!;
      const chunkEnd = Math.min(fresh + FRESH_UNITS, words[this.base + CAPACITY]! & ~1);
      if (chunkEnd > fresh) {
        words[this.base + NEXT_FRESH] = chunkEnd;
        participant.words[cache + FRESH_NEXT] = fresh;
        participant.words[cache + FRESH_END] = chunkEnd;
      } else {
        found = false;
      }
    }
    unlock(words, this.base + MUTEX);
    return found;
  }

  /** Frees the record in flight. It was never linked, so no other thread can have seen it. */
  free(participant: Participant, recordClass: number, record: number): void {
    if (this.keep(participant, recordClass, record)) {
      this.#returnBatch(participant, recordClass);
    }
  }

  /** As free, but never takes the mutex. @returns whether the cache has so many free records that it should return a batch */
  keep(participant: Participant, recordClass: number, record: number): boolean {
    const words = participant.words;
    const cache = this.cache(participant, recordClass);
    this.records[record * this.unitWords + this.linkWord] = words[cache + FREE_HEAD]!;
    words[cache + FREE_HEAD] = record;
    const count = words[cache + FREE_COUNT]! + 1;
    words[cache + FREE_COUNT] = count;
    words[participant.base + this.inFlightWord] = 0;
    return count > CACHE_LIMIT;
  }

  #returnBatch(participant: Participant, recordClass: number): void {
    const records = this.records;
    const cache = this.cache(participant, recordClass);
    const batch = participant.words[cache + FREE_HEAD]!;
    let last = batch;
    for (let i = 1; i < CHUNK; i++) {
      last = records[last * this.unitWords + this.linkWord]!;
    }
    const lastLink = last * this.unitWords + this.linkWord;

    const words = this.words;
    const common = this.base + COMMON_HEAD + recordClass;
    lock(words, this.base + MUTEX, participant, LockClass.leaf, LockSite.slabReturn);
    /* No call and no loop from here to the unlock (participant.ts): at any death the batch is in exactly one list. */
    participant.words[cache + FREE_HEAD] = records[lastLink]!;
    participant.words[cache + FREE_COUNT] = participant.words[cache + FREE_COUNT]! - CHUNK;
    records[lastLink] = 0;
    records[batch * this.unitWords + this.tagWord] = words[common]!;
    words[common] = batch;
    unlock(words, this.base + MUTEX);
  }

  /** Keeps an unlinked record until every online participant has passed epoch `tag` (see Epochs.current). */
  retire(participant: Participant, recordClass: number, record: number, tag: number): void {
    const words = participant.words;
    const cache = this.cache(participant, recordClass);
    const at = record * this.unitWords;
    this.records[at + this.tagWord] = tag;
    this.records[at + this.linkWord] = 0;
    const tail = words[cache + RETIRED_TAIL]!;
    if (tail === 0) {
      words[cache + RETIRED_HEAD] = record;
    } else {
      this.records[tail * this.unitWords + this.linkWord] = record;
    }
    words[cache + RETIRED_TAIL] = record;
    words[cache + RETIRED_COUNT] = words[cache + RETIRED_COUNT]! + 1;
  }

  /** Records of both classes that the participant has retired and not freed. */
  retiredCount(participant: Participant): number {
    const words = participant.words;
    const cache = participant.base + ParticipantWord.CACHES;
    return words[cache + RETIRED_COUNT]! + words[cache + SLAB_CACHE_WORDS + RETIRED_COUNT]!;
  }

  /** Frees the records that the participant retired before epoch `oldest` (see Epochs.advance). @returns their number */
  reclaim(participant: Participant, oldest: number): number {
    let freed = 0;
    for (let recordClass = 0; recordClass < this.classes; recordClass++) {
      freed += this.#reclaimClass(participant, recordClass, oldest);
    }
    return freed;
  }

  #reclaimClass(participant: Participant, recordClass: number, oldest: number): number {
    const words = participant.words;
    const records = this.records;
    const cache = this.cache(participant, recordClass);
    let freed = 0;
    let record = words[cache + RETIRED_HEAD]!;
    while (record !== 0 && Epochs.isSafe(records[record * this.unitWords + this.tagWord]!, oldest)) {
      const link = record * this.unitWords + this.linkWord;
      const following = records[link]!;
      words[cache + RETIRED_HEAD] = following;
      if (following === 0) {
        words[cache + RETIRED_TAIL] = 0;
      }
      words[cache + RETIRED_COUNT] = words[cache + RETIRED_COUNT]! - 1;
      /* As keep, but written out: without a call (participant.ts) the record is in exactly one list at any death. */
      records[link] = words[cache + FREE_HEAD]!;
      words[cache + FREE_HEAD] = record;
      const count = words[cache + FREE_COUNT]! + 1;
      words[cache + FREE_COUNT] = count;
      if (count > CACHE_LIMIT) {
        this.#returnBatch(participant, recordClass);
      }
      freed++;
      record = following;
    }
    return freed;
  }

  /** Call after the participant's thread has died. Each of its changes is complete or not begun. @returns whether it held the mutex */
  repair(participant: Participant): boolean {
    return releaseOfDead(this.words, this.base + MUTEX, participant, LockClass.leaf);
  }

  /** Touches the memory of the next `count` fresh units, so that no page fault happens later. */
  prefault(count: number): void {
    const records = this.records;
    const from = this.words[this.base + NEXT_FRESH]!;
    const end = Math.min(this.endUnit, from + count) * this.unitWords;
    for (let word = from * this.unitWords; word < end; word += 1024) {
      Atomics.or(records, word, 0);
    }
  }
}

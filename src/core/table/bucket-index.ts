/**
 * The bucket table as readers see it: 2^n buckets in shared memory, each with an index of its own. bucket-layout.ts draws the words.
 *
 * The high bits of a hash select the bucket (in the engine `zones` the zone does). The low bits select the entry's home line in the
 * bucket's index. If the home line is full, the entry goes to the next line with a free slot, and each line that it passes counts it as overflow. A search stops at the
 * first line without overflow. Facebook's F14 does the same with chunks. So one cache miss finds nearly every key, and no entry
 * has to move when another one is unlinked.
 *
 * Readers take no lock. A reader loads a record's number atomically from its slot. The load pairs with the atomic store that
 * published the record (BucketTable), so the reader sees all words that were written into the record before.
 */

import { load, peek, poke, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import {
  BUCKET_WORDS,
  BucketWord,
  EARLIEST_EXPIRY,
  FIRST_HASH,
  FIRST_RECORD,
  LINE_ENTRIES,
  OVERFLOW,
} from './bucket-layout.ts';
import { ConnWord, UNIT_SHIFT } from './conn.ts';
import { blockBits, blockWord } from './line-arena.ts';
import { beginVisit, endVisit, EXPIRY_UNKNOWN, mayHaveExpired } from './line-expiry.ts';

export interface BucketIndexOptions {
  bucketBits: number;
  words: Words;
  /** Word index of bucket 0's header. */
  base: number;
  /** Word index of bucket 0's directory word. */
  directories: number;
}

export class BucketIndex {
  readonly bucketBits: number;
  readonly bucketCount: number;
  /** `findHint` and `next` return word indexes into this array. */
  readonly words: Words;
  private readonly base: number;
  /** Word index of bucket 0's directory word. */
  protected readonly directories: number;
  private readonly shift: number;

  constructor(options: BucketIndexOptions) {
    this.bucketBits = options.bucketBits;
    this.bucketCount = 1 << options.bucketBits;
    this.words = options.words;
    this.base = options.base;
    this.directories = options.directories;
    this.shift = 32 - options.bucketBits;
  }

  /** Word index of a bucket's header. */
  headerOf(bucket: number): number {
    return this.base + bucket * BUCKET_WORDS;
  }

  /**
   * The bucket of a key: here the high bits of its hash. Where a zone is a bucket, the zone of the key (zone-table.ts).
   * @param _meta where the key's META stands in `_words`
   */
  bucketOf(hash: number, _words: Int32Array, _meta: number): number {
    return this.shift === 32 ? 0 : hash >>> this.shift;
  }

  /** Word index of the home line of a key (bucketOf). A hint: the bucket may grow at any moment. */
  homeLine(hash: number, words: Int32Array, meta: number): number {
    const directory = peek(this.words, this.directories + this.bucketOf(hash, words, meta));
    return blockWord(directory) + (hash & ((1 << blockBits(directory)) - 1)) * LINE_WORDS;
  }

  /**
   * Fetches a bucket's header and an index line for writing, before the lock is taken. A plain write does not stall,
   * but it makes the core request the line. The requests of a whole batch overlap; without them each lock would wait
   * for its own. The write into the index line only costs the sweeper a visit.
   */
  prefetchForWrite(line: number, hash: number, words: Int32Array, meta: number): void {
    poke(this.words, this.headerOf(this.bucketOf(hash, words, meta)) + BucketWord.PREFETCH, 0);
    poke(this.words, line + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
  }

  /**
   * Finds a record with this hash in its home line by plain reads of that line.
   * @returns the word index of its slot, or 0. A hint: read the record again through `recordAt`. 0 does not mean that
   *   there is none
   */
  findHint(line: number, hash: number): number {
    const words = this.words;
    if (words[line + 1] === hash && words[line + 8] !== 0) return line + 8;
    if (words[line + 2] === hash && words[line + 9] !== 0) return line + 9;
    if (words[line + 3] === hash && words[line + 10] !== 0) return line + 10;
    if (words[line + 4] === hash && words[line + 11] !== 0) return line + 11;
    if (words[line + 5] === hash && words[line + 12] !== 0) return line + 12;
    if (words[line + 6] === hash && words[line + 13] !== 0) return line + 13;
    if (words[line + 7] === hash && words[line + 14] !== 0) return line + 14;
    return 0;
  }

  /** Has an entry gone past this line to a later one? A hint. */
  hasOverflow(line: number): boolean {
    return peek(this.words, line + OVERFLOW) !== 0;
  }

  /**
   * The record in a slot; 0 if it was unlinked. The caller sees all that was written into the record before it was
   * linked.
   */
  recordAt(slot: number): number {
    return load(this.words, slot);
  }

  /**
   * The block to search for this key (bucketOf) with `next`. One search uses one block, even if the bucket grows meanwhile: the
   * block holds every entry that was linked when the search began.
   */
  blockOf(hash: number, words: Int32Array, meta: number): number {
    return load(this.words, this.directories + this.bucketOf(hash, words, meta));
  }

  /**
   * The next slot in a block that holds a record with this hash.
   * @param after 0 for the first slot, else the slot returned before
   * @returns a word index for `recordAt`, or 0 at the end
   */
  next(block: number, hash: number, after: number): number {
    const words = this.words;
    const mask = (1 << blockBits(block)) - 1;
    const first = blockWord(block);
    const home = hash & mask;
    let index = home;
    let entry = 0;
    if (after !== 0) {
      index = (after - first) >>> 4;
      entry = after - first - index * LINE_WORDS - FIRST_RECORD + 1;
    }
    for (;;) {
      const line = first + index * LINE_WORDS;
      for (; entry < LINE_ENTRIES; entry++) {
        if (peek(words, line + FIRST_HASH + entry) === hash && peek(words, line + FIRST_RECORD + entry) !== 0) {
          return line + FIRST_RECORD + entry;
        }
      }
      entry = 0;
      index = (index + 1) & mask;
      if (peek(words, line + OVERFLOW) === 0 || index === home) {
        return 0;
      }
    }
  }

  /** The sweeper begins its visit of the line at word `line` (line-expiry.ts). @returns a token for endVisit */
  beginVisit(bucket: number, line: number, participant: Participant): number {
    return beginVisit(this.words, this.headerOf(bucket) + BucketWord.LOCK, line, participant);
  }

  /** @param earliest low 32 bits of ms: the earliest expiry of the connections in the line */
  endVisit(line: number, token: number, earliest: number): void {
    endVisit(this.words, line, token, earliest);
  }

  /** May a connection in the line at word `line` have expired? */
  mayHaveExpired(line: number, now: number): boolean {
    return mayHaveExpired(this.words, line, now);
  }

  /**
   * Makes the sweeper visit a record's line at its next walk. The record's new expiry must have been stored atomically
   * before.
   */
  requestVisit(record: number): void {
    const r = record << UNIT_SHIFT;
    const hash = this.words[r + ConnWord.HASH]!;
    const block = this.blockOf(hash, this.words, r + ConnWord.META);
    for (let slot = this.next(block, hash, 0); slot !== 0; slot = this.next(block, hash, slot)) {
      if (peek(this.words, slot) === record) {
        this.requestVisitAt(slot);
        return;
      }
    }
    /* Not found: the record was unlinked, or its bucket is growing. The sweeper visits every line of a new block. */
  }

  /** As requestVisit, for the record in a slot. */
  requestVisitAt(slot: number): void {
    store(this.words, (slot & ~(LINE_WORDS - 1)) + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
  }

  /** Entries in a bucket's index. A hint unless the caller holds its lock. */
  entriesIn(bucket: number): number {
    return peek(this.words, this.headerOf(bucket) + BucketWord.ENTRIES);
  }

  /** The first bucket from this one on that has lines of its own; bucketCount if there is none. For walks. */
  nextUsed(bucket: number): number {
    return bucket;
  }

  /** A bucket's block at this moment, for a walk over all its entries with `slotInBlock`. */
  blockOfBucket(bucket: number): number {
    return load(this.words, this.directories + bucket);
  }

  /** Slots of a block: the upper bound of `slotInBlock`. */
  static slotsOf(block: number): number {
    return LINE_ENTRIES << blockBits(block);
  }

  /** Lines of a block: a power of two. */
  static linesOf(block: number): number {
    return 1 << blockBits(block);
  }

  /** Word index of the first slot of a line of a block. Its LINE_ENTRIES slots are contiguous. */
  static firstSlotOf(block: number, line: number): number {
    return BucketIndex.lineOf(block, line) + FIRST_RECORD;
  }

  /** Word index of a line of a block. */
  static lineOf(block: number, line: number): number {
    return blockWord(block) + line * LINE_WORDS;
  }

  /** Word index of the n-th slot of a block, for `recordAt`. */
  static slotInBlock(block: number, n: number): number {
    const line = Math.trunc(n / LINE_ENTRIES);
    return blockWord(block) + line * LINE_WORDS + FIRST_RECORD + (n - line * LINE_ENTRIES);
  }

  /** Visits every slot of a bucket in which a record stands, also a stale one. The caller is inside an epoch. */
  visitSlots(bucket: number, visit: (record: number, slot: number) => void): void {
    const block = this.blockOfBucket(bucket);
    const slots = BucketIndex.slotsOf(block);
    for (let n = 0; n < slots; n++) {
      const slot = BucketIndex.slotInBlock(block, n);
      const record = this.recordAt(slot);
      if (record !== 0) {
        visit(record, slot);
      }
    }
  }

  /** The hash under which the record in a slot was linked. */
  hashAt(slot: number): number {
    return this.words[slot - LINE_ENTRIES]!;
  }
}

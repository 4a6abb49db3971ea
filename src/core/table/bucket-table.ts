/**
 * The bucket table: 2^n buckets, each with a mutex and an index of its own, in shared memory. bucket-layout.ts draws their words,
 * line-due.ts says when a sweeper looks at a line.
 *
 * The bucket comes from the high bits of the hash, an entry's home line from the low bits. An entry that finds its
 * home line full goes to the next line with room and counts up the overflow of each line it passes; a search goes on
 * as long as the lines it passes say that somebody went past (Facebook's F14 does the same with chunks). So one miss
 * of the cache finds a key in nearly all cases, and nothing ever has to be moved when an entry goes.
 *
 * Entries never move inside a block. A bucket grows by copying its entries to a block of twice the size and
 * publishing that; who still reads the old block sees what was there at that moment, until the epoch passes.
 *
 * Readers take no lock. The slot of a record is read with an atomic load, which pairs with the atomic store in
 * `place` that published it: whoever sees the record sees all that was written into it before.
 */

import { load, peek, poke, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import type { Epochs } from '../../shared/memory/epoch.ts';
import type { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import {
  assertHeld,
  inheritLock,
  lock,
  lockPair,
  lockWithin,
  unlock,
  unlockPair,
  wakeWaiters,
} from '../../shared/sync/mutex.ts';
import { ParticipantWord, type Participant } from '../../shared/memory/participant.ts';
import {
  BUCKET_WORDS,
  BucketWord,
  entriesBeforeGrowth,
  FIRST_HASH,
  FIRST_RECORD,
  LINE_DUE,
  LINE_ENTRIES,
  MIN_BLOCK_BITS,
  OVERFLOW,
} from './bucket-layout.ts';
import { blockBits, blockWord, MAX_BLOCK_BITS, type LineArena } from './line-arena.ts';
import { beginLook, endLook, isDue, LOOK } from './line-expiry.ts';

export interface BucketTableOptions {
  bucketBits: number;
  words: Words;
  /** Word index of bucket 0's header. */
  base: number;
  /** Word index of bucket 0's directory word. */
  directories: number;
  arena: LineArena;
  epochs: Epochs;
}

export class BucketTable {
  readonly bucketBits: number;
  readonly bucketCount: number;
  /** What `findHint` and `next` return word indexes into. */
  readonly words: Words;
  readonly #base: number;
  readonly #directories: number;
  readonly #shift: number;
  readonly #arena: LineArena;
  readonly #epochs: Epochs;

  constructor(options: BucketTableOptions) {
    this.bucketBits = options.bucketBits;
    this.bucketCount = 1 << options.bucketBits;
    this.words = options.words;
    this.#base = options.base;
    this.#directories = options.directories;
    this.#shift = 32 - options.bucketBits;
    this.#arena = options.arena;
    this.#epochs = options.epochs;
  }

  /** Once, by whoever creates the region: gives every bucket its first block. */
  initialise(participant: Participant, expectedEntries: number): void {
    let bits = MIN_BLOCK_BITS;
    const perBucket = Math.ceil((expectedEntries / this.bucketCount) * 1.1);
    while (entriesBeforeGrowth(bits) < perBucket && bits < MAX_BLOCK_BITS) {
      bits++;
    }
    for (let bucket = 0; bucket < this.bucketCount; bucket++) {
      const directory = this.#arena.allocate(participant, bits);
      store(this.words, this.#directories + bucket, directory);
    }
    participant.words[participant.base + ParticipantWord.GROW_NEW] = 0;
  }

  /** Word index of a bucket's header. */
  headerOf(bucket: number): number {
    return this.#base + bucket * BUCKET_WORDS;
  }

  /** The bucket of a hash: its high bits. */
  bucketOf(hash: number): number {
    return this.#shift === 32 ? 0 : hash >>> this.#shift;
  }

  lockBucket(bucket: number, participant: Participant, site?: LockSite): void {
    lock(this.words, this.headerOf(bucket), participant, LockClass.bucket, site);
  }

  unlockBucket(bucket: number): void {
    unlock(this.words, this.headerOf(bucket));
  }

  /** Takes the locks of one or two buckets, in order. */
  lockBuckets(a: number, b: number, participant: Participant, site: LockSite): void {
    lockPair(this.words, this.headerOf(a), this.headerOf(b), participant, LockClass.bucket, site);
  }

  unlockBuckets(a: number, b: number): void {
    unlockPair(this.words, this.headerOf(a), this.headerOf(b));
  }

  /** Word index of the home line of a hash. A hint: the bucket may grow at any moment. */
  homeLine(hash: number): number {
    const directory = peek(this.words, this.#directories + this.bucketOf(hash));
    return blockWord(directory) + (hash & ((1 << blockBits(directory)) - 1)) * LINE_WORDS;
  }

  /**
   * Asks for a bucket's header and an index line before the lock is taken. A plain write waits for nothing, but makes the core fetch
   * them from wherever they are; the transfers of a whole batch overlap, where the locks would wait for them one by
   * one. To the sweeper the line then is one to look at, which it would be anyway.
   */
  prefetchForWrite(hash: number, line: number): void {
    poke(this.words, this.headerOf(this.bucketOf(hash)) + BucketWord.PREFETCH, 0);
    poke(this.words, line + LINE_DUE, LOOK);
  }

  /**
   * Where a record with this hash stands in its home line: the word index of its slot, or 0. A hint, from plain reads
   * of one line: a record that it finds must be read again through `recordAt`, and 0 does not mean that there is none.
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

  /** Does an entry whose home is this line stand further on? A hint. */
  hasOverflow(line: number): boolean {
    return peek(this.words, line + OVERFLOW) !== 0;
  }

  /** The record in a slot, 0 if it was unlinked. What was written into it before linking is visible. */
  recordAt(slot: number): number {
    return load(this.words, slot);
  }

  /**
   * The block to search for this hash, for `next`. One search uses one block, also if the bucket grows meanwhile:
   * what was linked when the search began is in it.
   */
  blockOf(hash: number): number {
    return load(this.words, this.#directories + this.bucketOf(hash));
  }

  /**
   * The next slot of a block that holds a record with this hash.
   * @param after 0 for the first, else the slot returned before
   * @returns a word index for `recordAt`, or 0 when there are no more
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

  /**
   * Links a record under this hash if one look at the home line shows that nothing stands under the hash yet, that there
   * is a free slot, and that the bucket need not grow: nearly always. The record is complete; the bucket's lock is held.
   * @returns false if it did nothing
   */
  placeAbsentLocked(bucket: number, hash: number, record: number): boolean {
    const words = this.words;
    const header = this.headerOf(bucket);
    assertHeld(words, header);
    const directory = words[this.#directories + bucket]!;
    const line = blockWord(directory) + (hash & ((1 << blockBits(directory)) - 1)) * LINE_WORDS;
    const entries = words[header + BucketWord.ENTRIES]!;
    if (words[line + OVERFLOW] !== 0 || entries >= entriesBeforeGrowth(blockBits(directory))) {
      return false;
    }
    let free = 0;
    for (let slot = line + FIRST_RECORD; slot < line + FIRST_RECORD + LINE_ENTRIES; slot++) {
      if (words[slot] === 0) {
        free = slot;
      } else if (words[slot - LINE_ENTRIES] === hash) {
        return false;
      }
    }
    if (free === 0) {
      return false;
    }
    poke(words, free - LINE_ENTRIES, hash);
    store(words, free, record);
    poke(words, line + LINE_DUE, LOOK);
    poke(words, header + BucketWord.ENTRIES, entries + 1);
    return true;
  }

  /**
   * Links a record under this hash. The record is complete; the bucket's lock is held.
   * @returns false if the index is full and cannot grow
   */
  placeLocked(bucket: number, hash: number, record: number, participant: Participant): boolean {
    const words = this.words;
    const header = this.headerOf(bucket);
    assertHeld(words, header);
    let directory = words[this.#directories + bucket]!;
    const entries = words[header + BucketWord.ENTRIES]!;
    if (entries >= entriesBeforeGrowth(blockBits(directory))) {
      const grown = this.#growLocked(bucket, directory, participant);
      if (grown !== 0) {
        directory = grown;
      } else if (entries >= LINE_ENTRIES << blockBits(directory)) {
        return false;
      }
    }
    this.#place(directory, hash, record);
    poke(words, header + BucketWord.ENTRIES, entries + 1);
    return true;
  }

  /** Puts an entry into the first free slot from its home line on; there is one. */
  #place(directory: number, hash: number, record: number): void {
    const words = this.words;
    const mask = (1 << blockBits(directory)) - 1;
    const first = blockWord(directory);
    let index = hash & mask;
    for (;;) {
      const line = first + index * LINE_WORDS;
      for (let entry = 0; entry < LINE_ENTRIES; entry++) {
        if (words[line + FIRST_RECORD + entry] === 0) {
          poke(words, line + FIRST_HASH + entry, hash);
          store(words, line + FIRST_RECORD + entry, record);
          poke(words, line + LINE_DUE, LOOK);
          return;
        }
      }
      /* Before the record can be seen: who finds this count at zero may stop looking. */
      poke(words, line + OVERFLOW, words[line + OVERFLOW]! + 1);
      index = (index + 1) & mask;
    }
  }

  /** Twice the lines for a bucket. @returns the new directory word, or 0 if there is no memory for it */
  #growLocked(bucket: number, directory: number, participant: Participant): number {
    const words = this.words;
    const header = this.headerOf(bucket);
    const bits = blockBits(directory);
    const base = participant.base;
    words[base + ParticipantWord.GROW_BUCKET] = bucket;
    words[base + ParticipantWord.GROW_OLD] = directory;
    const grown = this.#arena.allocate(participant, bits + 1);
    if (grown === 0) {
      return 0;
    }
    const end = blockWord(directory) + (LINE_WORDS << bits);
    for (let line = blockWord(directory); line < end; line += LINE_WORDS) {
      for (let entry = 0; entry < LINE_ENTRIES; entry++) {
        const record = words[line + FIRST_RECORD + entry]!;
        if (record !== 0) {
          this.#place(grown, words[line + FIRST_HASH + entry]!, record);
        }
      }
    }
    store(words, this.#directories + bucket, grown);
    /* In the same step (participant.ts): a plain store, the count is a hint. */
    words[header + BucketWord.GROWTHS] = words[header + BucketWord.GROWTHS]! + 1;
    this.#arena.retire(participant, directory, this.#epochs.current());
    words[base + ParticipantWord.GROW_NEW] = 0;
    return grown;
  }

  /**
   * Unlinks exactly this record (others may stand under the same hash and even the same key). The bucket's lock is
   * held.
   * @returns whether it was there
   */
  unlinkLocked(bucket: number, hash: number, record: number): boolean {
    const words = this.words;
    const header = this.headerOf(bucket);
    assertHeld(words, header);
    const directory = words[this.#directories + bucket]!;
    const mask = (1 << blockBits(directory)) - 1;
    const first = blockWord(directory);
    const home = hash & mask;
    let index = home;
    do {
      const line = first + index * LINE_WORDS;
      for (let entry = 0; entry < LINE_ENTRIES; entry++) {
        if (words[line + FIRST_RECORD + entry] === record && words[line + FIRST_HASH + entry] === hash) {
          store(words, line + FIRST_RECORD + entry, 0);
          this.#uncountPassed(first, mask, home, index);
          poke(words, header + BucketWord.ENTRIES, words[header + BucketWord.ENTRIES]! - 1);
          return true;
        }
      }
      index = (index + 1) & mask;
    } while (index !== home);
    return false;
  }

  /** The entry that had gone past the lines from `home` to before `index` is gone. */
  #uncountPassed(first: number, mask: number, home: number, index: number): void {
    const words = this.words;
    for (let passed = home; passed !== index; passed = (passed + 1) & mask) {
      const overflow = first + passed * LINE_WORDS + OVERFLOW;
      poke(words, overflow, words[overflow]! - 1);
    }
  }

  /** A sweeper begins to look at the line at word `line` (line-due.ts). @returns a token for endLook */
  beginLook(bucket: number, line: number, participant: Participant): number {
    return beginLook(this.words, this.headerOf(bucket) + BucketWord.LOCK, line, participant);
  }

  /** @param due low 32 bits of ms: the first expiry of what stands in the line */
  endLook(line: number, token: number, due: number): void {
    endLook(this.words, line, token, due);
  }

  /** May something of the line at word `line` have expired? */
  isDue(line: number, now: number): boolean {
    return isDue(this.words, line, now);
  }

  /** A record has to be looked at by the sweeper before its time. Its new expiry was stored, not just written. */
  lookAgain(hash: number, record: number): void {
    const block = this.blockOf(hash);
    for (let slot = this.next(block, hash, 0); slot !== 0; slot = this.next(block, hash, slot)) {
      if (peek(this.words, slot) === record) {
        this.lookAgainAt(slot);
        return;
      }
    }
    /* Unlinked, or the bucket is growing: in its new block every line is to be looked at. */
  }

  /** As lookAgain, for what stands in a slot. */
  lookAgainAt(slot: number): void {
    store(this.words, (slot & ~(LINE_WORDS - 1)) + LINE_DUE, LOOK);
  }

  /** Entries in a bucket's index; a hint unless its lock is held. */
  entriesIn(bucket: number): number {
    return peek(this.words, this.headerOf(bucket) + BucketWord.ENTRIES);
  }

  /** A bucket's block at this moment, for a walk over all of its entries with `slotInBlock`. */
  blockOfBucket(bucket: number): number {
    return load(this.words, this.#directories + bucket);
  }

  /** As blockOfBucket, where the bucket's lock is held. */
  blockLocked(bucket: number): number {
    assertHeld(this.words, this.headerOf(bucket));
    return this.words[this.#directories + bucket]!;
  }

  /** Slots of a block: the range of `slotInBlock`. */
  static slotsOf(block: number): number {
    return LINE_ENTRIES << blockBits(block);
  }

  /** Lines of a block: a power of two. */
  static linesOf(block: number): number {
    return 1 << blockBits(block);
  }

  /** Word index of the first of the LINE_ENTRIES slots, side by side, of a line of a block. */
  static firstSlotOf(block: number, line: number): number {
    return BucketTable.lineOf(block, line) + FIRST_RECORD;
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

  /** The hash under which the record in a slot was linked. */
  hashAt(slot: number): number {
    return this.words[slot - LINE_ENTRIES]!;
  }

  /** A dead participant's locks: does it hold the bucket's? The caller, who repairs after it, then holds it from now on. */
  inheritBucket(bucket: number, participant: Participant): boolean {
    return inheritLock(this.words, this.headerOf(bucket), participant, LockClass.bucket);
  }

  /** As lockBucket, but gives up after a time. @returns whether the lock is held */
  lockBucketWithin(bucket: number, participant: Participant, timeoutMs: number): boolean {
    return lockWithin(this.words, this.headerOf(bucket), participant, LockClass.bucket, timeoutMs);
  }

  /** Wakes all who sleep on the bucket's lock; who cannot have it sleeps on. */
  wakeWaitersOf(bucket: number): void {
    wakeWaiters(this.words, this.headerOf(bucket));
  }

  /** Does this record stand in a locked bucket under this hash? */
  hasLocked(bucket: number, hash: number, record: number): boolean {
    const block = this.blockLocked(bucket);
    for (let slot = this.next(block, hash, 0); slot !== 0; slot = this.next(block, hash, slot)) {
      if (this.words[slot] === record) {
        return true;
      }
    }
    return false;
  }
}

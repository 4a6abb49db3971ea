/**
 * The bucket table as writers change it, under the lock of each bucket. bucket-index.ts has the search.
 *
 * Entries never move inside a block. A bucket grows by copying its entries to a block of twice the size and publishing that block.
 * A reader of the old block sees the entries of that moment. The old block is used again only after the reader's epoch.
 */

import { poke, store } from '../../shared/access.ts';
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
  blockBitsFor,
  BucketWord,
  entriesBeforeGrowth,
  FIRST_HASH,
  FIRST_RECORD,
  EARLIEST_EXPIRY,
  LINE_ENTRIES,
  OVERFLOW,
} from './bucket-layout.ts';
import { BucketIndex, type BucketIndexOptions } from './bucket-index.ts';
import { blockBits, blockWord, type LineArena } from './line-arena.ts';
import { EXPIRY_UNKNOWN } from './line-expiry.ts';

export interface BucketTableOptions extends BucketIndexOptions {
  arena: LineArena;
  epochs: Epochs;
}

export class BucketTable extends BucketIndex {
  readonly #arena: LineArena;
  readonly #epochs: Epochs;

  constructor(options: BucketTableOptions) {
    super(options);
    this.#arena = options.arena;
    this.#epochs = options.epochs;
  }

  /** Gives every bucket its first block. The thread that creates the region calls this once. */
  initialise(participant: Participant, expectedEntries: number): void {
    const bits = blockBitsFor(expectedEntries / this.bucketCount);
    for (let bucket = 0; bucket < this.bucketCount; bucket++) {
      const directory = this.#arena.allocate(participant, bits);
      store(this.words, this.directories + bucket, directory);
    }
    participant.words[participant.base + ParticipantWord.GROW_NEW] = 0;
  }

  lockBucket(bucket: number, participant: Participant, site?: LockSite): void {
    lock(this.words, this.headerOf(bucket), participant, LockClass.bucket, site);
  }

  unlockBucket(bucket: number): void {
    unlock(this.words, this.headerOf(bucket));
  }

  /** Takes the locks of one or two buckets in the global lock order. */
  lockBuckets(a: number, b: number, participant: Participant, site: LockSite): void {
    lockPair(this.words, this.headerOf(a), this.headerOf(b), participant, LockClass.bucket, site);
  }

  unlockBuckets(a: number, b: number): void {
    unlockPair(this.words, this.headerOf(a), this.headerOf(b));
  }

  /**
   * The fast path of linking: one pass over the home line. It links the record only if the hash is not there yet, a
   * slot is free, no entry went past the line, and the bucket need not grow. That is nearly always so. The record is
   * complete; the caller holds the bucket's lock.
   * @returns false: nothing was done; the caller must search, and then use placeLocked
   */
  placeAbsentLocked(bucket: number, hash: number, record: number): boolean {
    const words = this.words;
    const header = this.headerOf(bucket);
    assertHeld(words, header);
    const directory = words[this.directories + bucket]!;
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
    poke(words, line + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
    poke(words, header + BucketWord.ENTRIES, entries + 1);
    return true;
  }

  /**
   * Links a record under this hash. The record is complete; the caller holds the bucket's lock.
   * @returns false if the index is full and cannot grow
   */
  placeLocked(bucket: number, hash: number, record: number, participant: Participant): boolean {
    const words = this.words;
    const header = this.headerOf(bucket);
    assertHeld(words, header);
    let directory = words[this.directories + bucket]!;
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

  /** Puts an entry into the first free slot from its home line on. The caller knows that one is free. */
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
          poke(words, line + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
          return;
        }
      }
      /* Before the record is visible: a reader that finds this count at zero ends its search here. */
      poke(words, line + OVERFLOW, words[line + OVERFLOW]! + 1);
      index = (index + 1) & mask;
    }
  }

  /** Moves a bucket to a block of twice the lines. @returns the new directory word, or 0 if no memory is left */
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
    store(words, this.directories + bucket, grown);
    /* In the same step as the store above (participant.ts), so a plain store. The count is a hint. */
    words[header + BucketWord.GROWTHS] = words[header + BucketWord.GROWTHS]! + 1;
    this.#arena.retire(participant, directory, this.#epochs.current());
    words[base + ParticipantWord.GROW_NEW] = 0;
    return grown;
  }

  /**
   * Unlinks exactly this record. Others may stand under the same hash, and even under the same key. The caller holds
   * the bucket's lock.
   * @returns whether it was there
   */
  unlinkLocked(bucket: number, hash: number, record: number): boolean {
    const words = this.words;
    const header = this.headerOf(bucket);
    assertHeld(words, header);
    const directory = words[this.directories + bucket]!;
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

  /** Uncounts an unlinked entry in the lines that it had gone past: from `home` to the one before `index`. */
  #uncountPassed(first: number, mask: number, home: number, index: number): void {
    const words = this.words;
    for (let passed = home; passed !== index; passed = (passed + 1) & mask) {
      const overflow = first + passed * LINE_WORDS + OVERFLOW;
      poke(words, overflow, words[overflow]! - 1);
    }
  }

  /** As blockOfBucket, for the holder of the bucket's lock. */
  blockLocked(bucket: number): number {
    assertHeld(this.words, this.headerOf(bucket));
    return this.words[this.directories + bucket]!;
  }

  /** Does a dead participant hold the bucket's lock? If so, the thread that repairs holds it from now on. */
  inheritBucket(bucket: number, participant: Participant): boolean {
    return inheritLock(this.words, this.headerOf(bucket), participant, LockClass.bucket);
  }

  /** As lockBucket, but gives up after `timeoutMs`. @returns whether the lock is held */
  lockBucketWithin(bucket: number, participant: Participant, timeoutMs: number): boolean {
    return lockWithin(this.words, this.headerOf(bucket), participant, LockClass.bucket, timeoutMs);
  }

  /** Wakes all threads that sleep on the bucket's lock. Those that do not get it sleep again. */
  wakeWaitersOf(bucket: number): void {
    wakeWaiters(this.words, this.headerOf(bucket));
  }

  /** Is this record linked under this hash in a locked bucket? */
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

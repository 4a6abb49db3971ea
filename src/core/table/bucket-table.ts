/**
 * The bucket table: 2^n buckets, each with a mutex and an index of its own, in shared memory.
 *
 * The directories (one word per bucket, side by side, so that all of them stay in the fastest cache of every core):
 *
 *   the bucket's block of lines (line-arena.ts). atomic: written under the lock when a bucket grows, read without
 *
 * Bucket header (one cache line each, word offsets in BucketWord), only for those who insert and remove:
 *
 *   LOCK         mutex of the bucket
 *   ENTRIES      entries in the index. Under the lock; read as a hint
 *   GROWTHS      how often the index has doubled. Under the lock; read as a hint
 *   PULL         written by anyone at any time, read by nobody: see `pullForWriting`
 *   the rest, in a profiled process: LockLineWord (shared/lock-profile.ts). Under the lock
 *
 * The index is an array of 2^k lines of one cache line each:
 *
 *   word 0        overflow: how many entries had to go past this line when they were placed
 *   words 1..7    hashes
 *   words 8..14   records; 0: the slot is free. atomic: written under the lock, read without
 *   word 15       due: before this time (low 32 bits of ms) nothing of the line has to be swept. 0: to be looked at;
 *                 odd: a sweeper looks at it. atomic: see `beginLook`. A plain 0 by anyone at any time (`pullForWriting`)
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

import { CHECKED, compareExchange, load, peek, poke, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/cache-line.ts';
import type { Epochs } from '../../shared/epoch.ts';
import { LockLineWord, WAIT_HIGH_SHIFT } from '../../shared/lock-profile.ts';
import type { LockSite } from '../../shared/lock-sites.ts';
import { LockClass } from '../../shared/lockdep.ts';
import {
  assertHeld,
  inheritLock,
  lock,
  lockPair,
  lockWithin,
  unlock,
  unlockPair,
  wakeWaiters,
} from '../../shared/mutex.ts';
import { ParticipantWord, type Participant } from '../../shared/participant.ts';
import { blockBits, blockWord, MAX_BLOCK_BITS, type LineArena } from './line-arena.ts';

export const BucketWord = { LOCK: 0, ENTRIES: 1, GROWTHS: 2, PULL: 3 } as const;
export const BUCKET_WORDS: number = LINE_WORDS;

/** Entries of a line: a hash and a record each, one word for the overflow count and one to pull it by. */
export const LINE_ENTRIES: number = (LINE_WORDS - 2) / 2;
const OVERFLOW = 0;
const FIRST_HASH = 1;
const FIRST_RECORD = FIRST_HASH + LINE_ENTRIES;
const LINE_DUE = FIRST_RECORD + LINE_ENTRIES;
const LOOK = 0;

/** Blocks start with two lines: 128 bytes a bucket. */
const MIN_BLOCK_BITS = 1;

/**
 * A bucket grows when its index is three quarters full. Then 1 entry of 20 does not stand in its home line, and a
 * search looks at 1.05 lines on average; beyond, both rise steeply.
 */
function entriesBeforeGrowth(bits: number): number {
  return ((LINE_ENTRIES << bits) * 3) >> 2;
}

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

  /** Index lines to reserve for `entries` entries in all. */
  static linesFor(entries: number, bucketBits: number): number {
    /* Just grown, a block is 3/8 full; the blocks grown out of add up to as much again; skewed buckets more. */
    const full = Math.ceil(entries / (LINE_ENTRIES * 0.375));
    return 2 * Math.ceil(full * 1.25) + (8 << bucketBits) + (1 << 12);
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

  #header(bucket: number): number {
    return this.#base + bucket * BUCKET_WORDS;
  }

  /** The bucket of a hash: its high bits. */
  bucketOf(hash: number): number {
    return this.#shift === 32 ? 0 : hash >>> this.#shift;
  }

  lockBucket(bucket: number, participant: Participant, site?: LockSite): void {
    lock(this.words, this.#header(bucket), participant, LockClass.bucket, site);
  }

  unlockBucket(bucket: number): void {
    unlock(this.words, this.#header(bucket));
  }

  /** Takes the locks of one or two buckets, in order. */
  lockBuckets(a: number, b: number, participant: Participant, site: LockSite): void {
    lockPair(this.words, this.#header(a), this.#header(b), participant, LockClass.bucket, site);
  }

  unlockBuckets(a: number, b: number): void {
    unlockPair(this.words, this.#header(a), this.#header(b));
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
  pullForWriting(hash: number, line: number): void {
    poke(this.words, this.#header(this.bucketOf(hash)) + BucketWord.PULL, 0);
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
    const header = this.#header(bucket);
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
    const header = this.#header(bucket);
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
    const header = this.#header(bucket);
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
    const header = this.#header(bucket);
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

  /**
   * A sweeper looks at a line only when something of it may have expired: whoever looks leaves the time at which that will
   * be. What is placed in the line later (written under the bucket's lock), and what is to expire earlier than its last
   * packet said (`lookAgain`), makes it LOOK again.
   *
   * `beginLook` marks the line with a token of the thread's own before any slot is read, `endLook` writes the time only if
   * the token still stands there, and no one was about to place something when it was written: whoever took the
   * lock later writes LOOK later.
   *
   * @param line word index; @returns a token for endLook
   */
  beginLook(bucket: number, line: number, participant: Participant): number {
    const token = participant.lockTag | 1;
    store(this.words, line + LINE_DUE, token);
    return load(this.words, this.#header(bucket)) === 0 ? token : LOOK;
  }

  /** @param due low 32 bits of ms: the first expiry of what stands in the line */
  endLook(line: number, token: number, due: number): void {
    if (token !== LOOK) {
      compareExchange(this.words, line + LINE_DUE, token, (due & ~1) === LOOK ? -2 : due & ~1);
    }
  }

  /** May something of the line at word `line` have expired? */
  isDue(line: number, now: number): boolean {
    const due = peek(this.words, line + LINE_DUE);
    return due === LOOK || (due & 1) !== 0 || ((now - due) | 0) >= 0;
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
    return peek(this.words, this.#header(bucket) + BucketWord.ENTRIES);
  }

  /** Lines of a bucket's index, and how many entries do not stand in their home line. Hints. */
  shapeOf(bucket: number): { lines: number; displaced: number; growths: number } {
    const header = this.#header(bucket);
    const directory = load(this.words, this.#directories + bucket);
    const mask = (1 << blockBits(directory)) - 1;
    let displaced = 0;
    for (let index = 0; index <= mask; index++) {
      const line = blockWord(directory) + index * LINE_WORDS;
      for (let entry = 0; entry < LINE_ENTRIES; entry++) {
        if (
          peek(this.words, line + FIRST_RECORD + entry) !== 0 &&
          (peek(this.words, line + FIRST_HASH + entry) & mask) !== index
        ) {
          displaced++;
        }
      }
    }
    return { lines: mask + 1, displaced, growths: peek(this.words, header + BucketWord.GROWTHS) };
  }

  /** In a profiled process: how often a bucket's lock was taken and waited for, and how long. Hints. */
  contentionOf(bucket: number): { acquisitions: number; contended: number; waitNs: number } {
    const header = this.#header(bucket);
    const words = this.words;
    return {
      acquisitions: peek(words, header + LockLineWord.ACQUISITIONS) >>> 0,
      contended: peek(words, header + LockLineWord.CONTENDED) >>> 0,
      waitNs:
        peek(words, header + LockLineWord.WAIT_HIGH) * 2 ** WAIT_HIGH_SHIFT +
        peek(words, header + LockLineWord.WAIT_LOW),
    };
  }

  /** A bucket's block at this moment, for a walk over all of its entries with `slotInBlock`. */
  blockOfBucket(bucket: number): number {
    return load(this.words, this.#directories + bucket);
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
    return inheritLock(this.words, this.#header(bucket), participant, LockClass.bucket);
  }

  /** As lockBucket, but gives up after a time. @returns whether the lock is held */
  lockBucketWithin(bucket: number, participant: Participant, timeoutMs: number): boolean {
    return lockWithin(this.words, this.#header(bucket), participant, LockClass.bucket, timeoutMs);
  }

  /** Wakes all who sleep on the bucket's lock; who cannot have it sleeps on. */
  wakeWaitersOf(bucket: number): void {
    wakeWaiters(this.words, this.#header(bucket));
  }

  /**
   * Puts the counts of a locked bucket right, whose last holder died at any point of placing, unlinking or growing: what
   * stands in its slots is true. Readers never see a count that is too low.
   */
  repairCountsLocked(bucket: number): void {
    const words = this.words;
    const header = this.#header(bucket);
    assertHeld(words, header);
    const directory = words[this.#directories + bucket]!;
    const first = blockWord(directory);
    const lines = 1 << blockBits(directory);
    const passed = new Int32Array(lines);
    let entries = 0;
    for (let index = 0; index < lines; index++) {
      const line = first + index * LINE_WORDS;
      for (let entry = 0; entry < LINE_ENTRIES; entry++) {
        if (words[line + FIRST_RECORD + entry] !== 0) {
          entries++;
          const home = words[line + FIRST_HASH + entry]! & (lines - 1);
          for (let at = home; at !== index; at = (at + 1) & (lines - 1)) {
            passed[at]!++;
          }
        }
      }
    }
    poke(words, header + BucketWord.ENTRIES, entries);
    for (let index = 0; index < lines; index++) {
      const line = first + index * LINE_WORDS;
      poke(words, line + OVERFLOW, passed[index]!);
      store(words, line + LINE_DUE, LOOK);
    }
  }

  /** Does this record stand in a locked bucket under this hash? */
  hasLocked(bucket: number, hash: number, record: number): boolean {
    assertHeld(this.words, this.#header(bucket));
    const block = this.words[this.#directories + bucket]!;
    for (let slot = this.next(block, hash, 0); slot !== 0; slot = this.next(block, hash, slot)) {
      if (this.words[slot] === record) {
        return true;
      }
    }
    return false;
  }

  /**
   * What a dead participant left of the growth of a bucket: a block that is not in use is retired, and so is one that the bucket has
   * grown out of.
   * @returns whether there was something to do, and if the bucket has grown
   */
  repairGrowth(participant: Participant): 'none' | 'undone' | 'finished' {
    const words = participant.words;
    const { base } = participant;
    const grown = words[base + ParticipantWord.GROW_NEW]!;
    if (grown === 0) {
      return 'none';
    }
    const isPublished = this.blockOfBucket(words[base + ParticipantWord.GROW_BUCKET]!) === grown;
    const unused = isPublished ? words[base + ParticipantWord.GROW_OLD]! : grown;
    this.#arena.retire(participant, unused, this.#epochs.current());
    words[base + ParticipantWord.GROW_NEW] = 0;
    return isPublished ? 'finished' : 'undone';
  }

  /** In a checked process: throws unless the index of a locked bucket is consistent. */
  assertConsistentLocked(bucket: number): void {
    if (!CHECKED) {
      return;
    }
    const header = this.#header(bucket);
    assertHeld(this.words, header);
    const directory = this.words[this.#directories + bucket]!;
    const mask = (1 << blockBits(directory)) - 1;
    const first = blockWord(directory);
    const passed = new Map<number, number>();
    let entries = 0;
    for (let index = 0; index <= mask; index++) {
      const line = first + index * LINE_WORDS;
      for (let entry = 0; entry < LINE_ENTRIES; entry++) {
        if (this.words[line + FIRST_RECORD + entry] === 0) {
          continue;
        }
        entries++;
        const hash = this.words[line + FIRST_HASH + entry]!;
        if (this.bucketOf(hash) !== bucket) {
          throw new Error(`bucket ${bucket}: an entry of bucket ${this.bucketOf(hash)} stands in it`);
        }
        for (let at = hash & mask; at !== index; at = (at + 1) & mask) {
          passed.set(at, (passed.get(at) ?? 0) + 1);
        }
      }
    }
    if (entries !== this.words[header + BucketWord.ENTRIES]) {
      throw new Error(`bucket ${bucket}: ${entries} entries, counted ${this.words[header + BucketWord.ENTRIES]}`);
    }
    for (let index = 0; index <= mask; index++) {
      const overflow = this.words[first + index * LINE_WORDS + OVERFLOW];
      if (overflow !== (passed.get(index) ?? 0)) {
        throw new Error(
          `bucket ${bucket}, line ${index}: overflow ${overflow}, but ${passed.get(index) ?? 0} went past`,
        );
      }
    }
  }
}

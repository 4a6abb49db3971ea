/**
 * The words of a bucket: a directory word, a header, and an index of lines.
 *
 *   directories (contiguous, so that they stay in the first-level cache of every core)
 *   +------------+------------+-----
 *   | bucket 0   | bucket 1   | ...      the bucket's block of lines: first line << 5 | k (line-arena.ts)
 *   +-----|------+------------+-----     atomic: stored under the bucket's lock when it grows, loaded without the lock
 *         |
 *         |     header (a cache line; only threads that insert or remove touch it)
 *         |     +------+---------+---------+----------+------------------------------+
 *         |     | LOCK | ENTRIES | GROWTHS | PREFETCH | profiled process: LockLineWord |
 *         |     +------+---------+---------+----------+------------------------------+
 *         |
 *         +---> block: 2^k lines of a cache line each. The low k bits of a hash select its home line
 *
 *     word       0            1 ... 7          8 ... 14            15
 *           +----------+---------------+---------------+-----------------+
 *     line  | OVERFLOW | 7 hashes      | 7 records     | EARLIEST_EXPIRY |   home of a, b, ... g (full), and of h
 *       i   |    1     | a b c d e f g | their records |                 |
 *           +----------+---------------+---------------+-----------------+
 *     line  | OVERFLOW | h             | its record    | EARLIEST_EXPIRY |   h went past line i, which counts it. A search for h
 *      i+1  |    0     |               | 0 0 0 0 0 0   |                 |   reads this line too. A search for a hash with home
 *           +----------+---------------+---------------+-----------------+   i+1 ends here
 *
 *   word              meaning, who may write it, and when
 *   LOCK              the mutex (shared/sync/mutex.ts)
 *   ENTRIES           entries in the index. Written under the lock; read as a hint
 *   GROWTHS           how often the index has doubled. Written under the lock; read as a hint
 *   PREFETCH          no meaning. Any thread writes it at any time, none reads it: see BucketIndex.prefetchForWrite
 *   LockLineWord      written under the lock (shared/sync/lock-profile.ts)
 *   OVERFLOW          how many entries went past this line when they were placed. Written under the lock, read without it
 *   hash              written under the lock, before its record; read without the lock
 *   record            atomic: stored under the lock, loaded without it. 0: the slot is free
 *   EARLIEST_EXPIRY   atomic: see line-expiry.ts
 */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { MAX_BLOCK_BITS } from './line-arena.ts';

export const BucketWord = { LOCK: 0, ENTRIES: 1, GROWTHS: 2, PREFETCH: 3 } as const;
export const BUCKET_WORDS: number = LINE_WORDS;

/** Entries of a line: a hash and a record each, beside OVERFLOW and EARLIEST_EXPIRY. */
export const LINE_ENTRIES: number = (LINE_WORDS - 2) / 2;
export const OVERFLOW = 0;
export const FIRST_HASH: number = OVERFLOW + 1;
export const FIRST_RECORD: number = FIRST_HASH + LINE_ENTRIES;
export const EARLIEST_EXPIRY: number = FIRST_RECORD + LINE_ENTRIES;

/** BucketIndex.findHint uses these offsets as literals. */
if (EARLIEST_EXPIRY !== LINE_WORDS - 1 || LINE_ENTRIES !== 7 || FIRST_HASH !== 1 || FIRST_RECORD !== 8) {
  throw new Error(
    'an index line must be one cache line: an overflow count, 7 hashes, 7 records and an earliest expiry',
  );
}

/** A bucket's first block has two lines: 128 bytes. */
export const MIN_BLOCK_BITS = 1;

/**
 * A bucket grows when its index is three quarters full. At that point 1 entry in 20 is outside its home line, and a
 * search reads 1.05 lines on average. A fuller index makes both figures rise steeply.
 */
export function entriesBeforeGrowth(bits: number): number {
  return ((LINE_ENTRIES << bits) * 3) >> 2;
}

/** The smallest block in which this many entries, and a tenth more, need no growth. Buckets are not equally full. */
export function blockBitsFor(entries: number): number {
  let bits = MIN_BLOCK_BITS;
  while (entriesBeforeGrowth(bits) < Math.ceil(entries * 1.1) && bits < MAX_BLOCK_BITS) {
    bits++;
  }
  return bits;
}

/** Index lines of a table whose buckets have their final size from the start. */
export function indexLinesAtOnce(entries: number, bucketBits: number): number {
  return 2 ** (blockBitsFor(entries / 2 ** bucketBits) + bucketBits) + (1 << 12);
}

/** Index lines to reserve for `entries` entries in the whole table, if each bucket grows as it fills. */
export function indexLinesFor(entries: number, bucketBits: number): number {
  /* After a growth a block is 3/8 full. The blocks before it add up to the same size again. Skewed buckets need more. */
  const full = Math.ceil(entries / (LINE_ENTRIES * 0.375));
  return 2 * Math.ceil(full * 1.25) + (8 << bucketBits) + (1 << 12);
}

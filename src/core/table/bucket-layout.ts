/**
 * The words of a bucket: a directory word, a header, and an index of lines.
 *
 *   directories (side by side, so that all of them stay in the fastest cache of every core)
 *   +------------+------------+-----
 *   | bucket 0   | bucket 1   | ...      the bucket's block of lines: first line << 5 | k (line-arena.ts)
 *   +-----|------+------------+-----     atomic: written under the bucket's lock when it grows, read without
 *         |
 *         |     header (a cache line; only who inserts and removes comes here)
 *         |     +------+---------+---------+------+----------------------------------+
 *         |     | LOCK | ENTRIES | GROWTHS | PREFETCH | profiled process: LockLineWord   |
 *         |     +------+---------+---------+------+----------------------------------+
 *         |
 *         +---> block: 2^k lines of a cache line each. The low k bits of a hash name its home line
 *
 *     word       0          1 . . . . 7   8 . . . . . 14   15
 *           +----------+-------------+-----------------+-----+
 *     line  | OVERFLOW | 7 hashes    | 7 records       | DUE |   home of a, b, ... g (full), and of h
 *       i   |    1     | a b c d e f g | their records |     |
 *           +----------+-------------+-----------------+-----+
 *     line  | OVERFLOW | h           | its record      | DUE |   h went past line i, which counts it: a search for h
 *      i+1  |    0     |             | 0 0 0 0 0 0     |     |   goes on here, one for what hashes to i+1 ends here
 *           +----------+-------------+-----------------+-----+
 *
 *   word            who may write it, and when
 *   LOCK            the mutex (shared/mutex.ts)
 *   ENTRIES         under the lock: entries in the index. Read as a hint
 *   GROWTHS         under the lock: how often the index has doubled. Read as a hint
 *   PREFETCH            anyone at any time; read by nobody: see BucketTable.prefetchForWrite
 *   LockLineWord    under the lock (shared/lock-profile.ts)
 *   OVERFLOW        under the lock: how many entries had to go past this line when they were placed. Read without
 *   hash            under the lock, before its record. Read without
 *   record          atomic: under the lock, read without. 0: the slot is free
 *   DUE             atomic: see line-due.ts
 */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';

export const BucketWord = { LOCK: 0, ENTRIES: 1, GROWTHS: 2, PREFETCH: 3 } as const;
export const BUCKET_WORDS: number = LINE_WORDS;

/** Entries of a line: a hash and a record each, beside the two words OVERFLOW and DUE. */
export const LINE_ENTRIES: number = (LINE_WORDS - 2) / 2;
export const OVERFLOW = 0;
export const FIRST_HASH: number = OVERFLOW + 1;
export const FIRST_RECORD: number = FIRST_HASH + LINE_ENTRIES;
export const EARLIEST_EXPIRY: number = FIRST_RECORD + LINE_ENTRIES;

/** BucketTable.findHint has these as numbers. */
if (EARLIEST_EXPIRY !== LINE_WORDS - 1 || LINE_ENTRIES !== 7 || FIRST_HASH !== 1 || FIRST_RECORD !== 8) {
  throw new Error('a line of the index is one cache line: an overflow count, 7 hashes, 7 records and a due time');
}

/** Blocks start with two lines: 128 bytes a bucket. */
export const MIN_BLOCK_BITS = 1;

/**
 * A bucket grows when its index is three quarters full. Then 1 entry of 20 does not stand in its home line, and a
 * search looks at 1.05 lines on average; beyond, both rise steeply.
 */
export function entriesBeforeGrowth(bits: number): number {
  return ((LINE_ENTRIES << bits) * 3) >> 2;
}

/** Index lines to reserve for `entries` entries in all. */
export function indexLinesFor(entries: number, bucketBits: number): number {
  /* Just grown, a block is 3/8 full; the blocks grown out of add up to as much again; skewed buckets more. */
  const full = Math.ceil(entries / (LINE_ENTRIES * 0.375));
  return 2 * Math.ceil(full * 1.25) + (8 << bucketBits) + (1 << 12);
}

/** Figures of a bucket, for display and benchmarks. They are read without a lock, so they are hints. */

import { peek } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { LockLineWord, WAIT_HIGH_SHIFT } from '../../shared/sync/lock-profile.ts';
import { BucketWord, FIRST_HASH, FIRST_RECORD, LINE_ENTRIES } from './bucket-layout.ts';
import type { BucketTable } from './bucket-table.ts';
import { blockBits, blockWord } from './line-arena.ts';

/** A bucket's figures at one moment. */
export interface BucketFigures {
  bucket: number;
  /** Keys in its index: one per connection, two where NAT made the reverse key hash elsewhere. */
  entries: number;
  /** Lines of its index, with 7 entries each. */
  lines: number;
  /** Entries outside their home line. */
  displaced: number;
  /** How often the index has doubled. */
  growths: number;
}

export function bucketFigures(table: BucketTable, bucket: number): BucketFigures {
  const { words } = table;
  const block = table.blockOfBucket(bucket);
  const mask = (1 << blockBits(block)) - 1;
  let displaced = 0;
  for (let index = 0; index <= mask; index++) {
    const line = blockWord(block) + index * LINE_WORDS;
    for (let entry = 0; entry < LINE_ENTRIES; entry++) {
      const isTaken = peek(words, line + FIRST_RECORD + entry) !== 0;
      displaced += isTaken && (peek(words, line + FIRST_HASH + entry) & mask) !== index ? 1 : 0;
    }
  }
  const growths = peek(words, table.headerOf(bucket) + BucketWord.GROWTHS);
  return { bucket, entries: table.entriesIn(bucket), lines: mask + 1, displaced, growths };
}

/** In a profiled process: how often threads took and awaited a bucket's lock, and how long they waited in all. */
export function contentionOf(
  table: BucketTable,
  bucket: number,
): { acquisitions: number; contended: number; waitNs: number } {
  const header = table.headerOf(bucket);
  const { words } = table;
  return {
    acquisitions: peek(words, header + LockLineWord.ACQUISITIONS) >>> 0,
    contended: peek(words, header + LockLineWord.CONTENDED) >>> 0,
    waitNs:
      peek(words, header + LockLineWord.WAIT_HIGH) * 2 ** WAIT_HIGH_SHIFT + peek(words, header + LockLineWord.WAIT_LOW),
  };
}

/** Checks that the index of a bucket is consistent. For checked processes and tests. */

import { CHECKED } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { BucketWord, FIRST_HASH, FIRST_RECORD, LINE_ENTRIES, OVERFLOW } from './bucket-layout.ts';
import type { BucketTable } from './bucket-table.ts';
import { ConnWord, UNIT_SHIFT } from './conn.ts';
import { blockBits, blockWord } from './line-arena.ts';

/** In a checked process: throws unless the index of a locked bucket is consistent. */
export function assertConsistentLocked(table: BucketTable, bucket: number): void {
  if (!CHECKED) {
    return;
  }
  const { words } = table;
  const block = table.blockLocked(bucket);
  const mask = (1 << blockBits(block)) - 1;
  const first = blockWord(block);
  const passed = new Int32Array(mask + 1);
  let entries = 0;
  for (let index = 0; index <= mask; index++) {
    const line = first + index * LINE_WORDS;
    for (let entry = 0; entry < LINE_ENTRIES; entry++) {
      const record = words[line + FIRST_RECORD + entry]!;
      if (record === 0) {
        continue;
      }
      entries++;
      const hash = words[line + FIRST_HASH + entry]!;
      const owner = table.bucketOf(hash, words, (record << UNIT_SHIFT) + ConnWord.META);
      if (owner !== bucket) {
        throw new Error(`bucket ${bucket}: it holds an entry of bucket ${owner}`);
      }
      for (let at = hash & mask; at !== index; at = (at + 1) & mask) {
        passed[at]!++;
      }
    }
  }
  const counted = words[table.headerOf(bucket) + BucketWord.ENTRIES];
  if (entries !== counted) {
    throw new Error(`bucket ${bucket}: it holds ${entries} entries, its header counts ${counted}`);
  }
  for (let index = 0; index <= mask; index++) {
    const overflow = words[first + index * LINE_WORDS + OVERFLOW];
    if (overflow !== passed[index]) {
      throw new Error(
        `bucket ${bucket}, line ${index}: overflow count ${overflow}, but ${passed[index]} entries went past it`,
      );
    }
  }
}

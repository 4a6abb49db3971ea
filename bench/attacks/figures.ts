/** What a table holds, and the longest search in it. Read from its memory while no thread works on it. */

import { ENTRY_WORDS } from '../../src/core/alg/expectation-layout.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import {
  CHUNK_WORDS,
  FRAGMENT_WORDS,
  FragmentsWord,
  LIST_HEADS,
  LIST_WORDS,
  listAt,
  ListWord,
} from '../../src/core/fragments/region.ts';
import { BucketTable } from '../../src/core/table/bucket-table.ts';
import { UNIT_WORDS } from '../../src/core/table/conn.ts';

export interface Figures {
  connections: number;
  expectations: number;
  /** Fragments that the table holds now. */
  fragments: number;
  /** Memory that was handed out at any time, and is therefore committed, bytes. */
  recordBytes: number;
  lineBytes: number;
  fragmentBytes: number;
  expectationBytes: number;
  /** Resident memory of the process. */
  residentBytes: number;
  /** Index lines that the longest search reads: the search for an absent key that passes all overflowed entries. */
  longestSearch: number;
  /** Datagrams in the longest chain of the fragments' hash table. */
  longestFragmentChain: number;
  /** Entries in the fullest bucket, and in a bucket on average. */
  fullestBucket: number;
  meanBucket: number;
}

/** The longest run of lines that overflowed, plus the line after it. Never more than the lines of a bucket. */
function longestSearch(conntrack: Conntrack): number {
  const { table, words } = conntrack.tracker;
  let longest = 1;
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const block = table.blockOfBucket(bucket);
    const lines = BucketTable.linesOf(block);
    let row = 0;
    /* Go round twice, since a run may continue from the last line to the first. */
    for (let index = 0; index < 2 * lines && row < lines; index++) {
      /* The first word of a line counts the entries that overflowed it (table/bucket-table.ts). */
      row = words[BucketTable.lineOf(block, index & (lines - 1))] === 0 ? 0 : row + 1;
      longest = Math.max(longest, Math.min(row + 1, lines));
    }
  }
  return longest;
}

function longestFragmentChain(words: Int32Array): number {
  let longest = 0;
  for (let head = 0; head < LIST_HEADS; head++) {
    let length = 0;
    for (let list = words[FragmentsWord.HEADS + head]!; list !== 0; list = words[listAt(list) + ListWord.NEXT]!) {
      length++;
    }
    longest = Math.max(longest, length);
  }
  return longest;
}

export function figuresOf(conntrack: Conntrack): Figures {
  const { tracker, memory } = conntrack;
  const { fragments } = memory;
  const entries = Array.from({ length: tracker.table.bucketCount }, (_, bucket) => tracker.table.entriesIn(bucket));
  return {
    connections: conntrack.connCount,
    expectations: tracker.alg.expectations.used,
    fragments: fragments[FragmentsWord.HELD]!,
    recordBytes: tracker.slab.unitsTaken * UNIT_WORDS * 4,
    lineBytes: tracker.arena.linesTaken * LINE_WORDS * 4,
    fragmentBytes:
      (fragments[FragmentsWord.NEXT_CHUNK]! * CHUNK_WORDS +
        fragments[FragmentsWord.NEXT_FRAGMENT]! * FRAGMENT_WORDS +
        fragments[FragmentsWord.NEXT_LIST]! * LIST_WORDS) *
      4,
    expectationBytes: tracker.alg.expectations.mostUsed * ENTRY_WORDS * 4,
    residentBytes: process.memoryUsage.rss(),
    longestSearch: longestSearch(conntrack),
    longestFragmentChain: longestFragmentChain(fragments),
    fullestBucket: Math.max(...entries),
    meanBucket: entries.reduce((sum, count) => sum + count, 0) / entries.length,
  };
}

/** The books of a table: what must add up when no thread is at work. */

import { expect } from 'vitest';
import { hashParsed } from '../../src/core/execute.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/dump.ts';
import { findConn } from '../../src/core/lookup.ts';
import { parseTuple } from '../../src/core/tuple.ts';
import { BucketTable } from '../../src/core/table/bucket-table.ts';
import { ConnFlag, ConnWord, LIFE_FLAGS, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { dumpAll } from './tracking.ts';

/** How often each record stands in the index; fails the test where the index disagrees with its counts or the records. */
function entriesByRecord(ct: Conntrack): Map<number, number> {
  const { table, words } = ct.tracker;
  const entries = new Map<number, number>();
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const block = table.blockOfBucket(bucket);
    let inBucket = 0;
    for (let n = 0; n < BucketTable.slotsOf(block); n++) {
      const slot = BucketTable.slotInBlock(block, n);
      const record = table.recordAt(slot);
      if (record === 0) {
        continue;
      }
      inBucket++;
      const r = record << UNIT_SHIFT;
      const hash = table.hashAt(slot);
      expect(table.bucketOf(hash)).toBe(bucket);
      const isTwice = (words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
      expect(isTwice ? [words[r + ConnWord.HASH], words[r + ConnWord.REV_HASH]] : [words[r + ConnWord.HASH]]).toContain(
        hash,
      );
      entries.set(record, (entries.get(record) ?? 0) + 1);
    }
    expect(table.entriesIn(bucket)).toBe(inBucket);
  }
  return entries;
}

/** Fails the test unless created = live + removed, every connection stands once, and is found by both directions. */
export function expectBalancedBooks(ct: Conntrack, nowMs: number): void {
  const { tracker } = ct;
  let live = 0;
  tracker.enter();
  const entries = entriesByRecord(ct);
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record, r) => {
      live++;
      expect(tracker.words[r + ConnWord.LOCK]).toBe(0);
      expect(entries.get(record)).toBe((tracker.words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0 ? 2 : 1);
    });
  }
  tracker.leave();
  expect(entries.size).toBe(live);
  expect(ct.connCount).toBe(live);
  const { created, expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = ct.counters();
  expect(created).toBe(live + expiredAtLookup + expiredAtSweep + killed + flushed + evicted);

  const dumped = dumpAll(ct, nowMs);
  const keys = dumped.flatMap((entry) => [
    JSON.stringify([entry.zone, entry.orig]),
    JSON.stringify([entry.zone, entry.reply]),
  ]);
  expect(new Set(keys).size).toBe(keys.length);
  tracker.enter();
  for (const entry of dumped) {
    for (const [reply, tuple] of [entry.orig, entry.reply].entries()) {
      parseTuple(tuple, entry.zone, tracker.parsed, 0);
      hashParsed(tracker, 0);
      const match = findConn(tracker, 0, nowMs | 0);
      expect(match & 1).toBe(reply);
      expect(tracker.words[((match >>> 1) << UNIT_SHIFT) + ConnWord.LIFE]! & LIFE_FLAGS).toBe(0);
    }
  }
  tracker.leave();
}

/** The books of a table: what must add up when no thread is at work. */

import { expect } from 'vitest';
import { hashParsed } from '../../src/core/execute.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/dump.ts';
import { findConn } from '../../src/core/lookup.ts';
import { parseTuple } from '../../src/core/tuple.ts';
import { LIFE_FLAGS, ConnWord } from '../../src/core/table/conn.ts';
import { dumpAll } from './tracking.ts';

/** Fails the test unless created = live + removed, every connection stands once, and is found by both directions. */
export function expectBalancedBooks(ct: Conntrack, nowMs: number): void {
  const { tracker } = ct;
  let live = 0;
  tracker.enter();
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    let inBucket = 0;
    visitBucket(tracker, bucket, (_record, r) => {
      inBucket++;
      expect(tracker.words[r + ConnWord.LOCK]).toBe(0);
    });
    expect(tracker.table.entriesIn(bucket)).toBe(inBucket);
    live += inBucket;
  }
  tracker.leave();
  expect(ct.connCount).toBe(live);
  const { created, expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = ct.counters();
  expect(created).toBe(live + expiredAtLookup + expiredAtSweep + killed + flushed + evicted);

  const entries = dumpAll(ct, nowMs);
  const keys = entries.flatMap((entry) => [
    JSON.stringify([entry.zone, entry.orig]),
    JSON.stringify([entry.zone, entry.reply]),
  ]);
  expect(new Set(keys).size).toBe(keys.length);
  tracker.enter();
  for (const entry of entries) {
    for (const [reply, tuple] of [entry.orig, entry.reply].entries()) {
      parseTuple(tuple, entry.zone, tracker.parsed, 0);
      hashParsed(tracker, 0);
      const match = findConn(tracker, 0, nowMs | 0);
      expect(match & 1).toBe(reply);
      expect(tracker.words[((match >>> 1) << 5) + ConnWord.LIFE]! & LIFE_FLAGS).toBe(0);
    }
  }
  tracker.leave();
}

/**
 * The sweep: a walk over all buckets that removes what is dead or expired.
 *
 * It reads without locks and takes a bucket's lock only for the removal of one connection, so that nobody ever waits
 * for the walk. A cursor remembers where it stopped; the walk goes in steps of limited time, each inside one epoch.
 */

import { peek } from '../shared/access.ts';
import { Counter } from './counters.ts';
import { collectBaseline } from './engines/baseline.ts';
import { collectScale, SCALE_STEPS } from './engines/ct-scale.ts';
import { Engine } from './engines/engine.ts';
import { LISTS } from './engines/lists.ts';
import { isStale } from './lookup.ts';
import { removeConn } from './remove.ts';
import { BucketTable } from './table/bucket-table.ts';
import { UNIT_SHIFT } from './table/conn.ts';
import type { Tracker } from './tracker.ts';

/** Slots looked at between two looks at the clock: about 5 us when nothing has expired. */
const SLOTS_PER_LOOK = 256;

/** Where a sweep stands. */
export class SweepCursor {
  bucket = 0;
  /** Block that the slot number belongs to; if the bucket has another by now, it is walked anew. */
  block = 0;
  slot = 0;
  /** Of the engines with lists: the step in turn. */
  step = 0;
}

/**
 * Walks on from the cursor for about `budgetMs`, inside an epoch that the caller has entered.
 * @param now low 32 bits of the clock (tellTime)
 * @returns true when it came to the end of the table; the cursor then stands at the beginning again
 */
export function sweepStep(tracker: Tracker, cursor: SweepCursor, now: number, budgetMs: number): boolean {
  if (tracker.engine !== Engine.BUCKET) {
    return sweepLists(tracker, cursor, now, budgetMs);
  }
  const { table } = tracker;
  const end = performance.now() + budgetMs;
  for (;;) {
    const block = table.blockOfBucket(cursor.bucket);
    if (block !== cursor.block) {
      cursor.block = block;
      cursor.slot = 0;
    }
    const slots = BucketTable.slotsOf(block);
    while (cursor.slot < slots) {
      const upTo = Math.min(slots, cursor.slot + SLOTS_PER_LOOK);
      sweepSlots(tracker, block, cursor.slot, upTo, now);
      cursor.slot = upTo;
      if (performance.now() >= end && upTo < slots) {
        return false;
      }
    }
    cursor.bucket++;
    cursor.block = 0;
    if (cursor.bucket === table.bucketCount) {
      cursor.bucket = 0;
      tracker.counters[Counter.sweepRounds]!++;
      return true;
    }
    if (performance.now() >= end) {
      return false;
    }
  }
}

function sweepSlots(tracker: Tracker, block: number, from: number, to: number, now: number): void {
  const { table, words: records } = tracker;
  let visited = 0;
  for (let n = from; n < to; n++) {
    const slot = BucketTable.slotInBlock(block, n);
    if (peek(records, slot) === 0) {
      continue;
    }
    const record = table.recordAt(slot);
    if (record === 0) {
      continue;
    }
    visited++;
    if (isStale(records, record << UNIT_SHIFT, now)) {
      removeConn(tracker, record, Counter.expiredAtSweep);
    }
  }
  tracker.counters[Counter.sweepVisited]! += visited;
}

/** The sweep of an engine with lists: it looks at the first of each, and goes on while these are stale. */
function sweepLists(tracker: Tracker, cursor: SweepCursor, now: number, budgetMs: number): boolean {
  const end = performance.now() + budgetMs;
  const isScale = tracker.engine === Engine.SCALE;
  const steps = isScale ? SCALE_STEPS : LISTS;
  while (cursor.step < steps) {
    const found = isScale ? collectScale(tracker, cursor.step, now) : collectBaseline(tracker, cursor.step, now);
    let removed = 0;
    for (let i = 0; i < found; i++) {
      removed += removeConn(tracker, tracker.sweepFound[i]!, Counter.expiredAtSweep) ? 1 : 0;
    }
    tracker.counters[Counter.sweepVisited]! += Math.max(0, found);
    /* Of baseline's lists others may be removing what was found: not to be waited for. */
    if (found < 0 || (!isScale && removed === 0)) {
      cursor.step++;
    }
    if (performance.now() >= end && cursor.step < steps) {
      return false;
    }
  }
  cursor.step = 0;
  tracker.counters[Counter.sweepRounds]!++;
  return true;
}

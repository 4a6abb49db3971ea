/**
 * The sweep: a walk over all buckets that removes what is dead or expired.
 *
 * It passes lines of the index of which nothing is due yet (their due word says so), and touches the connections of the others
 * only. It reads without locks and takes a bucket's lock only for the removal of one connection, so that nobody ever waits
 * for the walk. A cursor remembers where it stopped; the walk goes in steps of limited time, each inside one epoch.
 */

import { peek } from '../shared/access.ts';
import { LINE_WORDS } from '../shared/cache-line.ts';
import { Counter } from './counters.ts';
import { collectBaseline } from './engines/baseline.ts';
import { collectScale, SCALE_STEPS } from './engines/ct-scale.ts';
import { Engine } from './engines/engine.ts';
import { EngineIntent, LISTS } from './engines/lists.ts';
import { removeConn } from './remove.ts';
import { LINE_ENTRIES } from './table/bucket-layout.ts';
import { BucketTable } from './table/bucket-table.ts';
import { ConnWord, isExpired, LIFE_FLAGS, UNIT_SHIFT } from './table/conn.ts';
import type { Tracker } from './tracker.ts';

/**
 * Work between two looks at the clock, in what it costs to pass a line that is not due (about 5 ns); to look at one costs
 * more, since its records are likely to miss the cache.
 */
const WORK_PER_LOOK = 512;
const LOOK_COST = 32;
/**
 * A line is looked at again after this time, ms, whatever its connections say: should the clock have run backwards, a mark
 * that belongs to the other time does not last.
 */
const MOST_AHEAD_MS = 30_000;

/** Where a sweep stands. */
export class SweepCursor {
  bucket = 0;
  /** Block that the line's number belongs to; if the bucket has another by now, it is walked anew. */
  block = 0;
  line = 0;
  /** Of the engines with lists: the step in turn. */
  step = 0;
}

/**
 * Walks on from the cursor for about `budgetMs`, inside an epoch that the caller has entered.
 * @param now low 32 bits of the clock (tellTime)
 * @returns true when it came to the end of the table; the cursor then stands at the beginning again
 */
export function sweepStep(tracker: Tracker, cursor: SweepCursor, now: number, budgetMs: number): boolean {
  const end = performance.now() + budgetMs;
  if (tracker.engine !== Engine.BUCKET) {
    return sweepLists(tracker, cursor, now, end);
  }
  const { table } = tracker;
  for (;;) {
    const block = table.blockOfBucket(cursor.bucket);
    if (block !== cursor.block) {
      cursor.block = block;
      cursor.line = 0;
    }
    const lines = BucketTable.linesOf(block);
    while (cursor.line < lines) {
      sweepLines(tracker, cursor, now, lines);
      if (performance.now() >= end && cursor.line < lines) {
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

/** Moves the cursor on in its block, by WORK_PER_LOOK at most. */
function sweepLines(tracker: Tracker, cursor: SweepCursor, now: number, lines: number): void {
  const { table } = tracker;
  const first = BucketTable.lineOf(cursor.block, 0);
  let index = cursor.line;
  for (let work = 0; index < lines && work < WORK_PER_LOOK; work++, index++) {
    const line = first + index * LINE_WORDS;
    if (table.isDue(line, now)) {
      sweepLine(tracker, cursor.bucket, line, BucketTable.firstSlotOf(cursor.block, index), now);
      work += LOOK_COST;
    }
  }
  cursor.line = index;
}

/** Removes what is stale of a line, and notes when to look at it again. */
function sweepLine(tracker: Tracker, bucket: number, line: number, firstSlot: number, now: number): void {
  const { table, words: records, participant } = tracker;
  const token = table.beginLook(bucket, line, participant);
  let left = MOST_AHEAD_MS;
  for (let slot = firstSlot; slot < firstSlot + LINE_ENTRIES; slot++) {
    const record = table.recordAt(slot);
    if (record === 0) {
      continue;
    }
    tracker.counters[Counter.sweepVisited]!++;
    const r = record << UNIT_SHIFT;
    /* Read once: what decides is also what is noted. */
    const expires = peek(records, r + ConnWord.EXPIRES);
    if ((peek(records, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
      removeConn(tracker, record, Counter.expiredAtSweep);
    } else {
      left = Math.min(left, (expires - now) | 0);
    }
  }
  table.endLook(line, token, (now + left) | 0);
}

/** The sweep of an engine with lists: it looks at the first of each, and goes on while these are stale (disorder.ts: or to the end). */
function sweepLists(tracker: Tracker, cursor: SweepCursor, now: number, end: number): boolean {
  const isScale = tracker.engine === Engine.SCALE;
  const steps = isScale ? SCALE_STEPS : LISTS;
  while (cursor.step < steps) {
    const found = isScale ? collectScale(tracker, cursor.step, now) : collectBaseline(tracker, cursor.step, now);
    let removed = 0;
    for (let i = 0; i < found; i++) {
      removed += removeConn(tracker, tracker.sweepFound[i]!, Counter.expiredAtSweep) ? 1 : 0;
    }
    tracker.lists.intents[tracker.lists.intentBase + EngineIntent.SWEEP_LEFT] = 0;
    tracker.counters[Counter.sweepVisited]! += Math.max(0, found);
    /* Of baseline's lists others may be removing what was found: not to be waited for. */
    const { walk } = tracker.lists;
    if (isScale ? found < 0 : walk.isWhole ? walk.next === 0 : removed === 0) {
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

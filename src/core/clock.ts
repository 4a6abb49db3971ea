/**
 * The clock. Callers give the time as milliseconds, any origin; records keep the low 32 bits of their expiry and are
 * compared by signed difference. That is right as long as no entry stays in the table for more than 2^31 ms after
 * its expiry. A full sweep sees to it, and where none has happened for 2^30 ms (12.4 days: sweeping is switched off,
 * or the clock jumped) the first operation that notices walks the table itself and moves the expiry of what has expired to that moment.
 *
 *   CLOCK_MARK    time of the last walk or full sweep: what is in the table expired after it. A 64-bit float,
 *                 changed under CLOCK_MUTEX, read as a hint; NaN before the first operation
 */

import { peek, store } from '../shared/access.ts';
import { LockClass } from '../shared/lockdep.ts';
import { lock, unlock } from '../shared/mutex.ts';
import { rescheduleAsIs } from './engines/ct-scale.ts';
import { Engine } from './engines/engine.ts';
import { SettingWord } from './memory.ts';
import { BucketTable } from './table/bucket-table.ts';
import { ConnWord, UNIT_SHIFT } from './table/conn.ts';
import type { Tracker } from './tracker.ts';

/** Threads must not work at times further apart than this. */
export const WALK_AFTER_MS: number = 2 ** 30;
/** How far clocks of threads may run behind the mark. */
const SKEW_MS = 2 ** 20;

/**
 * Tells the tracker the time; call before an operation, inside an epoch.
 * @returns the low 32 bits that records are compared with
 */
export function tellTime(tracker: Tracker, nowMs: number): number {
  tracker.time[0] = nowMs;
  /* Also true when the mark is NaN. */
  if (!(nowMs - tracker.clock[0]! <= WALK_AFTER_MS)) {
    moveMark(tracker, nowMs);
  }
  return nowMs | 0;
}

function moveMark(tracker: Tracker, nowMs: number): void {
  const { words, settings } = tracker;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf);
  const mark = tracker.clock[0]!;
  if (nowMs - mark > WALK_AFTER_MS) {
    killExpired(tracker, nowMs, mark);
  }
  if (!(nowMs <= mark)) {
    tracker.clock[0] = nowMs;
  }
  unlock(words, settings + SettingWord.CLOCK_MUTEX);
}

/** Has the clock jumped so far past `nowMs` that expiries can no longer be compared with it? */
export function hasJumpedPast(tracker: Tracker, nowMs: number): boolean {
  return tracker.clock[0]! - nowMs > SKEW_MS;
}

/** A full sweep that began at `startedMs` has removed all that had expired then. */
export function sweptAt(tracker: Tracker, startedMs: number): void {
  if (tracker.engine !== Engine.BUCKET) {
    /* A list's order is not so strict that this could be relied on. */
    return;
  }
  const { words, settings } = tracker;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf);
  if (!(startedMs <= tracker.clock[0]!)) {
    tracker.clock[0] = startedMs;
  }
  unlock(words, settings + SettingWord.CLOCK_MUTEX);
}

/** Lets expire at `nowMs` whatever had expired before, its expiry taken as the first such time after the mark. */
function killExpired(tracker: Tracker, nowMs: number, markMs: number): void {
  const { table, words } = tracker;
  const origin = markMs - SKEW_MS;
  const originLow = origin | 0;
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const block = table.blockOfBucket(bucket);
    const slots = BucketTable.slotsOf(block);
    for (let n = 0; n < slots; n++) {
      const slot = BucketTable.slotInBlock(block, n);
      const record = table.recordAt(slot);
      if (record === 0) {
        continue;
      }
      const r = record << UNIT_SHIFT;
      const expiresMs = origin + ((peek(words, r + ConnWord.EXPIRES) - originLow) >>> 0);
      if (nowMs >= expiresMs) {
        store(words, r + ConnWord.EXPIRES, nowMs | 0);
        table.lookAgainAt(slot);
        if (tracker.engine === Engine.SCALE) {
          rescheduleAsIs(tracker, record);
        }
      }
    }
  }
}

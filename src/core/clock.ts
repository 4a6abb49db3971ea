/**
 * The clock. Callers give the time as milliseconds, any origin; records keep the low 32 bits of their expiry and are
 * compared by signed difference. That is right as long as no entry stays in the table for more than 2^31 ms after
 * its expiry. A full sweep sees to it, and where none has happened for 2^30 ms (12.4 days: sweeping is switched off,
 * or the clock jumped) the first operation that notices walks the table itself and moves the expiry of what has expired to that moment.
 *
 * What is no time (NaN, an infinite number, one beyond MOST_MS) is answered with the time that the thread was told last.
 *
 * A clock that is set back takes the mark with it, so that connections from then on do not lie before it.
 *
 *   CLOCK_MARK    time of the last walk or full sweep: what is in the table expired after it, within 2^32 ms. A 64-bit float,
 *                 changed under CLOCK_MUTEX, read as a hint; NaN before the first operation
 */

import { peek, store } from '../shared/access.ts';
import { LockSite } from '../shared/lock-sites.ts';
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
/** How far clocks of threads may run behind the mark: 17.5 minutes. Whose is further behind was set back. */
export const SKEW_MS: number = 2 ** 20;
/** Beyond it milliseconds are not whole numbers any more. */
const MOST_MS = 2 ** 53;

/**
 * Tells the tracker the time; call before an operation, inside an epoch.
 * @returns the low 32 bits that records are compared with
 */
export function tellTime(tracker: Tracker, nowMs: number): number {
  const ahead = nowMs - tracker.clock[0]!;
  /* Also where one of the two is NaN, or infinite. */
  if (!(ahead <= WALK_AFTER_MS && ahead >= -SKEW_MS)) {
    return moveMark(tracker, nowMs) | 0;
  }
  tracker.time[0] = nowMs;
  return nowMs | 0;
}

/** @returns low 32 bits of the time */
function moveMark(tracker: Tracker, nowMs: number): number {
  const { words, settings } = tracker;
  if (!(Math.abs(nowMs) <= MOST_MS)) {
    /* Before the first time there is nothing in the table. */
    return tracker.time[0]! | 0;
  }
  tracker.time[0] = nowMs;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf, LockSite.clockMove);
  const mark = tracker.clock[0]!;
  if (nowMs - mark > WALK_AFTER_MS) {
    killExpired(tracker, nowMs, mark);
  }
  const backMs = mark - nowMs;
  /* Set back by more than 12 days it is no clock: what was created in its time may be lost, but not what was there before. */
  if (!(backMs >= 0) || (backMs > SKEW_MS && backMs <= WALK_AFTER_MS)) {
    tracker.clock[0] = nowMs;
  }
  unlock(words, settings + SettingWord.CLOCK_MUTEX);
  return nowMs | 0;
}

/** The clock's mark: NaN before the first operation. */
export function clockMarkMs(tracker: Tracker): number {
  return tracker.clock[0]!;
}

/**
 * Has the clock, since its mark was `markMs`, jumped so far past `nowMs` that expiries can no longer be compared with it? A mark
 * that was ahead before (the clock was set back) says nothing of that.
 */
export function hasJumpedPast(tracker: Tracker, nowMs: number, markMs: number): boolean {
  return tracker.clock[0]! - (markMs > nowMs ? markMs : nowMs) > SKEW_MS;
}

/** A full sweep that began at `startedMs` has removed all that had expired then. */
export function sweptAt(tracker: Tracker, startedMs: number): void {
  if (tracker.engine !== Engine.BUCKET || !(Math.abs(startedMs) <= MOST_MS)) {
    /* A list's order is not so strict that this could be relied on. */
    return;
  }
  const { words, settings } = tracker;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf, LockSite.clockSwept);
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

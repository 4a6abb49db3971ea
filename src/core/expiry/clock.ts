/**
 * The clock. Callers give the time as milliseconds, any origin; records keep the low 32 bits of their expiry and are
 * compared by signed difference. That is right as long as no entry stays in the table for more than 2^31 ms after
 * its expiry. A full sweep sees to it, and where none has happened for 2^30 ms (12.4 days: sweeping is switched off,
 * or the clock jumped) the first operation that notices walks the table itself and moves the expiry of what has expired to that moment.
 *
 * What is no time (NaN, an infinite number, one beyond MOST_MS) is answered with the time that the thread was told last, or if it
 * was told none yet, with the mark.
 *
 * A clock that is set back takes the mark with it, so that connections from then on do not lie before it: at once by up to
 * WALK_AFTER_MS, else by the first full sweep, in which what cannot be told apart from the expired goes. What lives on is what has
 * less left than 2^31 ms less the way back.
 *
 *   CLOCK_MARK    time of the last walk or full sweep: what is in the table expired after it, within 2^32 ms. A 64-bit float,
 *                 changed under CLOCK_MUTEX, read as a hint; NaN before the first operation
 */

import { compareExchange, peek } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, unlock } from '../../shared/sync/mutex.ts';
import { SKEW_MS, WALK_AFTER_MS } from './clock-bounds.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { BucketTable } from '../table/bucket-table.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { ExpiryStrategy } from '../engines/expiry.ts';
import type { TableHandle } from '../memory/table-handle.ts';

/** A table, and the calling thread's clock. */
type Clocked = TableHandle & {
  /** One number: the mark. */
  readonly clock: Float64Array;
  /** One number: what the thread was told last, in ms. */
  readonly time: Float64Array;
  readonly expiry: ExpiryStrategy;
};

/** Beyond it milliseconds are not whole numbers any more. */
const MOST_MS = 2 ** 53;

/**
 * Tells the tracker the time; call before an operation, inside an epoch.
 * @returns the low 32 bits that records are compared with
 */
export function updateClock(tracker: Clocked, nowMs: number): number {
  const ahead = nowMs - tracker.clock[0]!;
  /* Also where one of the two is NaN, or infinite. */
  if (!(ahead <= WALK_AFTER_MS && ahead >= -SKEW_MS)) {
    return moveMark(tracker, nowMs) | 0;
  }
  tracker.time[0] = nowMs;
  return nowMs | 0;
}

/** @returns low 32 bits of the time */
function moveMark(tracker: Clocked, nowMs: number): number {
  const { words, settings } = tracker;
  if (!(Math.abs(nowMs) <= MOST_MS)) {
    const told = tracker.time[0]!;
    /* Before the first time of all there is nothing in the table. */
    return (Number.isNaN(told) ? tracker.clock[0]! : told) | 0;
  }
  tracker.time[0] = nowMs;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf, LockSite.clockMove);
  const mark = tracker.clock[0]!;
  if (nowMs - mark > WALK_AFTER_MS) {
    killExpired(tracker, nowMs, mark);
  }
  const backMs = mark - nowMs;
  /* One operation that is more than 12 days behind is a mistake of its own: what it creates may be lost, but not what is there. */
  if (!(backMs >= 0) || (backMs > SKEW_MS && backMs <= WALK_AFTER_MS)) {
    tracker.clock[0] = nowMs;
  }
  unlock(words, settings + SettingWord.CLOCK_MUTEX);
  return nowMs | 0;
}

/** The clock's mark: NaN before the first operation. */
export function clockMarkMs(tracker: Clocked): number {
  return tracker.clock[0]!;
}

/**
 * Has the clock, since its mark was `markMs`, jumped so far past `nowMs` that expiries can no longer be compared with it? A mark
 * that was ahead before (the clock was set back) says nothing of that.
 */
export function hasJumpedPast(tracker: Clocked, nowMs: number, markMs: number): boolean {
  return tracker.clock[0]! - (markMs > nowMs ? markMs : nowMs) > SKEW_MS;
}

/**
 * A full sweep that began at `startedMs` has removed all that had expired then. If the mark was far ahead of it when it began, and
 * still is, the mark was the mistake.
 * @param markMs the mark when the sweep began
 */
export function sweptAt(tracker: Clocked, startedMs: number, markMs: number): void {
  if (!tracker.expiry.sweepsAll || !(Math.abs(startedMs) <= MOST_MS)) {
    return;
  }
  const { words, settings } = tracker;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf, LockSite.clockSwept);
  const mark = tracker.clock[0]!;
  if (!(startedMs <= mark) || (mark === markMs && mark - startedMs > WALK_AFTER_MS)) {
    tracker.clock[0] = startedMs;
  }
  unlock(words, settings + SettingWord.CLOCK_MUTEX);
}

/** Lets expire at `nowMs` whatever had expired before, its expiry taken as the first such time after the mark. */
function killExpired(tracker: Clocked, nowMs: number, markMs: number): void {
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
      const expires = peek(words, r + ConnWord.EXPIRES);
      const expiresMs = origin + ((expires - originLow) >>> 0);
      /* It may have a packet meanwhile, of a thread whose clock is a little behind. */
      if (nowMs >= expiresMs && compareExchange(words, r + ConnWord.EXPIRES, expires, nowMs | 0) === expires) {
        tracker.expiry.expiredAtJump(record, slot);
      }
    }
  }
}

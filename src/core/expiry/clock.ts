/**
 * The clock. Callers give the time in milliseconds of any origin. A record keeps the low 32 bits of its expiry, and expiries are
 * compared by signed difference. The comparison is right while no entry stays in the table for more than 2^31 ms after its expiry.
 *
 * Full sweeps make sure of that. If none has run for 2^30 ms (12.4 days: no sweeper, or the clock jumped forward), the first
 * operation that notices walks the table. It sets the expiry of every expired connection to the present time.
 *
 * A time that is not valid (NaN, infinite, beyond MAX_MS) is replaced by the thread's last valid time. A thread without one uses the
 * mark.
 *
 * If the clock is set back, the mark must follow, or new connections would expire before the mark. A step of up to WALK_AFTER_MS
 * moves the mark at once. A larger step moves it at the end of the first full sweep. That sweep also removes every connection whose
 * expiry cannot be lastMs from an expired one; a connection survives if its remaining time is below 2^31 ms minus the step.
 *
 *   CLOCK_MARK    time of the last walk or full sweep: every entry of the table expires within 2^32 ms after it. A 64-bit float,
 *                 written under CLOCK_MUTEX, read as a hint; NaN before the first operation
 */

import { compareExchange, peek } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, unlock } from '../../shared/sync/mutex.ts';
import { SKEW_MS, WALK_AFTER_MS } from './clock-bounds.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { ExpiryStrategy } from '../engines/expiry.ts';
import type { TableHandle } from '../memory/table-handle.ts';

/** A table, and the calling thread's clock. */
type Clocked = TableHandle & {
  /** One number: the mark. */
  readonly clock: Float64Array;
  /** One number: the thread's last valid time, in ms. */
  readonly time: Float64Array;
  readonly expiry: ExpiryStrategy;
};

/** Above this, a float cannot hold every whole millisecond. */
const MAX_MS = 2 ** 53;

/**
 * Updates the tracker's clock. Call it before an operation, inside an epoch.
 * @returns the low 32 bits, to compare with expiries
 */
export function updateClock(tracker: Clocked, nowMs: number): number {
  const ahead = nowMs - tracker.clock[0]!;
  /* Written so that it is also true if one of the two is NaN or infinite. */
  if (!(ahead <= WALK_AFTER_MS && ahead >= -SKEW_MS)) {
    return moveMark(tracker, nowMs) | 0;
  }
  tracker.time[0] = nowMs;
  return nowMs | 0;
}

/** @returns low 32 bits of the time */
function moveMark(tracker: Clocked, nowMs: number): number {
  const { words, settings } = tracker;
  if (!(Math.abs(nowMs) <= MAX_MS)) {
    const lastMs = tracker.time[0]!;
    /* Before the first time the table is empty. */
    return (Number.isNaN(lastMs) ? tracker.clock[0]! : lastMs) | 0;
  }
  tracker.time[0] = nowMs;
  lock(words, settings + SettingWord.CLOCK_MUTEX, tracker.participant, LockClass.leaf, LockSite.clockMove);
  const mark = tracker.clock[0]!;
  if (nowMs - mark > WALK_AFTER_MS) {
    killExpired(tracker, nowMs, mark);
  }
  const backMs = mark - nowMs;
  /* A single time that is more than 12 days behind is a mistake of its caller. It may lose the connections that it
   * creates, but not the others. */
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
 * Has the clock jumped so far past `nowMs`, since its mark was `markMs`, that expiries can no longer be compared with
 * `nowMs`? A mark that was ahead before (the clock was set back) does not count as a jump.
 */
export function hasJumpedPast(tracker: Clocked, nowMs: number, markMs: number): boolean {
  return tracker.clock[0]! - (markMs > nowMs ? markMs : nowMs) > SKEW_MS;
}

/**
 * A full sweep that began at `startedMs` has removed everything that had expired then. If the mark was far ahead when
 * the sweep began, and still is, the mark was wrong and moves back.
 */
export function sweptAt(tracker: Clocked, startedMs: number, markMs: number): void {
  if (!tracker.expiry.sweepsAll || !(Math.abs(startedMs) <= MAX_MS)) {
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

/**
 * Sets the expiry of every expired connection to `nowMs`. The full time of an expiry is taken as the first match after
 * the mark.
 */
function killExpired(tracker: Clocked, nowMs: number, markMs: number): void {
  const { table, words } = tracker;
  const origin = markMs - SKEW_MS;
  const originLow = origin | 0;
  for (let bucket = 0; bucket < table.bucketCount; bucket = table.nextUsed(bucket + 1)) {
    table.visitSlots(bucket, (record, slot) => {
      const r = record << UNIT_SHIFT;
      const expires = peek(words, r + ConnWord.EXPIRES);
      const expiresMs = origin + ((expires - originLow) >>> 0);
      /* A packet may refresh the connection meanwhile: its thread's clock may be a little behind. */
      if (nowMs >= expiresMs && compareExchange(words, r + ConnWord.EXPIRES, expires, nowMs | 0) === expires) {
        tracker.expiry.expiredAtJump(record, slot);
      }
    });
  }
}

/**
 * The times at which connections expire, for a replay that advances time in steps. A sweep between two of these times
 * finds nothing.
 */

import { peek } from '../../shared/access.ts';
import { ConnWord, LIFE_FLAGS, UNIT_SHIFT } from '../table/conn.ts';
import type { TableHandle } from '../memory/table-handle.ts';

export interface ExpiryTimesOptions {
  /** The first time, ms. Connections that have expired before it count for it. */
  fromMs: number;
  /** The last. */
  untilMs: number;
  /** Distance between times, ms. An expiry between two times counts for the later one. */
  stepMs: number;
}

/**
 * The times, in order, at which a sweep would find an expired connection. The calling thread must be attached to the
 * table.
 */
export function expiryTimes(tracker: TableHandle, options: ExpiryTimesOptions): number[] {
  const times = new Set<number>();
  const { table } = tracker;
  for (let bucket = 0; bucket < table.bucketCount; bucket = table.nextUsed(bucket + 1)) {
    tracker.enter();
    addOfBucket(tracker, bucket, options, times);
    tracker.quiesce();
    tracker.leave();
  }
  return [...times].toSorted((a, b) => a - b);
}

function addOfBucket(tracker: TableHandle, bucket: number, options: ExpiryTimesOptions, times: Set<number>): void {
  const { table, words } = tracker;
  const { fromMs, untilMs, stepMs } = options;
  table.visitSlots(bucket, (record) => {
    const r = record << UNIT_SHIFT;
    const isKilled = (peek(words, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0;
    const leftMs = isKilled ? 0 : Math.max(0, (peek(words, r + ConnWord.EXPIRES) - (fromMs | 0)) | 0);
    const timeMs = fromMs + Math.ceil(leftMs / stepMs) * stepMs;
    if (timeMs <= untilMs) {
      times.add(timeMs);
    }
  });
}

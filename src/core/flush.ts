/** Removal of connections from outside. For threads other than PMDs. */

import { Counter } from './counters.ts';
import { visitBucket } from './dump.ts';
import { hashParsed } from './execute.ts';
import { findConn } from './lookup.ts';
import { metaZone } from './packet/key.ts';
import { removeConn } from './remove.ts';
import { ConnWord } from './table/conn.ts';
import type { Tracker } from './tracker.ts';
import { parseTuple, type Tuple } from './tuple.ts';

/** Removes the connections of a bucket, of all zones or one. Inside an epoch. @returns how many */
export function flushBucket(tracker: Tracker, bucket: number, zone: number | undefined): number {
  let removed = 0;
  visitBucket(tracker, bucket, (record, r) => {
    if (zone === undefined || metaZone(tracker.words[r + ConnWord.META]!) === zone) {
      removed += removeConn(tracker, record, Counter.flushed) ? 1 : 0;
    }
  });
  return removed;
}

/**
 * Removes the unexpired connection that has this tuple in either direction. Inside an epoch; uses the scratch memory
 * of the first packet of a batch.
 * @returns whether there was one
 */
export function flushTuple(tracker: Tracker, tuple: Tuple, zone: number, now: number): boolean {
  if (!parseTuple(tuple, zone, tracker.parsed, 0)) {
    return false;
  }
  hashParsed(tracker, 0);
  const match = findConn(tracker, 0, now);
  return match !== 0 && removeConn(tracker, match >>> 1, Counter.flushed);
}

/** Removes connections on request. Not for PMDs. */

import { Counter } from '../counters.ts';
import { hashParsed } from '../path/key-hash.ts';
import type { ConnFilter } from '../inspect/filter.ts';
import { findConn } from '../path/lookup.ts';
import type { TableWalk } from '../inspect/table-walk.ts';
import { removeConn } from './remove.ts';
import type { Tracker } from '../tracker.ts';
import { parseTuple, type Tuple } from '../inspect/tuple.ts';

/**
 * Removes the connections of the next piece of a walk, or those that match a filter. Called inside an epoch.
 * @returns how many
 */
export function flushPiece(tracker: Tracker, walk: TableWalk, filter: ConnFilter | undefined): number {
  let removed = 0;
  walk.visitPiece((record, r) => {
    if (filter === undefined || filter.matches(tracker.words, r)) {
      removed += removeConn(tracker, record, Counter.flushed) ? 1 : 0;
    }
  });
  return removed;
}

/**
 * Removes the unexpired connection that has this tuple in either direction. Called inside an epoch; overwrites the
 * scratch memory of a batch's first packet.
 * @returns whether there was one
 */
export function flushTuple(tracker: Tracker, tuple: Tuple, zone: number, now: number): boolean {
  if (!parseTuple(tuple, zone, tracker.scratch.parsed, 0)) {
    return false;
  }
  hashParsed(tracker.keys, tracker.scratch.parsed, 0);
  const match = findConn(tracker, 0, now);
  return match !== 0 && removeConn(tracker, match >>> 1, Counter.flushed);
}

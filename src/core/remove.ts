/**
 * The end of a connection: killed by setting a flag, removed by whoever turns `cleaned` from 0 to 1.
 */

import { CHECKED, or } from '../shared/access.ts';
import { LockSite } from '../shared/lock-sites.ts';
import { clearIntent, declareLinkIntent, IntentKind } from '../shared/participant.ts';
import { cleanExpectations } from './alg/clean.ts';
import { assertReference } from './checks.ts';
import { Counter } from './counters.ts';
import { listFirst } from './engines/baseline.ts';
import { rescheduleAsIs } from './engines/ct-scale.ts';
import { Engine } from './engines/engine.ts';
import { announceDestroy, wantsEvents } from './events.ts';
import {
  ConnFlag,
  ConnWord,
  LIFE_CLEANED,
  LIFE_DEAD,
  LIFE_FLAGS,
  LIFE_SUPERSEDED,
  recordClassOf,
  UNIT_SHIFT,
} from './table/conn.ts';
import type { Tracker } from './tracker.ts';

/**
 * Kills a connection: from now on no search finds it. With reclaim at lookup it is removed at once, else it occupies
 * its place until the sweeper comes by.
 */
export function killConn(tracker: Tracker, record: number): void {
  if (CHECKED) {
    assertReference(tracker, record);
  }
  const before = or(tracker.words, (record << UNIT_SHIFT) + ConnWord.LIFE, LIFE_DEAD);
  if ((before & LIFE_FLAGS) !== 0) {
    return;
  }
  if (tracker.reclaimsAtLookup) {
    removeConn(tracker, record, Counter.killed);
  } else if (tracker.engine === Engine.BASELINE) {
    listFirst(tracker, record);
  } else if (tracker.engine === Engine.SCALE) {
    rescheduleAsIs(tracker, record);
  } else {
    tracker.table.lookAgain(tracker.words[(record << UNIT_SHIFT) + ConnWord.HASH]!, record);
  }
}

/**
 * Removes a connection, unless somebody else is doing so: sets `cleaned`, unlinks it from its one or two buckets,
 * gives its room back, and retires the record. The record was found in this epoch; the caller holds no lock.
 * @param reason the counter of removals to count it in
 * @returns whether the caller was the one to remove it
 */
export function removeConn(tracker: Tracker, record: number, reason: number): boolean {
  if (!takeOut(tracker, record, reason)) {
    return false;
  }
  tracker.rooms.giveBack(tracker.room, 0, tracker.participant);
  return true;
}

/** As removeConn, but the connection's unit of the table's room is the caller's now, to use or to give back. */
export function takeOut(tracker: Tracker, record: number, reason: number): boolean {
  const { words: records, participant, table } = tracker;
  const r = record << UNIT_SHIFT;
  if (CHECKED) {
    assertReference(tracker, record);
  }
  const life = or(records, r + ConnWord.LIFE, LIFE_CLEANED);
  if ((life & LIFE_CLEANED) !== 0) {
    return false;
  }
  const isKilled =
    (life & (LIFE_DEAD | LIFE_SUPERSEDED)) === LIFE_DEAD &&
    (reason === Counter.expiredAtLookup || reason === Counter.expiredAtSweep);
  const counter = isKilled ? Counter.killed : reason;
  if (wantsEvents(tracker)) {
    announceDestroy(tracker, record, counter);
  }
  const hash = records[r + ConnWord.HASH]!;
  const hasTwoEntries = (records[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
  const reverseHash = hasTwoEntries ? records[r + ConnWord.REV_HASH]! : hash;
  const bucket = table.bucketOf(hash);
  const reverseBucket = table.bucketOf(reverseHash);
  table.lockBuckets(bucket, reverseBucket, participant, LockSite.remove);
  declareLinkIntent(participant, IntentKind.unlink, bucket, reverseBucket, record);
  table.unlinkLocked(bucket, hash, record);
  if (hasTwoEntries) {
    table.unlinkLocked(reverseBucket, reverseHash, record);
  }
  if (tracker.engine === Engine.BASELINE) {
    tracker.lists.removeLocked(record);
  }
  clearIntent(participant);
  table.unlockBuckets(bucket, reverseBucket);

  /* Counted before the room is free: whoever sees the one sees the other. */
  tracker.counters[counter]!++;
  giveZoneBack(tracker, records[r + ConnWord.ADMIT_POOL]!, records[r + ConnWord.ADMIT_GENERATION]!);
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.HELPER) !== 0) {
    cleanExpectations(tracker, record);
  }
  tracker.slab.retire(participant, recordClassOf(records, r), record, tracker.epochs.current());
  return true;
}

/** Removes what searches under a lock have met (findConnLocked); the caller holds no lock any more. */
export function removeStale(tracker: Tracker): void {
  const count = tracker.staleCount;
  tracker.staleCount = 0;
  for (let i = 0; i < count; i++) {
    removeConn(tracker, tracker.stale[i]!, Counter.expiredAtLookup);
  }
}

/** Gives back what a connection was admitted with: a unit of its zone's room, if that is limited. */
export function giveZoneBack(tracker: Tracker, zonePool: number, zoneGeneration: number): void {
  if (zonePool !== 0) {
    tracker.zoneLimits.pools.giveBack(zonePool, zoneGeneration, tracker.participant);
  }
}

/** Gives back a connection's room in the zone and in the table. */
export function giveRoomBack(tracker: Tracker, zonePool: number, zoneGeneration: number): void {
  giveZoneBack(tracker, zonePool, zoneGeneration);
  tracker.rooms.giveBack(tracker.room, 0, tracker.participant);
}

/** Ends a connection. Killing it sets a flag. The thread that turns `cleaned` from 0 to 1 removes it. */

import { NoteWord } from '../packet/batch-scratch.ts';
import { CHECKED, or, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { EventIntent, CreditWord, IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { cleanExpectations } from '../alg/clean.ts';
import { assertReference } from '../table/reference-checks.ts';
import { Counter } from '../counters.ts';
import { emitDestroy, wantsEvents } from '../events/events.ts';
import {
  ConnFlag,
  ConnWord,
  LIFE_CLEANED,
  LIFE_DEAD,
  LIFE_FLAGS,
  LIFE_SUPERSEDED,
  recordClassOf,
  UNIT_SHIFT,
} from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/** A constant of this module, so that V8 folds it. */
const IS_CHECKED: boolean = CHECKED;

/**
 * Kills a connection: from now on no search finds it. With reclaim at lookup it is removed at once. Otherwise it stays
 * in the index until the sweeper removes it.
 */
export function killConn(tracker: Tracker, record: number): void {
  if (IS_CHECKED) {
    assertReference(tracker.checks, record);
  }
  const before = or(tracker.words, (record << UNIT_SHIFT) + ConnWord.LIFE, LIFE_DEAD);
  if ((before & LIFE_FLAGS) !== 0) {
    return;
  }
  if (tracker.reclaimsAtLookup) {
    removeConn(tracker, record, Counter.killed);
  } else {
    tracker.expiry.killed(record);
  }
}

/**
 * Removes a connection, unless another thread is removing it. Sets `cleaned`, unlinks the record from its one or two
 * buckets, releases its quota, unlists it in its zone, and retires the record. The caller found the record in this epoch and holds no lock.
 * @param reason the counter of removals to count it in
 * @returns false: another thread removes it
 */
export function removeConn(tracker: Tracker, record: number, reason: number): boolean {
  if (!takeOut(tracker, record, reason)) {
    return false;
  }
  tracker.quota.pools.release(tracker.quota.pool, 0, tracker.participant);
  return true;
}

/**
 * As removeConn, but leaves the connection's unit of the table's quota to the caller, as a credit to use or to release.
 */
export function takeOut(tracker: Tracker, record: number, reason: number): boolean {
  const { words: records, participant, table } = tracker;
  const { base } = participant;
  const r = record << UNIT_SHIFT;
  if (IS_CHECKED) {
    assertReference(tracker.checks, record);
  }
  const life = or(records, r + ConnWord.LIFE, LIFE_CLEANED);
  if ((life & LIFE_CLEANED) !== 0) {
    return false;
  }
  const isKilled =
    (life & (LIFE_DEAD | LIFE_SUPERSEDED)) === LIFE_DEAD &&
    (reason === Counter.expiredAtLookup || reason === Counter.expiredAtSweep);
  const counter = isKilled ? Counter.killed : reason;
  records[base + ParticipantWord.INTENT_RECORD] = record;
  records[base + ParticipantWord.INTENT_REASON] = counter;
  records[base + ParticipantWord.EVENT] = EventIntent.removal;
  records[base + ParticipantWord.INTENT_KIND] = IntentKind.unlink;
  if (wantsEvents(tracker)) {
    emitDestroy(tracker, record, counter);
  }
  const bucket = table.bucketOf(records[r + ConnWord.HASH]!, records, r + ConnWord.META);
  const reverseBucket = table.bucketOf(reverseHashOf(records, r), records, r + ConnWord.META);
  table.lockBuckets(bucket, reverseBucket, participant, LockSite.remove);
  unlinkConnLocked(tracker, record);
  table.unlockBuckets(bucket, reverseBucket);
  finishUnlinked(tracker, record);
  return true;
}

/** Hash of the second entry of the connection at word `r`; if it has only one entry, the hash of that. */
export function reverseHashOf(records: Words, r: number): number {
  const hasTwoEntries = (records[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
  return records[r + (hasTwoEntries ? ConnWord.REV_HASH : ConnWord.HASH)]!;
}

/**
 * The part of a removal under the locks of the buckets. A repair may call it again: an entry that is already unlinked
 * is left alone.
 */
export function unlinkConnLocked(tracker: Tracker, record: number): void {
  const { words: records, participant, table } = tracker;
  const r = record << UNIT_SHIFT;
  const hash = records[r + ConnWord.HASH]!;
  table.unlinkLocked(table.bucketOf(hash, records, r + ConnWord.META), hash, record);
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0) {
    const reverseHash = records[r + ConnWord.REV_HASH]!;
    table.unlinkLocked(table.bucketOf(reverseHash, records, r + ConnWord.META), reverseHash, record);
  }
  tracker.expiry.unlinkedLocked(record);
  /* In one step. The removal is counted before the quota is free, so a thread that sees the free unit also sees the
   * count. */
  tracker.counters[records[participant.base + ParticipantWord.INTENT_REASON]!]!++;
  records[participant.base + ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS]!++;
  records[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.unlinked;
}

/** The part of a removal after the locks. */
function finishUnlinked(tracker: Tracker, record: number): void {
  const { words: records, participant } = tracker;
  const r = record << UNIT_SHIFT;
  const zonePool = records[r + ConnWord.ADMIT_POOL]!;
  if (zonePool !== 0) {
    const { pools } = tracker.zoneLimits;
    pools.release(zonePool, records[r + ConnWord.ADMIT_GENERATION]!, participant, ParticipantWord.INTENT_KIND, 1);
  }
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.HELPER) !== 0) {
    cleanExpectations(tracker, record);
  }
  tracker.zoneLists.unlist(record, participant);
  tracker.slab.retire(participant, recordClassOf(records, r), record, tracker.epochs.current());
  records[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.none;
}

/**
 * Removes the stale connections that a search under a lock has found (findConnLocked). The caller holds no lock any
 * more.
 */
export function removeStale(tracker: Tracker): void {
  const count = tracker.scratch.notes[NoteWord.STALE_COUNT]!;
  tracker.scratch.notes[NoteWord.STALE_COUNT] = 0;
  for (let i = 0; i < count; i++) {
    removeConn(tracker, tracker.search.stale[i]!, Counter.expiredAtLookup);
  }
}

/** Releases the zone's unit of quota of a connection that was not created, if the zone is limited. */
export function releaseZoneQuota(tracker: Tracker, zonePool: number, zoneGeneration: number): void {
  if (zonePool !== 0) {
    tracker.zoneLimits.pools.release(zonePool, zoneGeneration, tracker.participant);
  }
}

/** Releases the units of quota in the zone and in the table. */
export function releaseQuota(tracker: Tracker, zonePool: number, zoneGeneration: number): void {
  releaseZoneQuota(tracker, zonePool, zoneGeneration);
  tracker.quota.pools.release(tracker.quota.pool, 0, tracker.participant);
}

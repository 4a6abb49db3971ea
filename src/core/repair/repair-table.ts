/**
 * The second part of a repair: connections that the dead thread was linking or unlinking, buckets that it was growing,
 * and its records and credits in flight (repair.ts).
 */

import { load } from '../../shared/access.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lockWithin, unlock } from '../../shared/sync/mutex.ts';
import { EventIntent, CreditWord, IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { writeParent } from '../alg/clean.ts';
import { repairEvents, wantsEvents } from '../events/events.ts';
import { noteLinked } from '../lifecycle/finish-links.ts';
import { Linked, undoHalf } from '../nat/link.ts';
import { reverseHashOf, unlinkConnLocked } from '../lifecycle/remove.ts';
import { type RepairReport, WAIT_MS } from './repair-report.ts';
import { repairCountsLocked, repairGrowth } from '../table/bucket-repair.ts';
import { ConnFlag, ConnWord, LIFE_CLEANED, recordClassOf, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { waitForLabel } from '../path/verdict.ts';

/**
 * Repairs the buckets whose locks the dead thread held, then the link or removal that it had begun, and releases the
 * locks.
 */
export function repairBuckets(dead: Tracker, report: RepairReport): void {
  const { table, participant, words } = dead;
  const { base } = participant;
  const held: number[] = [];
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    if (table.inheritBucket(bucket, participant)) {
      held.push(bucket);
      repairCountsLocked(table, bucket);
    }
  }
  report.locksReleased += held.length;
  const growth = repairGrowth(dead);
  report.growthsFinished += growth === 'finished' ? 1 : 0;
  report.growthsUndone += growth === 'undone' ? 1 : 0;

  if (held.length > 0) {
    dead.expiry.repairBucketLocked();
  }
  const kind = words[base + ParticipantWord.INTENT_KIND];
  if (kind === IntentKind.link || kind === IntentKind.undo) {
    repairLink(dead, report);
  }
  if (kind === IntentKind.unlink && !canEmitDestroy(dead)) {
    report.isComplete = false;
  } else {
    report.eventsLost += repairEvents(dead) ? 1 : 0;
    if (kind === IntentKind.unlink) {
      repairUnlink(dead, held, report);
    }
  }
  for (const bucket of held.toReversed()) {
    table.unlockBucket(bucket);
  }
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    table.wakeWaitersOf(bucket);
  }
}

/**
 * May the repair emit the `destroy` event of a removal? The event includes the connection's label, so the label must be
 * stable. The thread that writes the label may be dead as well. Called before any lock is taken for the removal.
 */
function canEmitDestroy(dead: Tracker): boolean {
  const { base } = dead.participant;
  return (
    !wantsEvents(dead) ||
    dead.words[base + ParticipantWord.EVENT] !== EventIntent.removal ||
    waitForLabel(dead.words, dead.words[base + ParticipantWord.INTENT_RECORD]! << UNIT_SHIFT, WAIT_MS)
  );
}

/** Finishes or undoes the linking of the record in flight. The bucket locks are held. */
function repairLink(dead: Tracker, report: RepairReport): void {
  const { table, participant, words } = dead;
  const { base } = participant;
  const record = words[base + ParticipantWord.RECORD_IN_FLIGHT]! >>> 1;
  const r = record << UNIT_SHIFT;
  const meta = r + ConnWord.META;
  const hash = words[r + ConnWord.HASH]!;
  const reverseHash = reverseHashOf(words, r);
  if (table.hasLocked(table.bucketOf(hash, words, meta), hash, record)) {
    dead.expiry.repairLinkedLocked(record);
    noteLinked(dead);
    report.linksFinished++;
    return;
  }
  if (
    words[base + ParticipantWord.INTENT_KIND] === IntentKind.undo ||
    (reverseHash !== hash && table.hasLocked(table.bucketOf(reverseHash, words, meta), reverseHash, record))
  ) {
    if (undoHalf(dead, record) === Linked.removed) {
      report.linksFinished++;
      return;
    }
    /* The record stays in flight, and repairCredits retires it. */
    report.linksUndone++;
  }
  words[base + ParticipantWord.INTENT_KIND] = IntentKind.none;
}

/**
 * Finishes a removal that the dead thread began.
 * @param held the buckets whose locks are held; the function adds those that it locks
 */
function repairUnlink(dead: Tracker, held: number[], report: RepairReport): void {
  const { table, participant, words } = dead;
  const record = words[participant.base + ParticipantWord.INTENT_RECORD]!;
  const r = record << UNIT_SHIFT;
  const a = table.bucketOf(words[r + ConnWord.HASH]!, words, r + ConnWord.META);
  const b = table.bucketOf(reverseHashOf(words, r), words, r + ConnWord.META);
  for (const bucket of a === b ? [a] : [Math.min(a, b), Math.max(a, b)]) {
    if (!held.includes(bucket)) {
      if (!table.lockBucketWithin(bucket, participant, WAIT_MS)) {
        report.isComplete = false;
        return;
      }
      held.push(bucket);
    }
  }
  unlinkConnLocked(dead, record);
}

/** Returns the records and credits in flight. */
export function repairCredits(dead: Tracker, report: RepairReport): void {
  const { participant, words, zoneLimits, zoneLists } = dead;
  const { pools } = dead.quota;
  const { base } = participant;
  const kind = words[base + ParticipantWord.INTENT_KIND];
  report.isComplete = zoneLists.finish(participant, WAIT_MS) && report.isComplete;
  if (kind === IntentKind.unlinked || kind === IntentKind.zoneReleased) {
    repairUnlinked(dead, report);
  }
  while (words[base + ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS]! > 0) {
    pools.releaseLocally(dead.quota.pool, 0, participant, ParticipantWord.QUOTA_CREDIT + CreditWord.UNITS, -1);
    report.quotaReleased++;
  }
  const zoneCredit = ParticipantWord.ZONE_CREDIT;
  while (words[base + zoneCredit + CreditWord.UNITS]! > 0) {
    const pool = words[base + zoneCredit + CreditWord.POOL]!;
    const generation = words[base + zoneCredit + CreditWord.GENERATION]!;
    zoneLimits.pools.releaseLocally(pool, generation, participant, zoneCredit + CreditWord.UNITS, -1);
  }
  repairRecordInFlight(dead, report);
}

/** Returns the record in flight. It may be listed in its zone. */
function repairRecordInFlight(dead: Tracker, report: RepairReport): void {
  const { participant, words, slab, zoneLists } = dead;
  const { base } = participant;
  const recordInFlight = words[base + ParticipantWord.RECORD_IN_FLIGHT]!;
  if (recordInFlight !== 0) {
    const record = recordInFlight >>> 1;
    if (!zoneLists.unlistWithin(record, participant, WAIT_MS)) {
      report.isComplete = false;
      return;
    }
    if ((load(words, (record << UNIT_SHIFT) + ConnWord.LIFE) & LIFE_CLEANED) === 0) {
      slab.keep(participant, recordInFlight & 1, record);
    } else {
      /* The record was half linked and unlinked again, so readers may have seen it; or it was not filled yet. */
      slab.retire(participant, recordInFlight & 1, record, dead.epochs.current());
      words[base + ParticipantWord.RECORD_IN_FLIGHT] = 0;
    }
    report.recordsReturned++;
  }
}

/** The rest of a removal whose connection is unlinked and counted. */
function repairUnlinked(dead: Tracker, report: RepairReport): void {
  const { participant, words, zoneLimits, alg } = dead;
  const { base } = participant;
  const record = words[base + ParticipantWord.INTENT_RECORD]!;
  const r = record << UNIT_SHIFT;
  const zonePool = words[r + ConnWord.ADMIT_POOL]!;
  if (words[base + ParticipantWord.INTENT_KIND] === IntentKind.unlinked && zonePool !== 0) {
    const generation = words[r + ConnWord.ADMIT_GENERATION]!;
    zoneLimits.pools.releaseLocally(zonePool, generation, participant, ParticipantWord.INTENT_KIND, 1);
  }
  if ((words[r + ConnWord.FLAGS]! & ConnFlag.HELPER) !== 0 && alg.expectations.used > 0) {
    const { mutex } = alg.expectations;
    if (!lockWithin(words, mutex, participant, LockClass.leaf, WAIT_MS)) {
      report.isComplete = false;
      return;
    }
    writeParent(words, r, alg.removed);
    alg.expectations.cleanLocked(alg.removed, !dead.reclaimsAtLookup);
    unlock(words, mutex);
  }
  if (!dead.zoneLists.unlistWithin(record, participant, WAIT_MS)) {
    report.isComplete = false;
    return;
  }
  dead.slab.retire(participant, recordClassOf(words, r), record, dead.epochs.current());
  words[base + ParticipantWord.INTENT_KIND] = IntentKind.none;
  report.unlinksFinished++;
}

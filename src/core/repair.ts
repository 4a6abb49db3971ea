/**
 * Repair after a participant whose thread is gone for good (terminated, or ended by an error), at whatever point it was.
 *
 * The repairer acts in its place: with its block of words, its caches, its counters and the locks that it held, so nothing
 * has to be handed over, and should the repairer itself die, the same repair is done again by somebody else. What the dead
 * was in the middle of stands in its block (shared/participant.ts): changes that others may have seen are finished, all
 * others undone. The packets of the batch that it had in hand are as good as lost on the wire, before or behind the tracker.
 *
 * Nothing here waits for longer than WAIT_MS: the lock that it wants may be another dead thread's.
 */

import { CHECKED, load, notify, store } from '../shared/access.ts';
import { forgetHeld, LockClass } from '../shared/lockdep.ts';
import { inheritLock, lockWithin, releaseOfDead, unlock, wakeWaiters } from '../shared/mutex.ts';
import {
  Claim,
  claimOf,
  EventIntent,
  HandWord,
  IntentKind,
  ParticipantWord,
  keepForToken,
  tokenOf,
} from '../shared/participant.ts';
import { writeParent } from './alg/clean.ts';
import { expectFlag, shown, UsageError } from './errors.ts';
import { expectOptions, type OptionNames } from './option-names.ts';
import { repairEvents, wantsEvents } from './events.ts';
import { EventsWord } from './event-layout.ts';
import { repairFragments } from './fragments/repair.ts';
import { noteLinked } from './linked.ts';
import { SettingWord } from './memory.ts';
import { Linked, undoHalf } from './nat/link.ts';
import { reverseHashOf, unlinkConnLocked } from './remove.ts';
import { endTurnsOf } from './repair-turn.ts';
import { repairCountsLocked, repairGrowth } from './table/bucket-repair.ts';
import { ConnFlag, ConnWord, LIFE_CLEANED, recordClassOf, UNIT_SHIFT } from './table/conn.ts';
import { Tracker } from './tracker.ts';
import { FIRST_WRITE, isLabelSettled } from './verdict.ts';

/** Longest wait for a lock. */
const WAIT_MS = 2;

/** What a repair found and did. */
export interface RepairReport {
  participant: number;
  /**
   * False: a lock that the rest needs is held by somebody, who may have died as well. Call again, after having repaired after
   * whoever else is known to be dead.
   */
  isComplete: boolean;
  /** Locks that the dead held. */
  locksReleased: number;
  /** Connections that stood in the table and were not counted yet, or stood there half: these are gone. */
  linksFinished: number;
  linksUndone: number;
  /** Removals that were begun. */
  unlinksFinished: number;
  /** Growths of a bucket's index. */
  growthsFinished: number;
  growthsUndone: number;
  /** Records and units of the table's room that were in its hands. */
  recordsReturned: number;
  roomReturned: number;
  /** Labels of connections that were being written: of what they were and should become, each of four words has one. */
  labelsTorn: number;
  /** Events that are not told (counted in `eventsLost`). */
  eventsLost: number;
  /** Held fragments of datagrams that were complete and are lost with the batch. */
  fragmentsLost: number;
  /** It was the one who read the events: they are switched off. */
  wasEventReader: boolean;
  /**
   * With it and `participant` the replacement takes the place (AttachOptions). It is good for one thread; a later repair gives
   * another. 0 while the repair is not complete, and where no thread had the place.
   */
  token: number;
}

export interface RepairOptions {
  /**
   * The place stays claimed for a thread that will replace the dead one, so that nobody else can get it meanwhile; default:
   * it becomes vacant. A repair that was not complete is asked for again in the same way.
   */
  keepsPlace?: boolean;
  /**
   * The token by which the dead thread took its place. The owner of a thread has it, and answers for its being gone: then nobody
   * asks the system.
   */
  token?: number;
}

const OPTION_NAMES: OptionNames<RepairOptions> = { keepsPlace: true, token: true };

/** @returns the options as a plain copy. @throws UsageError */
export function expectRepair(given: RepairOptions): RepairOptions {
  const options = expectOptions('the options of repair', given, OPTION_NAMES);
  expectFlag('keepsPlace', options.keepsPlace);
  return options;
}

function emptyReport(participant: number): RepairReport {
  return {
    participant,
    isComplete: true,
    locksReleased: 0,
    linksFinished: 0,
    linksUndone: 0,
    unlinksFinished: 0,
    growthsFinished: 0,
    growthsUndone: 0,
    recordsReturned: 0,
    roomReturned: 0,
    labelsTorn: 0,
    eventsLost: 0,
    fragmentsLost: 0,
    wasEventReader: false,
    token: 0,
  };
}

/**
 * Finishes or undoes what participant `id`, whose thread is gone for good, was in the middle of, and releases its locks. Its
 * place is then kept for the thread that has the token of the report (adoptParticipant, or Conntrack.attach), and for it
 * alone if the options say so. Not by two threads at once for the same participant (Conntrack.repair sees to that); any number of
 * times one after another.
 * @param tracker the calling thread's own
 * @throws UsageError if there is no such participant, it is the caller's own, or the token is not its own
 */
export function repairParticipant(tracker: Tracker, id: number, given: RepairOptions = {}): RepairReport {
  const options = expectRepair(given);
  const { participants } = tracker;
  if (!Number.isInteger(id) || id < 0 || id >= participants.maxParticipants) {
    throw new UsageError(
      `there is no participant ${shown(id)} to repair after: they are 0 to ${participants.maxParticipants - 1}`,
    );
  }
  if (id === tracker.participant.id) {
    throw new UsageError(`participant ${id} is the calling thread's own, which is alive`);
  }
  if (options.token !== undefined && options.token !== tokenOf(participants, id)) {
    throw new UsageError(`participant ${id} was not taken with this token: another thread may have the place by now`);
  }
  const report = emptyReport(id);
  const claim = claimOf(participants, id);
  if (claim === Claim.reserved && options.token === undefined) {
    throw new UsageError(
      `participant ${id} is kept for a thread that has its token: repair it with the token if that one has died`,
    );
  }
  if (claim === Claim.free || claim === Claim.vacant) {
    return { ...report, token: tokenOf(participants, id) };
  }
  const dead = putInOrder(tracker, id, report);
  repairReader(dead, report);
  if (report.isComplete) {
    dead.leave();
    endTurnsOf(participants, id);
    const claimAfter = options.keepsPlace === true ? Claim.reserved : Claim.vacant;
    report.token = keepForToken(dead.participant, claimAfter);
  }
  return report;
}

/**
 * Finishes or undoes what the calling thread itself was in the middle of when it gave up waiting for a lock (LockTimeoutError),
 * as if it had died there, and releases its locks.
 * @returns false: the rest needs a lock that somebody else holds; call again before anything else is done to the table
 */
export function repairOwn(tracker: Tracker): boolean {
  const report = emptyReport(tracker.participant.id);
  if (CHECKED) {
    forgetHeld();
  }
  tracker.search.staleCount = 0;
  putInOrder(tracker, tracker.participant.id, report);
  return report.isComplete;
}

/** @returns the participant's view of the table */
function putInOrder(tracker: Tracker, id: number, report: RepairReport): Tracker {
  const dead = new Tracker(tracker.memory, id);
  dead.checks?.beginRepair();
  /* For events; the repairer may never have been told the time. */
  dead.time[0] = Number.isNaN(tracker.time[0]) ? tracker.clock[0]! : tracker.time[0]!;
  repairLeaves(dead, report);
  repairHeldFragments(dead, report);
  repairConnectionLock(dead, report);
  repairBuckets(dead, report);
  countLock(report, dead.expiry.repair());
  repairHands(dead, report);
  return dead;
}

function countLock(report: RepairReport, heldIt: boolean): void {
  report.locksReleased += heldIt ? 1 : 0;
}

/** Locks that stand alone, with what they protect. */
function repairLeaves(dead: Tracker, report: RepairReport): void {
  const { participant, words, settings, zoneLimits } = dead;
  countLock(report, dead.slab.repair(participant));
  countLock(report, dead.arena.repair(participant));
  countLock(report, dead.timeouts.repair(participant));
  countLock(report, dead.alg.names.repair(participant));
  countLock(report, dead.alg.expectations.repair(participant));
  countLock(report, releaseOfDead(words, settings + SettingWord.CLOCK_MUTEX, participant, LockClass.leaf));
  /* Any pool of a zone that it may have had to do with. */
  const { base } = participant;
  const intentRecord = words[base + ParticipantWord.INTENT_RECORD]!;
  const pools = new Set([
    words[base + ParticipantWord.POOL]!,
    words[base + ParticipantWord.ZONE_HAND + HandWord.POOL]!,
    intentRecord === 0 ? 0 : words[(intentRecord << UNIT_SHIFT) + ConnWord.ADMIT_POOL]!,
    dead.quota.pool,
  ]);
  pools.delete(0);
  for (const pool of pools) {
    countLock(report, dead.quota.pools.repair(pool, participant));
  }
  report.roomReturned += dead.quota.pools.repairAhead(dead.quota.pool, participant);
  countLock(report, zoneLimits.repair(participant));
  const pressure = settings + SettingWord.PRESSURE;
  if (load(words, pressure) !== 0) {
    notify(words, pressure, 1);
  }
}

function repairHeldFragments(dead: Tracker, report: RepairReport): void {
  const { isComplete, heldIt, fragmentsLost } = repairFragments(dead.fragments, WAIT_MS);
  report.isComplete &&= isComplete;
  report.fragmentsLost += fragmentsLost;
  countLock(report, heldIt);
}

/**
 * The one connection whose lock it may hold. Its state may be of the packet that was in hand in part: each word is either the
 * old one or the new one, and the packet, which was lost, comes again.
 */
function repairConnectionLock(dead: Tracker, report: RepairReport): void {
  const { participant, words } = dead;
  const lockWord = words[participant.base + ParticipantWord.CONNECTION_LOCK]!;
  if (lockWord === 0) {
    return;
  }
  if (inheritLock(words, lockWord, participant, LockClass.connection)) {
    const r = lockWord - ConnWord.LOCK;
    const sequence = load(words, r + ConnWord.LABEL_SEQUENCE);
    if ((sequence & 1) !== 0) {
      if (sequence === FIRST_WRITE) {
        for (let i = 0; i < 4; i++) {
          store(words, r + ConnWord.LABEL + i, 0);
        }
      } else {
        report.labelsTorn++;
      }
      store(words, r + ConnWord.LABEL_SEQUENCE, (sequence + 1) | 0 || 2);
    }
    unlock(words, lockWord);
    report.locksReleased++;
  }
  wakeWaiters(words, lockWord);
}

/** Bucket locks, and what was being linked, unlinked or grown under them. */
function repairBuckets(dead: Tracker, report: RepairReport): void {
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
  if (kind === IntentKind.unlink && !mayTellOfRemoval(dead)) {
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

/** Where the removal was not told yet, which is before any lock is taken: its label is told, whose writer may have died as well. */
function mayTellOfRemoval(dead: Tracker): boolean {
  const { base } = dead.participant;
  return (
    !wantsEvents(dead) ||
    dead.words[base + ParticipantWord.EVENT] !== EventIntent.removal ||
    isLabelSettled(dead.words, dead.words[base + ParticipantWord.INTENT_RECORD]! << UNIT_SHIFT, WAIT_MS)
  );
}

/** The record in hand was to be linked; the locks are held. */
function repairLink(dead: Tracker, report: RepairReport): void {
  const { table, participant, words } = dead;
  const { base } = participant;
  const record = words[base + ParticipantWord.RECORD_IN_HAND]! >>> 1;
  const r = record << UNIT_SHIFT;
  const hash = words[r + ConnWord.HASH]!;
  const reverseHash = reverseHashOf(words, r);
  if (table.hasLocked(table.bucketOf(hash), hash, record)) {
    dead.expiry.repairLinkedLocked(record);
    noteLinked(dead);
    report.linksFinished++;
    return;
  }
  if (
    words[base + ParticipantWord.INTENT_KIND] === IntentKind.undo ||
    (reverseHash !== hash && table.hasLocked(table.bucketOf(reverseHash), reverseHash, record))
  ) {
    if (undoHalf(dead, record) === Linked.removed) {
      report.linksFinished++;
      return;
    }
    dead.slab.retire(participant, recordClassOf(words, r), record, dead.epochs.current());
    words[base + ParticipantWord.RECORD_IN_HAND] = 0;
    report.recordsReturned++;
    report.linksUndone++;
  }
  words[base + ParticipantWord.INTENT_KIND] = IntentKind.none;
}

/** A removal that is to be finished; `held`: the bucket locks that are held, to which it adds those that it takes. */
function repairUnlink(dead: Tracker, held: number[], report: RepairReport): void {
  const { table, participant, words } = dead;
  const record = words[participant.base + ParticipantWord.INTENT_RECORD]!;
  const r = record << UNIT_SHIFT;
  const a = table.bucketOf(words[r + ConnWord.HASH]!);
  const b = table.bucketOf(reverseHashOf(words, r));
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

/** What it held without a lock. */
function repairHands(dead: Tracker, report: RepairReport): void {
  const { participant, words, slab, zoneLimits } = dead;
  const { pools: rooms } = dead.quota;
  const { base } = participant;
  const kind = words[base + ParticipantWord.INTENT_KIND];
  if (kind === IntentKind.unlinked || kind === IntentKind.zoneReturned) {
    repairUnlinked(dead, report);
  }
  const recordInHand = words[base + ParticipantWord.RECORD_IN_HAND]!;
  if (recordInHand !== 0) {
    const record = recordInHand >>> 1;
    if ((load(words, (record << UNIT_SHIFT) + ConnWord.LIFE) & LIFE_CLEANED) === 0) {
      slab.keep(participant, recordInHand & 1, record);
    } else {
      /* It was linked half and taken out again, and may have been seen; or was not filled yet. */
      slab.retire(participant, recordInHand & 1, record, dead.epochs.current());
      words[base + ParticipantWord.RECORD_IN_HAND] = 0;
    }
    report.recordsReturned++;
  }
  while (words[base + ParticipantWord.ROOM_HAND + HandWord.UNITS]! > 0) {
    rooms.putBack(dead.quota.pool, 0, participant, ParticipantWord.ROOM_HAND + HandWord.UNITS, -1);
    report.roomReturned++;
  }
  const zoneHand = ParticipantWord.ZONE_HAND;
  while (words[base + zoneHand + HandWord.UNITS]! > 0) {
    const pool = words[base + zoneHand + HandWord.POOL]!;
    const generation = words[base + zoneHand + HandWord.GENERATION]!;
    zoneLimits.pools.putBack(pool, generation, participant, zoneHand + HandWord.UNITS, -1);
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
    zoneLimits.pools.putBack(zonePool, generation, participant, ParticipantWord.INTENT_KIND, 1);
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
  dead.slab.retire(participant, recordClassOf(words, r), record, dead.epochs.current());
  words[base + ParticipantWord.INTENT_KIND] = IntentKind.none;
  report.unlinksFinished++;
}

/** It may have been the one that reads events: nobody else could begin to. */
function repairReader(dead: Tracker, report: RepairReport): void {
  const { events } = dead.memory;
  if (load(events, EventsWord.READER) === dead.participant.id + 1) {
    store(dead.words, dead.settings + SettingWord.EVENTS, 0);
    store(events, EventsWord.READER, 0);
    report.wasEventReader = true;
  }
}

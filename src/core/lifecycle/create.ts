/**
 * Creates a connection: takes its quota, fills a record, lists it in its zone, and links the record under its bucket's lock. Under the lock it first
 * searches again, because another thread may have created the connection meanwhile.
 */

import { notify, peek, poke, store, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { QUOTA_EXHAUSTED } from '../../shared/quota/quota-pool.ts';
import type { CtAction } from '../action.ts';
import { beginStream } from '../events/assured.ts';
import { fillOpening, linkExpected, Opening } from '../alg/data-connection.ts';
import { Counter } from '../counters.ts';
import { evictForQuota } from './evict.ts';
import { emitNew, commitNew, wantsEvents } from '../events/events.ts';
import { findConn, findConnLocked } from '../path/lookup.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import type { NatAction } from '../nat/action.ts';
import { noteLinked } from './finish-links.ts';
import { Linked, noteRivals } from '../nat/link.ts';
import { linkUnique } from '../nat/tuple.ts';
import { NoteWord } from '../packet/batch-scratch.ts';
import { META_IPV6, metaProtocol, ParsedWord } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { VerdictReason } from '../packet/reason.ts';
import { openTcp } from '../proto/tcp.ts';
import { releaseQuota, releaseZoneQuota, removeStale } from './remove.ts';
import {
  ConnWord,
  LIFE_FLAGS,
  LIFE_GENERATION,
  LIFE_RIVAL,
  RecordClass,
  recordClassOf,
  UNIT_SHIFT,
} from '../table/conn.ts';
import { firstTimeout } from '../expiry/timeouts.ts';
import type { Tracker } from '../tracker.ts';

/** The low bit of createConn's result: set for a new record, clear for a match of lookup.ts. */
export const CREATED = 1;

/**
 * Creates the connection of the packet at `parsed[at...]`, or finds the one that another thread has just created.
 * @returns 0: refused; record << 2 | 1: created; match << 1: found (match as in lookup.ts)
 */
export function createConn(tracker: Tracker, words: Words, at: number, action: CtAction, now: number): number {
  const { participant } = tracker;
  const { base } = participant;
  const own = tracker.words;
  const zonePool = tracker.zoneLimits.admit(action.zone, participant);
  let zoneGeneration = 0;
  if (zonePool !== 0) {
    zoneGeneration = tracker.zoneLimits.pools.take(zonePool, participant);
    if (zoneGeneration === QUOTA_EXHAUSTED) {
      return refuse(tracker, at, now, Counter.zoneFull, VerdictReason.ZONE_LIMIT);
    }
  }
  if (!takeTableQuota(tracker, at, now)) {
    releaseZoneQuota(tracker, zonePool, zoneGeneration);
    return refuse(tracker, at, now, Counter.tableFull, VerdictReason.TABLE_FULL);
  }
  const opening = tracker.scratch.notes[NoteWord.OPENING]!;
  const isIpv6 = (tracker.scratch.parsed[at + ParsedWord.META]! & META_IPV6) !== 0;
  const recordClass = isIpv6 || (opening & Opening.EXPECTED) !== 0 ? RecordClass.ipv6 : RecordClass.ipv4;
  const record = tracker.slab.allocate(participant, recordClass);
  own[base + ParticipantWord.RECORD_IN_FLIGHT] = (record << 1) | recordClass;
  if (record === 0) {
    own[base + ParticipantWord.RECORD_IN_FLIGHT] = 0;
    releaseQuota(tracker, zonePool, zoneGeneration);
    return refuse(tracker, at, now, Counter.insertFailed, VerdictReason.NO_MEMORY);
  }
  const r = record << UNIT_SHIFT;
  own[r + ConnWord.ADMIT_POOL] = zonePool;
  if (zonePool !== 0) {
    own[r + ConnWord.ADMIT_GENERATION] = zoneGeneration;
  }
  fillRecord(tracker, r, words, at, action, now);
  if (opening !== 0) {
    fillOpening(tracker, r);
  }
  if (!tracker.zoneLists.list(record, participant)) {
    dropRecord(tracker, record, false);
    return refuse(tracker, at, now, Counter.insertFailed, VerdictReason.NO_MEMORY);
  }
  const { nat } = action;
  if (nat !== null && (nat.translates(isIpv6) || (opening & Opening.EXPECTED) !== 0)) {
    tracker.eventRing.action = action;
    return placeTranslated(tracker, record, at, nat, now);
  }
  return placeUntranslated(tracker, record, at, action, now);
}

/** Takes one unit of the table's quota as a credit: a prefetched one, a free one, or that of an evicted connection. */
function takeTableQuota(tracker: Tracker, at: number, now: number): boolean {
  const { participant, words: own } = tracker;
  const { pools, pool } = tracker.quota;
  const { base } = participant;
  if (own[base + ParticipantWord.PREFETCHED_CREDITS]! > 0 && !pools.mayUseReserved(pool)) {
    /* The limit was lowered during this batch. */
    pools.releasePrefetched(pool, own[base + ParticipantWord.PREFETCHED_CREDITS]!, participant);
  }
  if (own[base + ParticipantWord.PREFETCHED_CREDITS]! > 0) {
    own[base + ParticipantWord.PREFETCHED_CREDITS]!--;
    own[base + ParticipantWord.QUOTA_CREDIT]!++;
    return true;
  }
  return pools.take(pool, participant) !== QUOTA_EXHAUSTED || evictForQuota(tracker, at, now);
}

/** The rest of createConn for a connection without translation: one key, in one bucket. */
function placeUntranslated(tracker: Tracker, record: number, at: number, action: CtAction, now: number): number {
  const isEmitted = wantsEvents(tracker);
  if (isEmitted) {
    emitNewBy(tracker, record, action);
  }
  const outcome = linkUntranslated(tracker, record, at, now) | 0;
  if (isEmitted) {
    commitNew(tracker, outcome === Linked.done);
  }
  if (tracker.scratch.notes[NoteWord.STALE_COUNT]! > 0) {
    removeStale(tracker);
  }
  if (outcome === Linked.done) {
    tracker.expiry.linked(record);
    return (record << 2) | CREATED;
  }
  dropRecord(tracker, record, false);
  if (outcome === Linked.noMemory) {
    tracker.counters[Counter.insertFailed]!++;
    tracker.scratch.notes[NoteWord.REFUSAL] = VerdictReason.NO_MEMORY;
    return 0;
  }
  tracker.counters[Counter.clash]!++;
  return outcome << 1;
}

/**
 * Links a complete record under the key at `parsed[at...]`, unless another connection has that key. @returns a Linked,
 * or a match
 */
function linkUntranslated(tracker: Tracker, record: number, at: number, now: number): number {
  const { participant, table, words: own } = tracker;
  const { base } = participant;
  const { parsed } = tracker.scratch;
  const hash = parsed[at + ParsedWord.HASH]!;
  const bucket = table.bucketOf(hash, parsed, at + ParsedWord.META);
  /* Without a finally block: nothing between lock and unlock throws in a production process, and a checked process
   * stops at the first error. */
  table.lockBucket(bucket, participant, LockSite.create);
  own[base + ParticipantWord.INTENT_KIND] = IntentKind.link;
  let outcome: number = Linked.done;
  if (!table.placeAbsentLocked(bucket, hash, record)) {
    outcome = findConnLocked(tracker, at, now) | 0;
    if (outcome === 0 && tracker.scratch.notes[NoteWord.OTHERS_MET]! > 0) {
      noteRivals(tracker, record, at);
    }
    if (outcome === 0 && !table.placeLocked(bucket, hash, record, participant)) {
      outcome = Linked.noMemory;
    }
  }
  if (outcome === Linked.done) {
    tracker.expiry.linkedLocked(record);
    noteLinked(tracker);
  }
  own[base + ParticipantWord.INTENT_KIND] = IntentKind.none;
  table.unlockBucket(bucket);
  return outcome;
}

/** Writes the event of a connection that a pass with this action creates. */
export function emitNewBy(tracker: Tracker, record: number, action: CtAction): void {
  tracker.eventRing.action = action;
  emitNew(tracker, record);
}

/** The rest of createConn for a translated connection. */
function placeTranslated(tracker: Tracker, record: number, at: number, nat: NatAction, now: number): number {
  const { counters } = tracker;
  const isExpected = (tracker.scratch.notes[NoteWord.OPENING]! & Opening.EXPECTED) !== 0;
  let outcome = isExpected ? linkExpected(tracker, record, at, now) | 0 : linkUnique(tracker, record, at, nat, now) | 0;
  if (outcome === Linked.done) {
    tracker.expiry.linked(record);
    return (record << 2) | CREATED;
  }
  const isExhausted = outcome === Linked.taken;
  if (outcome !== Linked.removed) {
    dropRecord(tracker, record, outcome === Linked.noMemory);
  }
  if (outcome < 0) {
    outcome = findConn(tracker, at, now) | 0;
  }
  if (outcome === 0) {
    counters[isExhausted ? Counter.natExhausted : Counter.insertFailed]!++;
    tracker.scratch.notes[NoteWord.REFUSAL] = isExhausted ? VerdictReason.NAT_EXHAUSTED : VerdictReason.NO_MEMORY;
    return 0;
  }
  counters[Counter.clash]!++;
  return outcome << 1;
}

/**
 * Frees the record in flight, which was not linked, and releases its quota. @param wasSeen other threads may have found
 * it
 */
export function dropRecord(tracker: Tracker, record: number, wasSeen: boolean): void {
  const { words: records } = tracker;
  const r = record << UNIT_SHIFT;
  const zonePool = records[r + ConnWord.ADMIT_POOL]!;
  const zoneGeneration = records[r + ConnWord.ADMIT_GENERATION]!;
  const recordClass = recordClassOf(records, r);
  tracker.zoneLists.unlist(record, tracker.participant);
  if (wasSeen) {
    tracker.slab.retire(tracker.participant, recordClass, record, tracker.epochs.current());
    records[tracker.participant.base + ParticipantWord.RECORD_IN_FLIGHT] = 0;
  } else {
    tracker.slab.free(tracker.participant, recordClass, record);
  }
  releaseQuota(tracker, zonePool, zoneGeneration);
}

/**
 * The quota or the memory is exhausted. If another thread has created the connection meanwhile, the packet uses that.
 * Otherwise the packet gets no connection, and the sweeper is asked to start early.
 */
export function refuse(tracker: Tracker, at: number, now: number, counter: number, reason: number): number {
  const match = findConn(tracker, at, now);
  if (match === 0) {
    tracker.counters[counter]!++;
    tracker.scratch.notes[NoteWord.REFUSAL] = reason;
    if (peek(tracker.words, tracker.settings + SettingWord.PRESSURE) === 0) {
      store(tracker.words, tracker.settings + SettingWord.PRESSURE, 1);
      notify(tracker.words, tracker.settings + SettingWord.PRESSURE, 1);
    }
  }
  return match << 1;
}

/**
 * Writes a record that is not linked yet: every word that its protocol and family read. The caller writes the ADMIT
 * words.
 */
function fillRecord(tracker: Tracker, r: number, words: Words, at: number, action: CtAction, now: number): void {
  const { words: records } = tracker;
  const { parsed } = tracker.scratch;
  const meta = parsed[at + ParsedWord.META]!;
  const ports = parsed[at + ParsedWord.PORTS]!;
  const hash = parsed[at + ParsedWord.HASH]!;
  if ((meta & META_IPV6) !== 0) {
    records[r + ConnWord.SRC] = 0;
    records[r + ConnWord.DST] = 0;
    for (let i = 0; i < 4; i++) {
      records[r + ConnWord.SRC6 + i] = parsed[at + ParsedWord.SRC6 + i]!;
      records[r + ConnWord.DST6 + i] = parsed[at + ParsedWord.DST6 + i]!;
    }
  } else {
    records[r + ConnWord.SRC] = parsed[at + ParsedWord.SRC]!;
    records[r + ConnWord.DST] = parsed[at + ParsedWord.DST]!;
  }
  records[r + ConnWord.PORTS] = ports;
  records[r + ConnWord.META] = meta;
  records[r + ConnWord.FLAGS] = 0;
  records[r + ConnWord.MARK] = 0;
  records[r + ConnWord.LABEL_SEQUENCE] = 0;
  const timeoutPolicy = action.timeoutPolicy !== 0 ? action.timeoutPolicy : tracker.zonePolicies.policyOf(action.zone);
  records[r + ConnWord.TIMEOUT_POLICY] = timeoutPolicy;
  records[r + ConnWord.HASH] = hash;

  const protocol = metaProtocol(meta);
  if (protocol === Protocol.TCP) {
    openTcp(records, r, words, parsed[at + ParsedWord.L4]!, parsed[at + ParsedWord.L4_BYTES]!);
  } else {
    records[r + ConnWord.STATE] = 0;
    beginStream(records, r, now);
  }
  poke(records, r + ConnWord.EXPIRES, (now + tracker.timeouts.timeoutMs(timeoutPolicy, firstTimeout(protocol))) | 0);
  /* Plain writes suffice: no other thread can see the record until it is placed, and placing publishes it. */
  poke(records, r + ConnWord.LIFE, (peek(records, r + ConnWord.LIFE) & ~(LIFE_FLAGS | LIFE_RIVAL)) + LIFE_GENERATION);
}

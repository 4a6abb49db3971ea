/**
 * The invariants of a table on which no thread works: connections, index, quota, each record and each index line accounted for,
 * all locks free. Call `Conntrack.sweep` before, since looking up an expired connection may remove it.
 */

import { EventRingWord, eventRing } from '../../src/core/events/event-layout.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { dumpPiece } from '../../src/core/inspect/dump.ts';
import { type TableWalk, visitBucket, walkOf } from '../../src/core/inspect/table-walk.ts';
import { zoneListFaults } from '../../src/core/zones/zone-lists-check.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { findConn } from '../../src/core/path/lookup.ts';
import { memoryLayout, SettingWord } from '../../src/core/memory/memory-layout.ts';
import { FragmentsWord } from '../../src/core/fragments/region.ts';
import { assertConsistentLocked } from '../../src/core/table/bucket-check.ts';
import { BUCKET_WORDS } from '../../src/core/table/bucket-layout.ts';
import { ConnFlag, ConnWord, LIFE_FLAGS, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { ArenaLayout, blockBits, blockWord } from '../../src/core/table/line-arena.ts';
import { parseTuple } from '../../src/core/inspect/tuple.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import { QuotaLayout } from '../../src/shared/quota/quota-pool.ts';
import { SlabLayout } from '../../src/shared/memory/slab.ts';

import { checkExpectations, checkFragments } from './fragment-accounting.ts';
import { Problems } from './problems.ts';
import { checkLines, checkRecords } from './record-accounting.ts';

/** Number of zones whose limits are checked. */
const MOST_ZONES = 16;
/** Position of the generation in a participant's word of a pool (shared/quota-pool.ts). */
const GENERATION_SHIFT = 16;
/** @returns a line for each broken invariant */
export function problemsOf(ct: Conntrack, nowMs: number): string[] {
  const problems = new Problems();
  const linked = checkConnections(ct, nowMs, problems);
  checkQuota(ct, linked, problems);
  checkRecords(ct, linked, problems);
  checkLines(ct, problems);
  problems.all.push(...zoneListFaults(ct.tracker));
  checkLocks(ct, problems);
  checkFragments(ct, problems);
  checkExpectations(ct, linked, problems);
  return problems.all;
}

/** Counts the entries of a bucket by record. */
function countEntries({ table, words }: Tracker, bucket: number, entries: Map<number, number>): void {
  const block = table.blockOfBucket(bucket);
  for (let line = blockWord(block); line < blockWord(block) + (LINE_WORDS << blockBits(block)); line += LINE_WORDS) {
    for (let slot = line + 8; slot < line + 15; slot++) {
      const record = words[slot]!;
      if (record !== 0) {
        entries.set(record, (entries.get(record) ?? 0) + 1);
      }
    }
  }
}

/** Checks that a bucket is consistent, its locks are free, and a lookup finds each record in both directions. */
interface BucketCheck {
  bucket: number;
  /** A walk that has come to this bucket. */
  walk: TableWalk;
  nowMs: number;
  linked: Set<number>;
}

function checkBucket(tracker: Tracker, { bucket, walk, nowMs, linked }: BucketCheck, problems: Problems): void {
  const { table, words, participant } = tracker;
  table.lockBucket(bucket, participant);
  try {
    assertConsistentLocked(table, bucket);
  } catch (error) {
    problems.all.push((error as Error).message);
  }
  table.unlockBucket(bucket);
  visitBucket(tracker, bucket, (record, r) => {
    problems.expect(`record ${record} visited before`, linked.has(record), false);
    linked.add(record);
    problems.expect(`flags of LIFE of record ${record}`, words[r + ConnWord.LIFE]! & LIFE_FLAGS & 1, 0);
    problems.expect(`lock of record ${record}`, words[r + ConnWord.LOCK], 0);
    problems.expect(`label of record ${record} being written`, words[r + ConnWord.LABEL_SEQUENCE]! & 1, 0);
  });
  for (const entry of dumpPiece(tracker, walk, nowMs | 0)) {
    for (const [reply, tuple] of [entry.orig, entry.reply].entries()) {
      parseTuple(tuple, entry.zone, tracker.scratch.parsed, 0);
      hashParsed(tracker.keys, tracker.scratch.parsed, 0);
      const match = findConn(tracker, 0, nowMs | 0);
      problems.expect(`${JSON.stringify(tuple)} is found, as direction`, match === 0 ? 'none' : match & 1, reply);
    }
  }
}

/** Checks that each connection has one entry per key, is counted once, and is found. @returns the linked records */
function checkConnections(ct: Conntrack, nowMs: number, problems: Problems): Set<number> {
  const { tracker } = ct;
  const { table, words } = tracker;
  const entries = new Map<number, number>();
  const linked = new Set<number>();
  const walk = walkOf(tracker, undefined);
  tracker.enter();
  for (let bucket = 0; bucket < table.bucketCount; bucket = table.nextUsed(bucket + 1)) {
    countEntries(tracker, bucket, entries);
    checkBucket(tracker, { bucket, walk, nowMs, linked }, problems);
  }
  tracker.leave();
  for (const [record, times] of entries) {
    const r = record << UNIT_SHIFT;
    const wanted = (words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0 ? 2 : 1;
    problems.expect(`entries of record ${record}`, times, wanted);
    problems.expect(`record ${record} linked`, linked.has(record), true);
  }
  const { created, expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = ct.counters();
  const removed = expiredAtLookup + expiredAtSweep + killed + flushed + evicted;
  problems.expect('created = live + removed', created, linked.size + removed);
  return linked;
}

function poolProblems(ct: Conntrack, name: string, pool: number, live: number, problems: Problems): void {
  const { words, memory } = ct.tracker;
  let used = words[pool + QuotaLayout.RESERVED]!;
  for (let id = 0; id < memory.maxParticipants; id++) {
    const unused = pool + (1 + id) * QuotaLayout.STRIDE_WORDS;
    used -= words[unused]! & QuotaLayout.COUNT_MASK;
    problems.expect(`${name}: prefetched by ${id}`, words[unused + QuotaLayout.PREFETCHED], 0);
  }
  problems.expect(`${name}: units in use`, used, live);
  problems.expect(`${name}: units counted as in use`, ct.tracker.quota.pools.used(pool), live);
  problems.expect(`${name}: mutex`, words[pool + QuotaLayout.MUTEX], 0);
}

function checkQuota(ct: Conntrack, linked: Set<number>, problems: Problems): void {
  const { tracker } = ct;
  poolProblems(ct, 'connection quota', tracker.quota.pool, linked.size, problems);
  /* Checking all 65,536 zones would take longer than everything else. */
  for (let zone = 0; zone < MOST_ZONES; zone++) {
    if (ct.zoneLimit(zone).zone !== zone) {
      continue;
    }
    const pool = tracker.zoneLimits.admit(zone, tracker.participant);
    /* Connections that were admitted before the limit was deleted and made again do not count. */
    const generation = tracker.words[pool + QuotaLayout.STRIDE_WORDS]! >>> GENERATION_SHIFT;
    let admitted = 0;
    for (const record of linked) {
      const r = record << UNIT_SHIFT;
      const isOfPool =
        tracker.words[r + ConnWord.ADMIT_POOL] === pool && tracker.words[r + ConnWord.ADMIT_GENERATION] === generation;
      admitted += isOfPool ? 1 : 0;
    }
    poolProblems(ct, `zone ${zone}`, pool, admitted, problems);
  }
}

function checkLocks(ct: Conntrack, problems: Problems): void {
  const { tracker } = ct;
  const { words, memory, settings, participants } = tracker;
  const layout = memoryLayout(memory);
  for (let bucket = 0; bucket < 1 << memory.bucketBits; bucket++) {
    problems.expect(`lock of bucket ${bucket}`, words[layout.buckets + bucket * BUCKET_WORDS], 0);
  }
  problems.expect('lock of the slab', words[layout.slab + SlabLayout.MUTEX], 0);
  problems.expect('lock of the line arena', words[layout.arena + ArenaLayout.MUTEX], 0);
  problems.expect('lock of the clock', words[settings + SettingWord.CLOCK_MUTEX], 0);
  problems.expect('lock of the timeout policies', words[layout.timeouts], 0);
  problems.expect('lock of the zone limits', words[layout.zones + 1], 0);
  problems.expect('lock of the helper names', words[layout.helperNames], 0);
  problems.expect('lock of the expectations', words[tracker.alg.expectations.mutex], 0);
  problems.expect('lock of the fragments', memory.fragments[FragmentsWord.MUTEX], 0);
  for (let id = 0; id < memory.maxParticipants; id++) {
    const ring = eventRing(id, memory.eventCapacity);
    problems.expect(`pending event of ${id}`, memory.events[ring + EventRingWord.PENDING], 0);
    const base = participants.base + id * PARTICIPANT_WORDS;
    for (const word of [
      'INTENT_KIND',
      'RECORD_IN_FLIGHT',
      'QUOTA_CREDIT',
      'ZONE_CREDIT',
      'PREFETCHED_CREDITS',
      'GROW_NEW',
    ] as const) {
      problems.expect(`${word} of ${id}`, words[base + ParticipantWord[word]], 0);
    }
    if (id !== tracker.participant.id) {
      problems.expect(`epoch of ${id}`, words[base + ParticipantWord.EPOCH], 0);
    }
  }
}

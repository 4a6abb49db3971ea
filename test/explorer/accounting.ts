/** The accounting of a table when all threads have ended: what must add up whatever the schedule was. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { directionOf, findConn } from '../../src/core/path/lookup.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { META_IPV6, ParsedWord, reverseMeta } from '../../src/core/packet/key.ts';
import { swapPorts } from '../../src/core/packet/layout.ts';
import { assertConsistentLocked } from '../../src/core/table/bucket-check.ts';
import { BucketTable } from '../../src/core/table/bucket-table.ts';
import { ConnFlag, ConnWord, isExpired, LIFE_FLAGS, recordClassOf, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import { RECORD_CLASSES, SLAB_CACHE_WORDS } from '../../src/shared/memory/slab.ts';
import { zoneListFaults } from '../../src/core/zones/zone-lists-check.ts';
import { violate } from './scenario.ts';

/* Words of a slab's cache (shared/slab.ts). */
const FREE_HEAD = 0;
const RETIRED_HEAD = 4;

const NEVER_SO_MANY = 100_000;

/** Throws unless all is in order. */
export function checkAccounting(ct: Conntrack, nowMs: number): void {
  const { tracker } = ct;
  tracker.enter();
  const entries = entriesByRecord(tracker);
  const live = [...entries.keys()];
  for (const record of live) {
    checkRecord(tracker, record, entries.get(record)!);
  }
  checkCounts(ct, live.length);
  checkLists(tracker, entries);
  checkKeys(tracker, live, nowMs | 0);
  for (const fault of zoneListFaults(tracker)) {
    violate('invariant violated', fault);
  }
  tracker.leave();
}

/** Count of entries of each record; also that every bucket's index agrees with its counts, and that its lock is free. */
function entriesByRecord(tracker: Tracker): Map<number, number> {
  const { table } = tracker;
  const layout = memoryLayout(tracker.memory);
  const entries = new Map<number, number>();
  for (let bucket = 0; bucket < table.bucketCount; bucket = table.nextUsed(bucket + 1)) {
    const lock = tracker.words[layout.buckets + bucket * 16]!;
    if (lock !== 0) {
      violate('lock left held', `the lock of bucket ${bucket} is ${lock} at the end`);
    }
    table.lockBucket(bucket, tracker.participant);
    try {
      assertConsistentLocked(table, bucket);
    } catch (error) {
      violate('invariant violated', (error as Error).message);
    } finally {
      table.unlockBucket(bucket);
    }
    const block = table.blockOfBucket(bucket);
    for (let n = 0; n < BucketTable.slotsOf(block); n++) {
      const record = table.recordAt(BucketTable.slotInBlock(block, n));
      if (record !== 0) {
        entries.set(record, (entries.get(record) ?? 0) + 1);
      }
    }
  }
  return entries;
}

function checkRecord(tracker: Tracker, record: number, entries: number): void {
  const { words } = tracker;
  const r = record << UNIT_SHIFT;
  const expected = (words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0 ? 2 : 1;
  if (entries !== expected) {
    violate('half-linked connection', `record ${record} has ${entries} entries, not ${expected}`);
  }
  if ((words[r + ConnWord.LIFE]! & 1) !== 0) {
    violate('half-linked connection', `record ${record} is cleaned and still linked`);
  }
  if (words[r + ConnWord.LOCK] !== 0) {
    violate('lock left held', `the lock of record ${record} is ${words[r + ConnWord.LOCK]} at the end`);
  }
}

function checkCounts(ct: Conntrack, live: number): void {
  const { created, expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = ct.counters();
  const removed = expiredAtLookup + expiredAtSweep + killed + flushed + evicted;
  if (removed > created - live) {
    violate('double clean', `${removed} removals were counted; ${created} were created and ${live} are there`);
  }
  if (created !== live + removed) {
    violate('invariant violated', `${created} created, but ${live} live and ${removed} removed`);
  }
  if (ct.connCount !== live) {
    violate('invariant violated', `${ct.connCount} credits in use by ${live} connections`);
  }
}

/** No record on two lists of the slab, or on one and linked. */
function checkLists(tracker: Tracker, entries: ReadonlyMap<number, number>): void {
  const { words } = tracker;
  const { base, maxParticipants } = tracker.participants;
  const seen = new Map<number, string>();
  for (let id = 0; id < maxParticipants; id++) {
    for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
      const cache = base + id * PARTICIPANT_WORDS + ParticipantWord.CACHES + recordClass * SLAB_CACHE_WORDS;
      for (const [head, name] of [
        [FREE_HEAD, 'free'],
        [RETIRED_HEAD, 'retired'],
      ] as const) {
        let count = 0;
        for (let record = words[cache + head]!; record !== 0; record = words[(record << UNIT_SHIFT) + ConnWord.LINK]!) {
          const list = `the ${name} list of participant ${id}`;
          const other = entries.has(record) ? 'the index' : seen.get(record);
          if (other !== undefined) {
            violate('invariant violated', `record ${record} is on ${list} and in ${other}`);
          }
          seen.set(record, list);
          if (++count > NEVER_SO_MANY) {
            violate('invariant violated', `${list} runs in a circle`);
          }
        }
      }
    }
  }
}

/** Every tuple once, and every unexpired connection found by both of its. */
function checkKeys(tracker: Tracker, live: readonly number[], now: number): void {
  const { words } = tracker;
  const { parsed } = tracker.scratch;
  const isLive = (r: number) =>
    (words[r + ConnWord.LIFE]! & LIFE_FLAGS) === 0 && !isExpired(words[r + ConnWord.EXPIRES]!, now);
  for (const record of live) {
    const r = record << UNIT_SHIFT;
    if (!isLive(r) || (words[r + ConnWord.META]! & META_IPV6) !== 0 || recordClassOf(words, r) !== 0) {
      continue;
    }
    for (const isReply of [false, true]) {
      writeKey(tracker, r, isReply);
      const others = live.filter(
        (other) =>
          other !== record && isLive(other << UNIT_SHIFT) && directionOf(words, other << UNIT_SHIFT, parsed, 0) >= 0,
      );
      if (others.length > 0) {
        violate('tuple twice', `records ${record} and ${others.join(', ')} have the same tuple`);
      }
      const match = findConn(tracker, 0, now);
      if (match >>> 1 !== record) {
        violate('connection not found', `record ${record} is not found by its ${isReply ? 'reverse' : 'own'} key`);
      }
    }
  }
}

/** Writes the key of an IPv4 record, or its reverse, where a packet's stands. */
function writeKey(tracker: Tracker, r: number, isReply: boolean): void {
  const { words } = tracker;
  const { parsed } = tracker.scratch;
  const isTranslated = (words[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) !== 0;
  const meta = words[r + ConnWord.META]!;
  parsed[ParsedWord.META] = isReply ? reverseMeta(meta) : meta;
  if (isReply && isTranslated) {
    parsed[ParsedWord.SRC] = words[r + ConnWord.REV_SRC]!;
    parsed[ParsedWord.DST] = words[r + ConnWord.REV_DST]!;
    parsed[ParsedWord.PORTS] = words[r + ConnWord.REV_PORTS]!;
  } else {
    parsed[ParsedWord.SRC] = words[r + (isReply ? ConnWord.DST : ConnWord.SRC)]!;
    parsed[ParsedWord.DST] = words[r + (isReply ? ConnWord.SRC : ConnWord.DST)]!;
    const ports = words[r + ConnWord.PORTS]!;
    parsed[ParsedWord.PORTS] = isReply ? swapPorts(ports) : ports;
  }
  const hasTwo = (words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
  parsed[ParsedWord.HASH] = words[r + (isReply && hasTwo ? ConnWord.REV_HASH : ConnWord.HASH)]!;
}

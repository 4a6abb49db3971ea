/**
 * Everything that must hold of a table when no thread is at work: connections, index, room, every record and every index line
 * accounted for, all locks free. What has expired is removed before (`Conntrack.sweep`): looking a connection up may remove it.
 */

import { EventRingWord, eventRing } from '../../src/core/event-layout.ts';
import { hashParsed } from '../../src/core/key-hash.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { dumpBucket, visitBucket } from '../../src/core/dump.ts';
import { ConnFilter } from '../../src/core/filter.ts';
import { findConn } from '../../src/core/lookup.ts';
import { memoryLayout, SettingWord } from '../../src/core/memory.ts';
import { ENTRY_WORDS, EntryWord } from '../../src/core/alg/expectation-layout.ts';
import { EXPECTATION_ENTRIES, ExpectationHeader } from '../../src/core/alg/expectations.ts';
import { LISTS, LISTS_LOCK, NodeWord } from '../../src/core/engines/lists.ts';
import {
  fragmentAt,
  FragmentsWord,
  FragmentWord,
  LIST_HEADS,
  linkAt,
  listAt,
  ListState,
  ListWord,
} from '../../src/core/fragments/region.ts';
import { assertConsistentLocked } from '../../src/core/table/bucket-check.ts';
import { BUCKET_WORDS } from '../../src/core/table/bucket-layout.ts';
import {
  ConnFlag,
  ConnWord,
  LIFE_FLAGS,
  LIFE_GENERATION_SHIFT,
  recordClassOf,
  UNIT_SHIFT,
} from '../../src/core/table/conn.ts';
import { ArenaLayout, blockBits, blockWord } from '../../src/core/table/line-arena.ts';
import { parseTuple } from '../../src/core/tuple.ts';
import { LINE_WORDS } from '../../src/shared/cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/participant.ts';
import { RoomLayout } from '../../src/shared/room-pool.ts';
import { RECORD_CLASSES, SLAB_CACHE_WORDS, SlabLayout } from '../../src/shared/slab.ts';

/** Zones whose limits are looked at. */
const MOST_ZONES = 16;
/** In a participant's word of a pool (shared/room-pool.ts). */
const GENERATION_SHIFT = 16;
/** What is told of a table that is quite wrong. */
const MOST_PROBLEMS = 50;

class Problems {
  readonly all: string[] = [];

  expect(what: string, got: unknown, wanted: unknown): void {
    if (got !== wanted && this.all.length < MOST_PROBLEMS) {
      this.all.push(`${what}: ${String(got)}, not ${String(wanted)}`);
    }
  }
}

/** @returns what is wrong, a line each; empty: nothing */
export function problemsOf(ct: Conntrack, nowMs: number): string[] {
  const problems = new Problems();
  const linked = checkConnections(ct, nowMs, problems);
  checkRoom(ct, linked, problems);
  checkRecords(ct, linked, problems);
  checkLines(ct, problems);
  checkLocks(ct, problems);
  checkFragments(ct, problems);
  checkExpectations(ct, linked, problems);
  return problems.all;
}

/** Every connection once under each key, counted right, found by both directions. @returns the linked records */
function checkConnections(ct: Conntrack, nowMs: number, problems: Problems): Set<number> {
  const { tracker } = ct;
  const { table, words, participant } = tracker;
  const entries = new Map<number, number>();
  const linked = new Set<number>();
  tracker.enter();
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    table.lockBucket(bucket, participant);
    try {
      assertConsistentLocked(table, bucket);
    } catch (error) {
      problems.all.push((error as Error).message);
    }
    table.unlockBucket(bucket);
    const block = table.blockOfBucket(bucket);
    for (let line = blockWord(block); line < blockWord(block) + (LINE_WORDS << blockBits(block)); line += LINE_WORDS) {
      for (let slot = line + 8; slot < line + 15; slot++) {
        const record = words[slot]!;
        if (record !== 0) {
          entries.set(record, (entries.get(record) ?? 0) + 1);
        }
      }
    }
    visitBucket(tracker, bucket, (record, r) => {
      problems.expect(`record ${record} visited before`, linked.has(record), false);
      linked.add(record);
      problems.expect(`flags of LIFE of record ${record}`, words[r + ConnWord.LIFE]! & LIFE_FLAGS & 1, 0);
      problems.expect(`lock of record ${record}`, words[r + ConnWord.LOCK], 0);
      problems.expect(`label of record ${record} being written`, words[r + ConnWord.LABEL_SEQUENCE]! & 1, 0);
    });
    for (const entry of dumpBucket(tracker, bucket, nowMs | 0, new ConnFilter({}))) {
      for (const [reply, tuple] of [entry.orig, entry.reply].entries()) {
        parseTuple(tuple, entry.zone, tracker.scratch.parsed, 0);
        hashParsed(tracker.keys, tracker.scratch.parsed, 0);
        const match = findConn(tracker, 0, nowMs | 0);
        problems.expect(`${JSON.stringify(tuple)} is found, as direction`, match === 0 ? 'none' : match & 1, reply);
      }
    }
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
  let used = words[pool + RoomLayout.RESERVED]!;
  for (let id = 0; id < memory.maxParticipants; id++) {
    const unused = pool + (1 + id) * RoomLayout.STRIDE_WORDS;
    used -= words[unused]! & RoomLayout.COUNT_MASK;
    problems.expect(`${name}: taken ahead by ${id}`, words[unused + RoomLayout.AHEAD], 0);
  }
  problems.expect(`${name}: units in use`, used, live);
  problems.expect(`${name}: units counted as in use`, ct.tracker.quota.pools.used(pool), live);
  problems.expect(`${name}: mutex`, words[pool + RoomLayout.MUTEX], 0);
}

function checkRoom(ct: Conntrack, linked: Set<number>, problems: Problems): void {
  const { tracker } = ct;
  poolProblems(ct, 'room', tracker.quota.pool, linked.size, problems);
  /* Asking for all of the 65,536 zones would take longer than all the rest. */
  for (let zone = 0; zone < MOST_ZONES; zone++) {
    if (ct.zoneLimit(zone).zone !== zone) {
      continue;
    }
    const pool = tracker.zoneLimits.admit(zone, tracker.participant);
    /* What was admitted before the limit was deleted and made again does not count. */
    const generation = tracker.words[pool + RoomLayout.STRIDE_WORDS]! >>> GENERATION_SHIFT;
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

function checkRecords(ct: Conntrack, linked: Set<number>, problems: Problems): void {
  const { tracker } = ct;
  const { words, memory, participants } = tracker;
  const layout = memoryLayout(memory);
  const unitOf = new Map<number, string>();
  const note = (where: string, record: number, recordClass: number): void => {
    for (let unit = record; unit <= record + recordClass; unit++) {
      problems.expect(`unit ${unit} (${where}) also`, unitOf.get(unit), undefined);
      unitOf.set(unit, where);
    }
  };
  for (const record of linked) {
    note('linked', record, recordClassOf(words, record << UNIT_SHIFT));
  }
  const walk = (where: string, head: number, recordClass: number, limit: number): number => {
    let length = 0;
    for (let record = head; record !== 0; record = words[(record << UNIT_SHIFT) + ConnWord.LINK]!) {
      note(where, record, recordClass);
      if (++length > limit) {
        problems.all.push(`${where}: more than ${limit} records`);
        break;
      }
    }
    return length;
  };
  for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
    for (let id = 0; id < memory.maxParticipants; id++) {
      const cache =
        participants.base + id * PARTICIPANT_WORDS + ParticipantWord.CACHES + recordClass * SLAB_CACHE_WORDS;
      const name = `of ${id}, class ${recordClass}`;
      const free = walk(`free ${name}`, words[cache + SlabLayout.FREE_HEAD]!, recordClass, 1_000_000);
      problems.expect(`free records ${name}`, free, words[cache + SlabLayout.FREE_COUNT]);
      const retired = walk(`retired ${name}`, words[cache + SlabLayout.RETIRED_HEAD]!, recordClass, 1_000_000);
      problems.expect(`retired records ${name}`, retired, words[cache + SlabLayout.RETIRED_COUNT]);
      for (let unit = words[cache + SlabLayout.FRESH_NEXT]!; unit < words[cache + SlabLayout.FRESH_END]!; unit++) {
        note(`fresh ${name}`, unit, 0);
      }
    }
    let batch = words[layout.slab + SlabLayout.COMMON_HEAD + recordClass]!;
    for (; batch !== 0; batch = words[(batch << UNIT_SHIFT) + ConnWord.TAG]!) {
      const length = walk('common', batch, recordClass, SlabLayout.CHUNK);
      problems.expect('records of a batch in the common list', length, SlabLayout.CHUNK);
    }
  }
  problems.expect('units accounted for', unitOf.size, tracker.slab.unitsTaken);
}

function checkLines(ct: Conntrack, problems: Problems): void {
  const { tracker } = ct;
  const { words, memory, participants, table } = tracker;
  const layout = memoryLayout(memory);
  const firstLine = layout.lines / LINE_WORDS;
  const lines = new Map<number, string>();
  const note = (where: string, directory: number): void => {
    const first = blockWord(directory) / LINE_WORDS;
    for (let line = first; line < first + (1 << blockBits(directory)); line++) {
      problems.expect(`line ${line} (${where}) also`, lines.get(line), undefined);
      lines.set(line, where);
    }
  };
  const next = (directory: number): number => words[layout.arenaLinks + blockWord(directory) / LINE_WORDS - firstLine]!;
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    note(`bucket ${bucket}`, table.blockOfBucket(bucket));
  }
  for (let id = 0; id < memory.maxParticipants; id++) {
    const base = participants.base + id * PARTICIPANT_WORDS;
    let retired = 0;
    for (let block = words[base + ArenaLayout.RETIRED_HEAD]!; block !== 0; block = next(block)) {
      note(`retired by ${id}`, block);
      retired++;
    }
    problems.expect(`blocks retired by ${id}`, retired, words[base + ArenaLayout.RETIRED_COUNT]);
  }
  for (let bits = 0; bits <= 22; bits++) {
    let block = words[layout.arena + ArenaLayout.LIST_HEAD + bits]!;
    for (; block !== 0; block = next(block)) {
      note('free', block);
      const first = blockWord(block);
      problems.expect(
        'a free block is cleared',
        words.subarray(first, first + (LINE_WORDS << bits)).every((word) => word === 0),
        true,
      );
    }
  }
  problems.expect('lines accounted for', lines.size, words[layout.arena + ArenaLayout.NEXT_FRESH]! - firstLine);
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
    for (const word of ['INTENT_KIND', 'RECORD_IN_HAND', 'ROOM_HAND', 'ZONE_HAND', 'ROOM_AHEAD', 'GROW_NEW'] as const) {
      problems.expect(`${word} of ${id}`, words[base + ParticipantWord[word]], 0);
    }
    if (id !== tracker.participant.id) {
      problems.expect(`epoch of ${id}`, words[base + ParticipantWord.EPOCH], 0);
    }
  }
}

/** No thread is in the middle of a batch: every list is in a chain, and in one of the queues. */
function checkFragments(ct: Conntrack, problems: Problems): void {
  const words = ct.memory.fragments;
  const queued = new Map<number, string>();
  const walk = (name: string, head: number): void => {
    for (let list = head; list !== 0 && !queued.has(list); list = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!) {
      queued.set(list, name);
    }
  };
  walk('expiring', words[FragmentsWord.EXPIRY_HEAD]!);
  walk('done', words[FragmentsWord.DONE_HEAD]!);
  const seen = { lists: new Set<number>(), fragments: new Set<number>(), chunks: new Set<number>() };
  const add = (what: keyof typeof seen, number: number): void => {
    problems.expect(`${what} ${number} in use twice`, seen[what].has(number), false);
    seen[what].add(number);
  };
  for (let head = 0; head < LIST_HEADS; head++) {
    for (let list = words[FragmentsWord.HEADS + head]!; list !== 0; list = words[listAt(list) + ListWord.NEXT]!) {
      add('lists', list);
      const isDone = words[listAt(list) + ListWord.STATE] === ListState.COMPLETED;
      problems.expect(`queue of list ${list}`, queued.get(list), isDone ? 'done' : 'expiring');
      let last = -1;
      for (
        let each = words[listAt(list) + ListWord.FIRST]!;
        each !== 0;
        each = words[fragmentAt(each) + FragmentWord.NEXT]!
      ) {
        add('fragments', each);
        problems.expect(`order in list ${list}`, words[fragmentAt(each) + FragmentWord.START]! > last, true);
        last = words[fragmentAt(each) + FragmentWord.START]!;
        for (
          let chunk = words[fragmentAt(each) + FragmentWord.FIRST_CHUNK]!;
          chunk !== 0;
          chunk = words[linkAt(chunk)]!
        ) {
          add('chunks', chunk);
        }
      }
    }
  }
  problems.expect('lists in queues', queued.size, seen.lists.size);
  problems.expect('LISTS', words[FragmentsWord.LISTS], seen.lists.size);
  problems.expect('HELD', words[FragmentsWord.HELD], seen.fragments.size);
  problems.expect('CHUNKS_IN_USE', words[FragmentsWord.CHUNKS_IN_USE], seen.chunks.size);
  const free = (what: keyof typeof seen, head: number, next: (number: number) => number, fresh: number): void => {
    for (let number = head; number !== 0; number = next(number)) {
      add(what, number);
    }
    problems.expect(`${what} accounted for`, seen[what].size, fresh - 1);
  };
  free(
    'lists',
    words[FragmentsWord.FREE_LIST]!,
    (n) => words[listAt(n) + ListWord.NEXT]!,
    words[FragmentsWord.NEXT_LIST]!,
  );
  const freeFragment = words[FragmentsWord.FREE_FRAGMENT]!;
  free(
    'fragments',
    freeFragment,
    (n) => words[fragmentAt(n) + FragmentWord.NEXT]!,
    words[FragmentsWord.NEXT_FRAGMENT]!,
  );
  free('chunks', words[FragmentsWord.FREE_CHUNK]!, (n) => words[linkAt(n)]!, words[FragmentsWord.NEXT_CHUNK]!);
}

function checkExpectations(ct: Conntrack, linked: Set<number>, problems: Problems): void {
  const { expectations } = ct.tracker.alg;
  const all = ct.dumpExpectations();
  problems.expect('expectations in the dump', all.length, expectations.used);
  const { words } = ct.tracker;
  const base = memoryLayout(ct.memory).expectations;
  let free = 0;
  const entryAt = (n: number): number => base + EXPECTATION_ENTRIES + n * ENTRY_WORDS;
  for (let n = words[base + ExpectationHeader.FREE]!; n !== 0; n = words[entryAt(n) + EntryWord.NEXT]!) {
    free++;
  }
  problems.expect('expectations accounted for', free + all.length, words[base + ExpectationHeader.HIGHEST]);
  ct.tracker.alg.expectations.visit(ct.tracker.participant, (entry) => {
    const record = entry[EntryWord.PARENT_RECORD]!;
    const generation = words[(record << UNIT_SHIFT) + ConnWord.LIFE]! >>> LIFE_GENERATION_SHIFT;
    const isThere = linked.has(record) && generation === entry[EntryWord.PARENT_GENERATION];
    problems.expect('the control connection of an expectation is there', isThere, true);
  });
}

/**
 * Of the engines with lists: every list can be walked both ways, and every connection is in one (ct-scale: or in a queue), so
 * that a sweep finds it.
 */
export function listProblems(ct: Conntrack): string[] {
  const problems = new Problems();
  const { tracker } = ct;
  const { lists } = tracker.expiry;
  if (lists === undefined) {
    return [];
  }
  const listed = new Set<number>();
  for (let list = 0; list < LISTS; list++) {
    let previous = 0;
    for (let record = lists.firstOf(list); record !== 0; record = lists.nextLocked(record)) {
      problems.expect(`record ${record} in a list twice`, listed.has(record), false);
      if (listed.has(record)) {
        break;
      }
      listed.add(record);
      const node = lists.nodeOf(record);
      problems.expect(`list of record ${record}`, lists.words[node + NodeWord.LIST], list + 1);
      problems.expect(`the one before record ${record}`, lists.words[node + NodeWord.PREV], previous);
      previous = record;
    }
  }
  tracker.enter();
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record) => {
      const isQueued = lists.words[lists.nodeOf(record) + NodeWord.QUEUED] !== 0;
      problems.expect(`record ${record} in a list`, listed.has(record) || isQueued, true);
    });
  }
  tracker.leave();
  problems.expect('lock of the lists', lists.words[LISTS_LOCK], 0);
  return problems.all;
}

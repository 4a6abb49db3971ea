/**
 * Jobs of the tests of repair: a participant does something and dies before the n-th of its shared accesses, for every n; another
 * one repairs after it, and the whole table is looked at.
 */

import { CtAction, type CtActionOptions } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { EventReader } from '../../src/core/events/event-reader.ts';
import { purgeFragments } from '../../src/core/fragments/fragments.ts';
import { expireOneLocked } from '../../src/core/fragments/list-expiry.ts';
import { holdFragmentLocked } from '../../src/core/fragments/lists.ts';
import { FragmentCounter, FragmentsWord } from '../../src/core/fragments/region.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { ParsedWord } from '../../src/core/packet/key.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import type { RepairReport } from '../../src/core/repair/repair.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { ConnWord } from '../../src/core/table/conn.ts';
import { ArenaLayout } from '../../src/core/table/line-arena.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { type AccessKind, setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { forgetHeld, LockClass } from '../../src/shared/sync/lockdep.ts';
import { LockTimeoutError } from '../../src/shared/sync/lock-timeout.ts';
import { lock, lockTagOf } from '../../src/shared/sync/mutex.ts';
import { ParticipantWord } from '../../src/shared/memory/participant.ts';
import { Slab } from '../../src/shared/memory/slab.ts';
import { listProblems, problemsOf } from '../support/deep-accounting.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { reverse, tcp, udp } from '../support/frames.ts';
import { ControlConnection, hostPort } from '../support/ftp.ts';
import { tcpFrame } from '../support/tcp-frames.ts';
import { serve } from './serve.ts';
import { pretendDead } from '../support/participant-slots.ts';

const NOW_MS = 1000;
const A_WEEK_MS = 7 * 86_400_000;

class Killed extends Error {}

const batch = PacketBatch.allocate(1 << 17);

function send(
  ct: Conntrack,
  frames: Uint8Array[],
  options: CtActionOptions = { commit: true },
  nowMs = NOW_MS,
): string[] {
  const states: string[] = [];
  const action = new CtAction(options);
  for (let from = 0; from < frames.length; from += MAX_BATCH) {
    batch.clear();
    for (const frame of frames.slice(from, from + MAX_BATCH)) {
      batch.add(frame);
    }
    ct.execute(batch, action, nowMs);
    for (let i = 0; i < batch.count; i++) {
      states.push(stateText(batch.state(i)));
    }
  }
  return states;
}

function ends(flow: number): { src: string; dst: string; sport: number; dport: number } {
  return { src: `10.0.${flow >> 8}.${flow & 255}`, dst: '10.9.9.9', sport: 1000 + flow, dport: 53 };
}

function flows(from: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => udp(ends(from + i)));
}

/** Something that a participant does, on a table of its own each time. */
export interface Scenario {
  options: ConntrackOptions;
  /** By a thread that stays alive. */
  prepare?: (ct: Conntrack) => void;
  /** By the participant that dies, before: with all accesses. */
  warmUp?: (victim: Conntrack) => void;
  run: (victim: Conntrack, ct: Conntrack) => void;
  /** What must hold after the repair besides. @returns what is wrong */
  check?: (ct: Conntrack) => string[];
  /** It dies before every access of this number only: where it makes thousands that are all alike. */
  stride?: number;
}

const FTP: CtActionOptions = { commit: true, helper: 'ftp' };
const FTP_ENDS = { src: '10.1.0.1', dst: '10.2.0.1', sport: 41_000, dport: 21 };
const DATA = { src: FTP_ENDS.dst, dst: FTP_ENDS.src, sport: 20, dport: 40_001 };
const V6 = { src: '2001:db8::1', dst: '2001:db8::2', sport: 4000, dport: 80 };
const SMALL: ConntrackOptions = {
  buckets: 4,
  maxConnections: 200,
  maxParticipants: 3,
  hashSeed: [1, 2],
  eventCapacity: 64,
};
const NAT: CtActionOptions = {
  commit: true,
  nat: { action: ['src'], minAddr: '192.0.2.7', minPort: 5000, maxPort: 5003 },
};

/** Every creation and every removal is told, once, to a reader that was there from the beginning. */
function allToldProblems(ct: Conntrack): string[] {
  const events = reader!.drain();
  const problems: string[] = [];
  const { created, killed, flushed, expiredAtLookup, expiredAtSweep, evicted } = ct.counters();
  const removed = killed + flushed + expiredAtLookup + expiredAtSweep + evicted;
  for (const [kind, wanted] of [
    ['new', created],
    ['destroy', removed],
  ] as const) {
    const told = events.filter((event) => event.kind === kind);
    if (told.length !== wanted || new Set(told.map(({ id }) => id)).size !== wanted) {
      problems.push(`${told.length} events '${kind}' of ${wanted}`);
    }
  }
  return problems;
}

let reader: EventReader | undefined;
/** Fills one bucket, with no memory left for its index to grow. */
function fillBucket(ct: Conntrack): void {
  const { arena } = memoryLayout(ct.memory);
  const { words } = ct.memory;
  words[arena + ArenaLayout.CAPACITY] = words[arena + ArenaLayout.NEXT_FRESH]!;
  for (let flow = 100; ct.counters().insertFailed === 0; flow++) {
    if (bucketOf(ct, flow) === 0) {
      send(ct, flows(flow, 1));
    }
  }
}

function endExhaustion(ct: Conntrack): void {
  ct.memory.words[memoryLayout(ct.memory).arena + ArenaLayout.CAPACITY] =
    memoryLayout(ct.memory).lines / LINE_WORDS + memoryLayout(ct.memory).lineCount;
}

function bucketOf(ct: Conntrack, flow: number): number {
  batch.clear();
  batch.add(udp(ends(flow)));
  parsePacket(batch.words, batch.slots[0]!, ct.tracker.scratch.parsed, 0, 0);
  return ct.tracker.table.bucketOf(hashParsed(ct.tracker.keys, ct.tracker.scratch.parsed, 0));
}

/** A flow of the full bucket, whose answers go to another one if it is translated. */
function flowOfFullBucket(ct: Conntrack): number {
  let flow = 5000;
  while (bucketOf(ct, flow) !== 0) {
    flow++;
  }
  return flow;
}

function readEvents(ct: Conntrack): void {
  reader = ct.events();
}

const scenarios: Record<string, Scenario> = {
  'insert UDP': { options: SMALL, run: (victim) => send(victim, flows(1, 1)) },
  'insert UDP from the cache': {
    options: SMALL,
    warmUp: (victim) => send(victim, flows(100, 1)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert a batch with room taken ahead': {
    options: { ...SMALL, maxConnections: 5000 },
    warmUp: (victim) => send(victim, flows(100, 1)),
    run: (victim) => send(victim, flows(1, 3)),
  },
  'insert far from the limit': {
    options: { ...SMALL, maxConnections: 5000 },
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert TCP': { options: SMALL, run: (victim) => send(victim, [tcp(ends(1), { flags: 'S', seq: 1 })]) },
  'insert IPv6': { options: SMALL, run: (victim) => send(victim, [tcpFrame(V6, { flags: 'S', seq: 1 })]) },
  'insert into a bucket that grows': {
    options: { ...SMALL, buckets: 1 },
    prepare: (ct) => send(ct, flows(100, 10)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert what is there': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert with NAT, two buckets': { options: SMALL, run: (victim) => send(victim, flows(1, 1), NAT) },
  'insert with NAT, buckets that grow': {
    options: { ...SMALL, buckets: 2 },
    prepare: (ct) => send(ct, flows(100, 21)),
    run: (victim) => send(victim, flows(1, 1), NAT),
  },
  'insert with NAT, no port left': {
    options: SMALL,
    prepare: (ct) => {
      for (let i = 0; i < 4; i++) {
        send(ct, [udp({ ...ends(20 + i), sport: 7 })], NAT);
      }
    },
    run: (victim) => send(victim, [udp({ ...ends(1), sport: 7 })], NAT),
  },
  'insert with NAT, no memory for the second index': {
    options: SMALL,
    prepare: fillBucket,
    run: (victim) => send(victim, flows(flowOfFullBucket(victim), 1), NAT),
    check: (ct) => {
      endExhaustion(ct);
      return [];
    },
  },
  'update TCP': {
    options: SMALL,
    prepare: (ct) => send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]),
    run: (victim) => send(victim, [tcp(reverse(ends(1)), { flags: 'SA', seq: 9, ack: 2 })]),
  },
  'update UDP': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, [udp(reverse(ends(1)))]),
  },
  'end TCP': {
    options: SMALL,
    prepare: (ct) => send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]),
    run: (victim) => send(victim, [tcp(reverse(ends(1)), { flags: 'RA', seq: 9, ack: 2 })]),
  },
  'reopen TCP': {
    options: SMALL,
    prepare: (ct) =>
      send(ct, [tcp(ends(1), { flags: 'S', seq: 1 }), tcp(reverse(ends(1)), { flags: 'RA', seq: 9, ack: 2 })]),
    run: (victim) => send(victim, [tcp(ends(1), { flags: 'S', seq: 50_000 })]),
  },
  'set mark and label': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) =>
      send(victim, flows(1, 1), { commit: true, mark: { value: 5, mask: 0xff }, label: { value: '1', mask: 'ff' } }),
  },
  'remove by lookup': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, flows(1, 1), {}, NOW_MS + 120_000),
  },
  'replace what has expired': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, flows(1, 1), { commit: true }, NOW_MS + 120_000),
  },
  force: {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, [udp(reverse(ends(1)))], { commit: true, force: true }),
  },
  sweep: {
    options: { ...SMALL, reclaim: 'sweep' },
    prepare: (ct) => send(ct, flows(1, 3)),
    run: (victim) => victim.sweep(NOW_MS + 120_000),
  },
  flush: {
    options: SMALL,
    prepare: (ct) => {
      send(ct, flows(1, 2));
      send(ct, flows(3, 1), NAT);
    },
    run: (victim) => victim.flush(),
  },
  'flush with events': {
    options: SMALL,
    prepare: (ct) => {
      readEvents(ct);
      send(ct, flows(1, 1));
      send(ct, flows(3, 1), NAT);
    },
    run: (victim) => victim.flush(),
    check: allToldProblems,
  },
  'insert with events': {
    options: SMALL,
    prepare: readEvents,
    run: (victim) => send(victim, flows(1, 2)),
    check: allToldProblems,
  },
  'insert with NAT and events': {
    options: SMALL,
    prepare: readEvents,
    run: (victim) => send(victim, flows(1, 2), NAT),
    check: allToldProblems,
  },
  'update with events': {
    options: SMALL,
    prepare: (ct) => {
      readEvents(ct);
      send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]);
    },
    run: (victim) => send(victim, [tcp(reverse(ends(1)), { flags: 'SA', seq: 9, ack: 2 })]),
    check: allToldProblems,
  },
  'early drop': {
    options: { ...SMALL, maxConnections: 8, tableFull: 'early-drop' },
    prepare: (ct) => send(ct, flows(100, 8)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'refuse at the limit': {
    options: { ...SMALL, maxConnections: 8 },
    prepare: (ct) => send(ct, flows(100, 8)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'give back at the limit': {
    options: { ...SMALL, maxConnections: 8 },
    prepare: (ct) => {
      send(ct, flows(100, 8));
      send(ct, flows(1, 1));
    },
    run: (victim) => victim.flush(),
  },
  'insert in a zone with a limit': {
    options: SMALL,
    prepare: (ct) => ct.setZoneLimit(5, 10),
    run: (victim) => send(victim, flows(1, 1), { commit: true, zone: 5 }),
  },
  'insert in a zone for which a default limit makes an entry': {
    options: SMALL,
    prepare: (ct) => ct.setZoneLimit('default', 10),
    run: (victim) => send(victim, flows(1, 1), { commit: true, zone: 6 }),
  },
  'refuse in a full zone': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit(5, 1);
      send(ct, flows(100, 1), { commit: true, zone: 5 });
    },
    run: (victim) => send(victim, flows(1, 1), { commit: true, zone: 5 }),
  },
  'flush a zone with a limit': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit(5, 2);
      send(ct, flows(100, 3), { commit: true, zone: 5 });
    },
    run: (victim) => victim.flush({ zone: 5 }),
  },
  'set and delete a timeout policy': {
    options: SMALL,
    run: (victim) => {
      victim.setTimeoutPolicy(7, { udp_first: 5 });
      victim.deleteTimeoutPolicy(7);
    },
  },
  'set zone limits': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit('default', 3);
      send(ct, flows(100, 2), { commit: true, zone: 5 });
    },
    run: (victim) => {
      victim.setZoneLimit(5, 2);
      victim.setZoneLimit(6, 2);
      victim.setZoneLimit('default', 4);
    },
  },
  dump: {
    options: SMALL,
    prepare: (ct) => send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]),
    run: (victim) => [...victim.dump({ nowMs: NOW_MS })],
  },
  reclaim: {
    options: { ...SMALL, maxConnections: 500 },
    prepare: (ct) => ct.tracker.enter(),
    warmUp: (victim) => {
      send(victim, flows(1, 200));
      victim.flush();
    },
    run: (victim, ct) => {
      ct.tracker.leave();
      victim.tracker.reclaim();
      victim.tracker.reclaim();
    },
  },
  'insert from the common list': {
    options: { ...SMALL, maxConnections: 500 },
    prepare: (ct) => {
      send(ct, flows(1, 200));
      ct.flush();
      ct.tracker.reclaim();
      ct.tracker.reclaim();
    },
    run: (victim) => send(victim, flows(1, 1)),
  },
  'reclaim what a bucket has grown out of': {
    options: { ...SMALL, buckets: 1 },
    prepare: (ct) => ct.tracker.enter(),
    warmUp: (victim) => send(victim, flows(1, 50)),
    run: (victim, ct) => {
      ct.tracker.leave();
      victim.tracker.reclaim();
      victim.tracker.reclaim();
    },
  },
  'delete the default zone limit': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit('default', 10);
      send(ct, flows(100, 1), { commit: true, zone: 1 });
      send(ct, flows(100, 1), { commit: true, zone: 2 });
      send(ct, flows(100, 1), { commit: true, zone: 3 });
    },
    run: (victim) => victim.deleteZoneLimit('default'),
    check: (ct) => {
      if (ct.zoneLimit('default').limit !== 0) {
        return [];
      }
      /* No entry is left that lived by it. */
      ct.setZoneLimit('default', 10);
      const counts = [1, 2, 3].map((zone) => ct.zoneLimit(zone).count);
      ct.deleteZoneLimit('default');
      return counts.every((count) => count === 0) ? [] : [`zones still count ${counts.join()}`];
    },
  },
  'attach and close': {
    options: SMALL,
    warmUp: (victim) => send(victim, flows(1, 10)),
    run: (victim) => victim.close(),
  },
};

/* The scenarios in which the other engines differ. */
for (const engine of ['baseline', 'ct-scale'] as const) {
  for (const name of [
    'insert UDP',
    'insert with NAT, two buckets',
    'update TCP',
    'end TCP',
    'reopen TCP',
    'update UDP',
    'replace what has expired',
    'force',
    'sweep',
    'flush',
  ]) {
    const scenario = scenarios[name]!;
    scenarios[`${engine}: ${name}`] = {
      ...scenario,
      options: { ...scenario.options, engine, buckets: 1, reclaim: 'sweep' },
    };
  }
  scenarios[`${engine}: insert between others that expire earlier and later`] = {
    options: { ...SMALL, engine, buckets: 1 },
    prepare: (ct) => {
      send(ct, flows(1, 1));
      send(ct, flows(2, 1), { commit: true }, NOW_MS + 50);
      ct.sweep(NOW_MS + 100);
      send(ct, flows(3, 1), { commit: true }, NOW_MS + 20);
    },
    run: (victim) => victim.sweep(NOW_MS + 100),
  };
}

const DATAGRAM = fragmentsOf(udp(ends(1), Buffer.alloc(2992)), 7, 1000);
const OTHER_DATAGRAM = fragmentsOf(udp(ends(2), Buffer.alloc(1992)), 8, 1000);

/** What was taken in went somewhere: sent, expired, purged, or is still held. */
function fragmentProblems(ct: Conntrack): string[] {
  const { v4, held } = fragmentCounts(ct);
  const gone = v4(FragmentCounter.completedSent) + v4(FragmentCounter.expiredSent) + v4(FragmentCounter.purged);
  return v4(FragmentCounter.accepted) === gone + held
    ? []
    : [`${v4(FragmentCounter.accepted)} fragments accepted, ${gone} gone, ${held} held`];
}

function fragmentCounts(ct: Conntrack): { v4: (counter: number) => number; held: number } {
  const { counters, words } = ct.tracker.fragments;
  return { v4: (counter) => counters[counter]!, held: words[FragmentsWord.HELD]! };
}

function keepFragments(ct: Conntrack): void {
  ct.fragments.setMinFragSize('v4', 400);
}

Object.assign(scenarios, {
  'hold a fragment': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, OTHER_DATAGRAM.slice(0, 1));
    },
    run: (victim) => send(victim, DATAGRAM.slice(0, 2)),
    check: fragmentProblems,
  },
  'complete a datagram': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, [...DATAGRAM.slice(0, 1), ...OTHER_DATAGRAM.slice(0, 1)]);
    },
    run: (victim) => send(victim, [...DATAGRAM.slice(1), ...OTHER_DATAGRAM.slice(1)]),
    check: fragmentProblems,
  },
  'let fragments expire': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, [...DATAGRAM.slice(0, 1), ...OTHER_DATAGRAM.slice(0, 1)]);
    },
    run: (victim) => {
      send(victim, flows(9, 1), { commit: true }, NOW_MS + 16_000);
      purgeFragments(victim.tracker.fragments, NOW_MS + 30_000);
    },
    check: fragmentProblems,
  },
  'dump fragments': {
    options: SMALL,
    prepare: (ct) => {
      keepFragments(ct);
      send(ct, DATAGRAM.slice(0, 1));
    },
    run: (victim) => victim.fragmentLists(),
    stride: 149,
  },
  'FTP announces a data connection': {
    options: SMALL,
    run: (victim) => announce(victim),
  },
  'FTP announces one more': {
    options: SMALL,
    prepare: (ct) => announce(ct),
    run: (victim) => {
      const control = new ControlConnection(victim, { ends: FTP_ENDS, action: FTP });
      control.deliver('client', { flags: 'PA', seq: 1001 + 25, data: `PORT ${hostPort(FTP_ENDS.src, 40_002)}\r\n` });
    },
  },
  'FTP opens a data connection': {
    options: SMALL,
    prepare: (ct) => announce(ct),
    run: (victim) => send(victim, [tcp(DATA, { flags: 'S', seq: 1 })], FTP),
  },
  'FTP ends': {
    options: SMALL,
    prepare: (ct) => {
      announce(ct);
      send(ct, [tcp(DATA, { flags: 'S', seq: 1 })], FTP);
    },
    run: (victim) => victim.flush(),
  },
} satisfies Record<string, Scenario>);

/** The words as they are, but the n-th plain store into them does not happen: there the thread dies. */
function tearingAt(words: Words, n: number): Words {
  let stores = 0;
  return new Proxy(words, {
    get: (target, name) => Reflect.get(target, name, target) as unknown,
    set: (target, name, value) => {
      if (++stores >= n) {
        throw new Killed();
      }
      return Reflect.set(target, name, value, target);
    },
  });
}

/** As V8 may end a thread anywhere in the middle of a change of the held fragments: before any of its plain stores. */
function tearFragments(n: number, change: (tracker: Tracker) => void): { isDone: boolean; problems: string[] } {
  const ct = new Conntrack(SMALL);
  keepFragments(ct);
  send(ct, [...DATAGRAM.slice(0, 1), ...DATAGRAM.slice(2), ...OTHER_DATAGRAM.slice(0, 1)]);
  const victim = Conntrack.attach(ct.memory);
  const { tracker } = victim;
  batch.clear();
  batch.add(DATAGRAM[1]!);
  parsePacket(batch.words, batch.slots[0]!, tracker.scratch.parsed, 0, 0);
  const { fragments } = tracker;
  const torn = Object.create(tracker, {
    fragments: { value: Object.create(fragments, { words: { value: tearingAt(fragments.words, n) } }) },
  }) as Tracker;
  lock(fragments.words, FragmentsWord.MUTEX, tracker.participant, LockClass.fragments);
  let isDone = true;
  try {
    change(torn);
  } catch (error) {
    if (!(error instanceof Killed)) {
      throw error;
    }
    isDone = false;
  }
  forgetHeld();
  pretendDead(victim);
  ct.repair(victim.participant);
  const problems = check(ct, 'after the repair');
  const states = send(ct, fragmentsOf(udp(ends(5), Buffer.alloc(2992)), 9, 1000), { commit: true });
  if (states.join() !== 'new|trk,new|trk,new|trk') {
    problems.push(`a datagram after the repair: ${states.join()}`);
  }
  return { isDone, problems };
}

const CHANGES: Record<string, (tracker: Tracker) => void> = {
  'a fragment that is held': (tracker) => {
    /* With another identification it begins a list. */
    tracker.scratch.parsed[ParsedWord.FRAGMENT_ID] = 99;
    holdFragmentLocked(tracker.fragments, batch.words, batch.slots[0]!, 0, NOW_MS);
  },
  'a fragment that completes its list': (tracker) => {
    holdFragmentLocked(tracker.fragments, batch.words, batch.slots[0]!, 0, NOW_MS);
  },
  'a list that expires': (tracker) => expireOneLocked(tracker.fragments, NOW_MS + 20_000),
};

function announce(ct: Conntrack): void {
  const control = new ControlConnection(ct, { ends: FTP_ENDS, action: FTP, nowMs: NOW_MS });
  control.open();
  control.send('client', `PORT ${hostPort(FTP_ENDS.src, 40_001)}\r\n`);
}

function merge(into: RepairReport | undefined, report: RepairReport): RepairReport {
  const merged: Record<string, unknown> = { ...report };
  for (const [name, value] of Object.entries(into ?? {})) {
    if (typeof value === 'number') {
      merged[name] = value + (merged[name] as number);
    } else if (name === 'wasEventReader') {
      merged[name] = value || merged[name];
    }
  }
  return merged as unknown as RepairReport;
}

/** Runs until the n-th access, where it dies. @returns whether it came to its end before */
function runUntil(n: number, run: () => void): boolean {
  let accesses = 0;
  setSchedulingHook(() => {
    /* From then on at every access: nothing that would run in a living thread alone may change anything. */
    if (++accesses >= n) {
      throw new Killed();
    }
  });
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof Killed)) {
      throw error;
    }
    return false;
  } finally {
    setSchedulingHook(undefined);
    forgetHeld();
  }
}

/** Runs until an access of this kind to the word. */
function dieBefore(wanted: AccessKind, word: () => number, run: () => void): void {
  setSchedulingHook((kind, _words, index) => {
    if (kind === wanted && index === word()) {
      throw new Killed();
    }
  });
  try {
    run();
  } catch (error) {
    if (error instanceof Killed) {
      return;
    }
    throw error;
  } finally {
    setSchedulingHook(undefined);
    forgetHeld();
  }
  throw new Error('it did not die');
}

/** Scenarios of what a thread may do that has patience: nothing with packets. */
const PATIENT = [
  'sweep',
  'flush',
  'flush with events',
  'flush a zone with a limit',
  'give back at the limit',
  'set and delete a timeout policy',
  'set zone limits',
  'delete the default zone limit',
  'FTP ends',
  'baseline: sweep',
  'baseline: flush',
  'ct-scale: sweep',
  'ct-scale: flush',
];

/** A participant that nobody is. */
const STRANGER = 2;

/** Lets a stranger take the n-th lock just before `run` does, and keep it. @returns the lock; undefined: there are not so many */
function giveUpAt(n: number, run: () => void): { words: Words; index: number } | undefined {
  let locks = 0;
  let held: { words: Words; index: number } | undefined;
  setSchedulingHook((kind, words, index) => {
    if (kind !== 'compareExchange' || held !== undefined) {
      return;
    }
    const { stack = '' } = new Error('where');
    if (stack.includes('/sync/mutex.') && Atomics.load(words, index) === 0 && ++locks === n) {
      held = { words, index };
      Atomics.store(words, index, lockTagOf(STRANGER));
    }
  });
  try {
    run();
  } catch (error) {
    if (error instanceof LockTimeoutError && error.message.includes(`participant ${STRANGER}`)) {
      return held;
    }
    throw error;
  } finally {
    setSchedulingHook(undefined);
  }
  if (held !== undefined) {
    throw new Error('it did not give up');
  }
  return undefined;
}

export interface Outcome {
  /** Accesses before which it died. */
  points: number;
  /** Sums over all of them. */
  report: RepairReport;
  /** The first problems, with the number of the access. */
  problems: string[];
}

/** What is wrong with a table, in which nobody is at work. */
function check(ct: Conntrack, when: string): string[] {
  return [...problemsOf(ct, NOW_MS), ...listProblems(ct)].map((problem) => `${when}: ${problem}`);
}

interface Death {
  scenario: Scenario;
  /** Access before which the participant dies. */
  n: number;
  /** If given: a first repairer dies before this access of its own. */
  m?: number | undefined;
}

function dieAt({ scenario, n, m }: Death): { isDone: boolean; report?: RepairReport; problems: string[] } {
  const ct = new Conntrack(scenario.options);
  scenario.prepare?.(ct);
  const victim = Conntrack.attach(ct.memory);
  scenario.warmUp?.(victim);
  if (runUntil(n, () => scenario.run(victim, ct))) {
    return { isDone: true, problems: [] };
  }
  if (m !== undefined) {
    const repairer = Conntrack.attach(ct.memory);
    pretendDead(victim);
    runUntil(m, () => repairer.repair(victim.participant));
    pretendDead(repairer);
    ct.repair(repairer.participant);
  }
  pretendDead(victim);
  const report = ct.repair(victim.participant);
  const problems = report.isComplete ? [] : ['the repair is not complete'];
  problems.push(...check(ct, 'after the repair'), ...(scenario.check?.(ct) ?? []));

  /* The replacement does the same once more, and all of it can be undone. */
  const { participant, token } = report;
  let replacement = Conntrack.attach(ct.memory, { participant, token });
  scenario.run(replacement, ct);
  if (replacement.tracker.isClosed) {
    replacement = Conntrack.attach(ct.memory);
  }
  replacement.tracker.leave();
  ct.deleteZoneLimit('default');
  ct.sweep(NOW_MS + A_WEEK_MS);
  if (ct.connCount !== 0) {
    problems.push(`${ct.connCount} connections are left after a week`);
  }
  ct.flush();
  const limit = Math.min(ct.maxConnections, 40);
  ct.maxConnections = limit;
  const states = [...send(ct, flows(500, limit)), ...send(replacement, flows(900, 1))];
  if (ct.connCount !== limit || states.some((state) => state !== 'new|trk')) {
    problems.push(`after a flush ${ct.connCount} of ${limit} connections were made`);
  }
  ct.flush();
  problems.push(...check(ct, 'at the end'));
  return { isDone: false, report, problems };
}

/** A repair makes some 40 accesses, and more with what there is to do: all of them in turn. */
function repairerDiesAt(n: number): number {
  return 1 + ((n * 29) % 97);
}

const jobs = {
  scenarios(): string[] {
    return Object.keys(scenarios);
  },

  /** Dies before each access of a scenario in turn. */
  dieEverywhere({
    name,
    isRepairerMortal,
    step = 1,
  }: {
    name: string;
    isRepairerMortal: boolean;
    step?: number;
  }): Outcome {
    const outcome: { points: number; report?: RepairReport; problems: string[] } = { points: 0, problems: [] };
    const { stride = 1 } = scenarios[name]!;
    for (let n = 1; ; n += Math.max(stride, step)) {
      let result;
      try {
        result = dieAt({ scenario: scenarios[name]!, n, m: isRepairerMortal ? repairerDiesAt(n) : undefined });
      } catch (error) {
        throw new Error(`${name}, access ${n}: ${(error as Error).stack}`, { cause: error });
      }
      if (result.isDone) {
        return outcome as Outcome;
      }
      outcome.points++;
      outcome.report = merge(outcome.report, result.report!);
      outcome.problems.push(...result.problems.slice(0, 5).map((problem) => `access ${n}: ${problem}`));
      if (outcome.problems.length > 10) {
        return outcome as Outcome;
      }
    }
  },

  /** Dies where it is about to give a record back: the checks have noted it, and the record is still in hand. */
  dieGivingBack({ what }: { what: 'keep' | 'retire' }): string[] {
    const { options, prepare, run } = scenarios[what === 'keep' ? 'insert with NAT, no port left' : 'flush']!;
    const ct = new Conntrack(options);
    prepare?.(ct);
    const victim = Conntrack.attach(ct.memory);
    const original = Slab.prototype[what];
    Slab.prototype[what] = () => {
      throw new Killed();
    };
    try {
      run(victim, ct);
      return ['it did not die'];
    } catch (error) {
      if (!(error instanceof Killed)) {
        throw error;
      }
    } finally {
      Slab.prototype[what] = original as never;
      forgetHeld();
    }
    pretendDead(victim);
    const { isComplete } = ct.repair(victim.participant);
    return [...(isComplete ? [] : ['the repair is not complete']), ...check(ct, 'after the repair')];
  },

  /**
   * One dies while it writes the label of a connection, another one when it is about to tell of that connection's removal.
   * @returns what a dump says of the label meanwhile, and how the repairs fare, the second's first
   */
  dieOverLabel(): { label: string; isComplete: boolean[]; told: string[]; problems: string[] } {
    const ct = new Conntrack({ ...SMALL, maxParticipants: 4 });
    const events = ct.events();
    send(ct, flows(1, 1));
    const writer = Conntrack.attach(ct.memory);
    const remover = Conntrack.attach(ct.memory);
    const { base } = writer.tracker.participant;
    const wordOf = (word: number) => ct.memory.words[base + ParticipantWord.CONNECTION_LOCK]! - ConnWord.LOCK + word;
    dieBefore(
      'store',
      () => wordOf(ConnWord.LABEL + 1),
      () => send(writer, flows(1, 1), { commit: true, label: { value: '1', mask: '1' } }),
    );
    const label = [...ct.dump({ nowMs: NOW_MS })].flat()[0]!.label;
    dieBefore(
      'load',
      () => wordOf(ConnWord.LABEL_SEQUENCE),
      () => remover.flush(),
    );
    [writer, remover].forEach(pretendDead);
    const isComplete = [remover, writer, remover].map(({ participant }) => ct.repair(participant).isComplete);
    const told = events.drain().map(({ kind }) => kind);
    events.close();
    return { label, isComplete, told, problems: check(ct, 'after the repairs') };
  },

  patientScenarios(): string[] {
    return PATIENT;
  },

  /**
   * A thread with patience gives up waiting for each lock of a scenario in turn, which a stranger holds; when that one is gone, it
   * does the same once more.
   */
  giveUpEverywhere({ name }: { name: string }): { points: number; problems: string[] } {
    const scenario = scenarios[name]!;
    const outcome = { points: 0, problems: [] as string[] };
    for (let n = 1; ; n++) {
      const ct = new Conntrack(scenario.options);
      scenario.prepare?.(ct);
      const thread = Conntrack.attach(ct.memory);
      thread.lockTimeoutMs = 1;
      const held = giveUpAt(n, () => scenario.run(thread, ct));
      if (held === undefined) {
        return outcome;
      }
      outcome.points++;
      Atomics.store(held.words, held.index, 0);
      scenario.run(thread, ct);
      const problems = [...check(ct, 'at the end'), ...(scenario.check?.(ct) ?? [])];
      outcome.problems.push(...problems.slice(0, 5).map((problem) => `lock ${n}: ${problem}`));
    }
  },

  changes(): string[] {
    return Object.keys(CHANGES);
  },

  /** Dies before each plain store of a change of the held fragments in turn. */
  tearEverywhere({ name }: { name: string }): { points: number; problems: string[] } {
    const outcome = { points: 0, problems: [] as string[] };
    for (let n = 1; ; n++) {
      const { isDone, problems } = tearFragments(n, CHANGES[name]!);
      outcome.problems.push(...problems.slice(0, 5).map((problem) => `store ${n}: ${problem}`));
      if (isDone || outcome.problems.length > 10) {
        return outcome;
      }
      outcome.points = n;
      /* The frame is copied word by word. */
      if (n > 30 && n < 250) {
        n += 50;
      }
    }
  },
};

export type RepairJobs = typeof jobs;
serve(jobs);

/** Small connection tables for scenarios: how they are made, what a thread does to them, what their words are called. */

import { CtAction, type CtActionOptions } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { findConn } from '../../src/core/path/lookup.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { NoteWord } from '../../src/core/packet/batch-scratch.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { SweepCursor, sweepStep } from '../../src/core/expiry/sweep.ts';
import { BUCKET_WORDS } from '../../src/core/table/bucket-layout.ts';
import { UNIT_WORDS } from '../../src/core/table/conn.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { parseTuple, type PortTuple } from '../../src/core/inspect/tuple.ts';
import { SEGMENT_WORDS } from '../../src/core/zones/zone-lists-layout.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { Readers, UnitLedger } from '../../src/shared/checked/ledger.ts';
import { reverse, udp, type PortEnds } from '../support/frames.ts';
import type { Built, Region } from './scenario.ts';
import { takeSlot } from '../support/participant-slots.ts';

/** Time of the preparation; scenarios go on from here. */
export const START_MS = 1000;
/** More than any timeout of UDP: what stood in the table at START_MS has expired. */
export const LATER_MS = 1_000_000;

/** Threads do not spin in front of a lock; see scenarios/mutex.ts for those that do. */
const NO_SPINS = -5;

/** Words that a run may change besides what the preparation used. */
const SPARE_LINES = 64;
const SPARE_UNITS = 4;
/** Of what the preparation took, these. */
const USED_UNITS = 48;
/** Zones of the scenarios: lower ones. */
const ZONES_USED = 2;
/** Buckets of the scenarios: lower ones. */
const BUCKETS_USED = 16;
/** Units that the slab hands out at once (shared/slab.ts), and how many such chunks a run may take. */
const CHUNK_UNITS = 256;
const CHUNKS = 4;
/** The shared words of the fragments that a packet looks at. */
const FRAGMENT_HEADER_WORDS = 64;

export interface TableShared {
  memory: TrackerMemory;
}

/** A table; `prepare` fills it as a thread that is gone when the scenario begins. */
export function buildTable(
  options: ConntrackOptions & { threads: number },
  prepare: (ct: Conntrack, player: TablePlayer) => void = () => {},
): Built<TableShared> {
  const { threads, ...rest } = options;
  const ct = new Conntrack({
    hashSeed: [1, 2],
    buckets: 1,
    maxConnections: 64,
    maxParticipants: threads,
    eventCapacity: 16,
    ...rest,
  });
  const player = new TablePlayer(ct);
  prepare(ct, player);
  ct.close();
  return { shared: { memory: ct.memory }, regions: regionsOf(ct) };
}

type Range = readonly [number, number];

function regionsOf(ct: Conntrack): Region[] {
  const { memory, tracker } = ct;
  const layout = memoryLayout(memory);
  const lines = linesUsed(tracker.words, layout) + SPARE_LINES;
  /* Units, counted from the first. */
  const used = tracker.slab.unitsTaken;
  const units: Range[] = Array.from({ length: CHUNKS }, (_, i) => [
    used + i * CHUNK_UNITS,
    used + i * CHUNK_UNITS + SPARE_UNITS,
  ]);
  if (used > 0) {
    units.push([0, Math.min(USED_UNITS, used)]);
  }
  const buckets = Math.min(BUCKETS_USED, tracker.table.bucketCount);
  const regions: Region[] = [
    {
      name: 'table',
      words: memory.words,
      ranges: [
        [0, layout.directories + buckets],
        [layout.buckets, layout.buckets + buckets * BUCKET_WORDS],
        [layout.arenaLinks, layout.arenaLinks + lines],
        [layout.lines, layout.lines + lines * LINE_WORDS],
        ...units.map(([from, end]): Range => [layout.records + from * UNIT_WORDS, layout.records + end * UNIT_WORDS]),
      ],
    },
    { name: 'fragments', words: memory.fragments, ranges: [[0, FRAGMENT_HEADER_WORDS]] },
    { name: 'events', words: memory.events, ranges: [] },
    { name: 'zone lists', words: memory.zoneLists, ranges: zoneListRanges(tracker) },
    { name: 'lists', words: memory.lists, ranges: [[0, Math.min(memory.lists.length, 8192)]] },
  ];
  if (memory.ledger !== undefined) {
    /* As core/checks.ts lays it out: readers, records, lines. */
    const records = Readers.wordsFor(memory.maxParticipants);
    const blocks = records + ((layout.end - layout.records) / UNIT_WORDS) * UnitLedger.WORDS;
    regions.push({
      name: 'ledger',
      words: memory.ledger,
      ranges: [
        [0, records],
        ...units.map(([from, end]): Range => [records + from * UnitLedger.WORDS, records + end * UnitLedger.WORDS]),
        [blocks, blocks + lines * UnitLedger.WORDS],
      ],
    });
  }
  return regions;
}

/** The words of ZONES_USED, and of the segments that a run may use. */
function zoneListRanges({ zoneLists, memory }: Tracker): Range[] {
  const { layout } = zoneLists;
  const { maxParticipants } = memory;
  const threads = Array.from({ length: maxParticipants }, (_, id) => id);
  const used = zoneLists.slab.unitsTaken;
  const segments: Range[] = Array.from({ length: CHUNKS }, (_, i) => [
    used + i * CHUNK_UNITS,
    used + i * CHUNK_UNITS + SPARE_UNITS,
  ]);
  if (used > 0) {
    segments.push([0, SPARE_UNITS]);
  }
  return [
    [0, layout.heads],
    [zoneLists.headOf(0), zoneLists.headOf(ZONES_USED * maxParticipants)],
    ...threads.map((id): Range => [zoneLists.tailOf(id, 0), zoneLists.tailOf(id, ZONES_USED)]),
    ...segments.map(([from, end]): Range => {
      const first = layout.firstSegment;
      return [(first + from) * SEGMENT_WORDS, (first + end) * SEGMENT_WORDS];
    }),
  ];
}

/* The arena's bump pointer is its word 1 (table/line-arena.ts). */
function linesUsed(words: Int32Array, layout: ReturnType<typeof memoryLayout>): number {
  return words[layout.arena + 1]! - layout.lines / LINE_WORDS;
}

export const SERVER = { dst: '10.9.9.9', dport: 53 };

/** The n-th flow of tests. */
export function flow(n: number): PortEnds {
  return { src: '10.0.0.1', sport: 1000 + n, ...SERVER };
}

/** Numbers and booleans of an object that is a thread's own, to be set back. */
function captured(target: object): () => void {
  const fields = Object.entries(target).filter(([, value]) => typeof value === 'number' || typeof value === 'boolean');
  return () => {
    for (const [name, value] of fields) {
      (target as Record<string, unknown>)[name] = value;
    }
  };
}

/** What a thread of a scenario has of a table. */
export class TablePlayer {
  ct!: Conntrack;
  tracker!: Tracker;
  readonly #batch = PacketBatch.allocate(4096);
  #resets: (() => void)[] = [];

  constructor(ct: Conntrack) {
    this.#use(ct);
  }

  #use(ct: Conntrack): void {
    this.ct = ct;
    this.tracker = ct.tracker;
    const { tracker } = this;
    tracker.participant.spinEstimate = NO_SPINS;
    tracker.time[0] = START_MS;
    const own = [tracker, tracker.participant, tracker.eviction, tracker.fragments, tracker.alg, tracker.eventRing];
    this.#resets = own.map((object) => captured(object));
  }

  static attach({ memory }: TableShared): TablePlayer {
    return new TablePlayer(Conntrack.attach(memory));
  }

  /** Opens the thread's view of the table again. After a death in mid-operation its JavaScript objects may be stale, too. */
  resurrect(): void {
    this.#use(takeSlot(this.ct.memory, this.ct));
  }

  /** Everything that this thread keeps besides shared memory is as when it attached. */
  reset(): void {
    for (const reset of this.#resets) {
      reset();
    }
    this.tracker.scratch.notes[NoteWord.STALE_COUNT] = 0;
    this.tracker.time[0] = START_MS;
  }

  /** Sends frames as one batch; their states as text. */
  send(frames: readonly Uint8Array[], action: CtAction, nowMs: number): string[] {
    this.#batch.clear();
    for (const frame of frames) {
      this.#batch.add(frame);
    }
    this.ct.execute(this.#batch, action, nowMs);
    return frames.map((_, i) => stateText(this.#batch.state(i)));
  }

  /** A sweep over the whole table. */
  sweep(nowMs: number): void {
    const { tracker } = this;
    tracker.enter();
    const cursor = new SweepCursor();
    sweepStep(tracker, cursor, nowMs | 0, 1e9);
    tracker.quiesce();
    tracker.leave();
  }

  /** The match (core/lookup.ts) of a tuple, inside an epoch. */
  find(ends: PortEnds, nowMs: number): number {
    const { tracker } = this;
    parseTuple(tupleOf(ends), 0, tracker.scratch.parsed, 0);
    hashParsed(tracker.keys, tracker.scratch.parsed, 0);
    return findConn(tracker, 0, nowMs | 0);
  }

  /** The hash of a tuple. */
  hashOf(ends: PortEnds): number {
    const { tracker } = this;
    parseTuple(tupleOf(ends), 0, tracker.scratch.parsed, 0);
    return hashParsed(tracker.keys, tracker.scratch.parsed, 0);
  }
}

export function tupleOf(ends: PortEnds): PortTuple {
  return { ...ends, proto: 17 };
}

export function action(options: CtActionOptions = { commit: true }): CtAction {
  return new CtAction(options);
}

export const COMMIT = action();
export const LOOK = action({});

export const opening = (n: number): Uint8Array => udp(flow(n));
export const answer = (n: number): Uint8Array => udp(reverse(flow(n)));

/** The first `count` flows whose hash satisfies a condition. */
export function flowsWhere(player: TablePlayer, count: number, holds: (hash: number, n: number) => boolean): number[] {
  const found: number[] = [];
  for (let n = 0; found.length < count; n++) {
    if (holds(player.hashOf(flow(n)), n)) {
      found.push(n);
    }
  }
  return found;
}

/** Traffic of the repair tests: packets, connections and options that the scenarios share. */

import { CtAction, type CtActionOptions } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { EventReader } from '../../src/core/events/event-reader.ts';
import { FragmentCounter, FragmentsWord } from '../../src/core/fragments/region.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { ParsedWord } from '../../src/core/packet/key.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { ArenaLayout } from '../../src/core/table/line-arena.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { udp } from '../support/frames.ts';
import { listProblems, problemsOf } from '../support/deep-accounting.ts';
import { ControlConnection, hostPort } from '../support/ftp.ts';

export const NOW_MS = 1000;
export const A_WEEK_MS = 7 * 86_400_000;

export const batch = PacketBatch.allocate(1 << 17);

export function send(
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

export function ends(flow: number): { src: string; dst: string; sport: number; dport: number } {
  return { src: `10.0.${flow >> 8}.${flow & 255}`, dst: '10.9.9.9', sport: 1000 + flow, dport: 53 };
}

export function flows(from: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => udp(ends(from + i)));
}

export const FTP: CtActionOptions = { commit: true, helper: 'ftp' };
export const FTP_ENDS = { src: '10.1.0.1', dst: '10.2.0.1', sport: 41_000, dport: 21 };
export const DATA = { src: FTP_ENDS.dst, dst: FTP_ENDS.src, sport: 20, dport: 40_001 };
export const V6 = { src: '2001:db8::1', dst: '2001:db8::2', sport: 4000, dport: 80 };
export const SMALL: ConntrackOptions = {
  buckets: 4,
  maxConnections: 200,
  maxParticipants: 3,
  hashSeed: [1, 2],
  eventCapacity: 64,
};
export const NAT: CtActionOptions = {
  commit: true,
  nat: { action: ['src'], minAddr: '192.0.2.7', minPort: 5000, maxPort: 5003 },
};

/**
 * Checks that a reader of events, which was there from the beginning, got one event for every creation and every
 * removal.
 */
export function eventProblems(ct: Conntrack): string[] {
  const events = reader!.drain();
  const problems: string[] = [];
  const { created, killed, flushed, expiredAtLookup, expiredAtSweep, evicted } = ct.counters();
  const removed = killed + flushed + expiredAtLookup + expiredAtSweep + evicted;
  for (const [kind, wanted] of [
    ['new', created],
    ['destroy', removed],
  ] as const) {
    const emitted = events.filter((event) => event.kind === kind);
    if (emitted.length !== wanted || new Set(emitted.map(({ id }) => id)).size !== wanted) {
      problems.push(`${emitted.length} events '${kind}' of ${wanted}`);
    }
  }
  return problems;
}

let reader: EventReader | undefined;
/** Fills one bucket, and leaves no memory for its index to grow. */
export function fillBucket(ct: Conntrack): void {
  const { arena } = memoryLayout(ct.memory);
  const { words } = ct.memory;
  words[arena + ArenaLayout.CAPACITY] = words[arena + ArenaLayout.NEXT_FRESH]!;
  for (let flow = 100; ct.counters().insertFailed === 0; flow++) {
    if (bucketOf(ct, flow) === 0) {
      send(ct, flows(flow, 1));
    }
  }
}

export function endExhaustion(ct: Conntrack): void {
  ct.memory.words[memoryLayout(ct.memory).arena + ArenaLayout.CAPACITY] =
    memoryLayout(ct.memory).lines / LINE_WORDS + memoryLayout(ct.memory).lineCount;
}

export function bucketOf(ct: Conntrack, flow: number): number {
  batch.clear();
  batch.add(udp(ends(flow)));
  const { keys, scratch, table } = ct.tracker;
  parsePacket(batch.words, batch.slots[0]!, scratch.parsed, 0, 0);
  return table.bucketOf(hashParsed(keys, scratch.parsed, 0), scratch.parsed, ParsedWord.META);
}

/** A flow of the full bucket. If it is translated, its replies go to another bucket. */
export function flowOfFullBucket(ct: Conntrack): number {
  let flow = 5000;
  while (bucketOf(ct, flow) !== 0) {
    flow++;
  }
  return flow;
}

export function readEvents(ct: Conntrack): void {
  reader = ct.events();
}

export const DATAGRAM = fragmentsOf(udp(ends(1), Buffer.alloc(2992)), 7, 1000);
export const OTHER_DATAGRAM = fragmentsOf(udp(ends(2), Buffer.alloc(1992)), 8, 1000);

/** Checks that every accepted fragment was sent, has expired, was purged, or is still held. */
export function fragmentProblems(ct: Conntrack): string[] {
  const { v4, held } = fragmentCounts(ct);
  const gone = v4(FragmentCounter.completedSent) + v4(FragmentCounter.expiredSent) + v4(FragmentCounter.purged);
  return v4(FragmentCounter.accepted) === gone + held
    ? []
    : [`${v4(FragmentCounter.accepted)} fragments accepted, ${gone} gone, ${held} held`];
}

export function fragmentCounts(ct: Conntrack): { v4: (counter: number) => number; held: number } {
  const { counters, words } = ct.tracker.fragments;
  return { v4: (counter) => counters[counter]!, held: words[FragmentsWord.HELD]! };
}

export function keepFragments(ct: Conntrack): void {
  ct.fragments.setMinFragSize('v4', 400);
}

export function announce(ct: Conntrack): void {
  const control = new ControlConnection(ct, { ends: FTP_ENDS, action: FTP, nowMs: NOW_MS });
  control.open();
  control.send('client', `PORT ${hostPort(FTP_ENDS.src, 40_001)}\r\n`);
}

/** The problems of a table that no thread is using. */
export function check(ct: Conntrack, when: string): string[] {
  return [...problemsOf(ct, NOW_MS), ...listProblems(ct)].map((problem) => `${when}: ${problem}`);
}

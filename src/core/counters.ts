/**
 * The tracker's counters, per participant (shared/memory/counters.ts). Their order here is their order in shared memory.
 *
 * To keep the path of an established packet short, the packets that found their connection are not counted. Their number is computed
 * from the other counters (`found`, see Counters).
 */

import { isClaimed } from '../shared/memory/participant-slots.ts';
import type { ParticipantRegion } from '../shared/memory/participant.ts';
import { countersOf, sumCounter } from '../shared/memory/counters.ts';

export const COUNTER_NAMES = [
  'packets',
  'batches',
  /* Packets by verdict. A packet that remembers its connection from an earlier pass is in none of them. */
  'new',
  'established',
  'related',
  'invalid',
  /** Packets without a connection after the pass: not committed, refused, or invalid. */
  'unconnected',
  /** Invalid packets with a wrong IP or transport checksum, found by the tracker or reported with the packet. */
  'checksumErrors',
  /** Connections created. */
  'created',
  /**
   * Insertions that found the connection under the lock: another thread, or an earlier packet of the batch, had just
   * created it.
   */
  'clash',
  'tableFull',
  'zoneFull',
  /** Insertions without a free record or index line: the table's capacity is too small. */
  'insertFailed',
  /** Connections refused because NAT found no free tuple. */
  'natExhausted',
  /** Expectations of helpers: added to the table, and refused because it was full. */
  'expectationsAdded',
  'expectationsRefused',
  /** FTP commands whose rewritten address did not fit into the packet. */
  'ftpNoRoom',
  /** Stale entries that a search skipped (reclaim: 'sweep'). */
  'staleSkipped',
  /* Removals, by reason. created = live + the sum of these. */
  'expiredAtLookup',
  'expiredAtSweep',
  'killed',
  'flushed',
  'evicted',
  /* The sweeper. */
  'sweepVisited',
  'sweepRounds',
  /* Input, when a ring was full: packets that a live source lost, and times that a capture file had to wait. */
  'ringDropped',
  'ringWaited',
  /* Events written for a reader, and events lost because the ring was full. */
  'events',
  'eventsLost',
  /* Worker threads that were restarted, and packets lost with the batches of dead workers. */
  'workerRestarts',
  'workerLost',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** All counters, by name. */
export interface Counters extends Record<CounterName, number> {
  /**
   * Packets that found their connection, whatever their verdict: new + established + related + invalid, minus the
   * packets without a connection and those that created one.
   */
  found: number;
}

/** A participant slot and its counters. */
export interface ParticipantCounters {
  participant: number;
  /** A thread has the slot now. */
  isTaken: boolean;
  counters: Counters;
}

function named(value: (index: number) => number): Counters {
  const entries = COUNTER_NAMES.map((name, index) => [name, value(index)]);
  const counters = Object.fromEntries(entries) as Record<CounterName, number>;
  const { established, related, invalid, unconnected, created } = counters;
  /* A working thread's counters are not read at one moment, so the difference may be negative. */
  return { ...counters, found: Math.max(0, counters.new + established + related + invalid - unconnected - created) };
}

/** The sum over all participants. It may lag by a few stores. */
export function sumOfCounters(region: ParticipantRegion): Counters {
  return named((index) => sumCounter(region, index));
}

/** The counters of one slot: of the thread that has it now and of all threads that had it before. */
export function countersOfParticipant(region: ParticipantRegion, id: number): Counters {
  const counters = countersOf(region, id);
  return named((index) => counters[index]!);
}

/** Counters by participant, for every slot that is claimed or has counted something. */
export function countersOfAll(region: ParticipantRegion): ParticipantCounters[] {
  return Array.from({ length: region.maxParticipants }, (_, participant) => ({
    participant,
    isTaken: isClaimed(region, participant),
    counters: countersOfParticipant(region, participant),
  })).filter(({ isTaken, counters }) => isTaken || Object.values(counters).some((count) => count > 0));
}

/** Index of each counter. */
export const Counter = Object.fromEntries(COUNTER_NAMES.map((name, index) => [name, index])) as Record<
  CounterName,
  number
>;

/** How many connections a sweep removed, from a thread's counters before and after it. */
export function removalsBySweep(before: Float64Array, now: Float64Array): number {
  const removed = (index: number): number => now[index]! - before[index]!;
  return removed(Counter.expiredAtSweep) + removed(Counter.killed);
}

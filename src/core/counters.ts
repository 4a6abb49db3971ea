/**
 * What the tracker counts, per participant (shared/counters.ts). The order is the order in shared memory.
 *
 * Nothing is counted twice on the path of an established packet: how many packets found their connection is worked out
 * from the rest (`found`, see Counters).
 */

import { isClaimed } from '../shared/memory/participant-slots.ts';
import type { ParticipantRegion } from '../shared/memory/participant.ts';
import { countersOf, sumCounter } from '../shared/memory/counters.ts';

export const COUNTER_NAMES = [
  'packets',
  'batches',
  /* Packets by verdict; a packet whose connection is remembered from an earlier pass is in none of them. */
  'new',
  'established',
  'related',
  'invalid',
  /** Packets that came out without a connection: not committed, refused, or invalid. */
  'unconnected',
  /** Invalid packets whose IP or transport checksum is wrong, or was said to be by who handed them in. */
  'checksumErrors',
  /** Connections created. */
  'created',
  /** Found under the lock: another thread, or an earlier packet of the batch, had just created the connection. */
  'clash',
  'tableFull',
  'zoneFull',
  /** No record or no index line left: the table was made too small. */
  'insertFailed',
  /** No free tuple left to translate a new connection to. */
  'natExhausted',
  /** Expectations of helpers: put into the table, and refused because it was full. */
  'expectationsAdded',
  'expectationsRefused',
  /** FTP commands whose rewritten address found no room in the packet. */
  'ftpNoRoom',
  /** Stale entries that a search met and left alone (reclaim: 'sweep'). */
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
  /* Input: packets that a live source lost, and times that a file had to wait, because a ring was full. */
  'ringDropped',
  'ringWaited',
  /* Events written for a reader, and those that found the ring full. */
  'events',
  'eventsLost',
  /* Worker threads that were started again after they had died, and packets that their last batches lost. */
  'workerRestarts',
  'workerLost',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** All counters, by name. */
export interface Counters extends Record<CounterName, number> {
  /** Packets that found their connection, whatever came of it: new + established + related + invalid, less those that
   * came out without one and those that created it. */
  found: number;
}

/** A thread's place at the table, with its counters. */
export interface ParticipantCounters {
  participant: number;
  /** A thread has it now. */
  isTaken: boolean;
  counters: Counters;
}

function named(value: (index: number) => number): Counters {
  const entries = COUNTER_NAMES.map((name, index) => [name, value(index)]);
  const counters = Object.fromEntries(entries) as Record<CounterName, number>;
  const { established, related, invalid, unconnected, created } = counters;
  /* The counters of a thread at work are not of one moment. */
  return { ...counters, found: Math.max(0, counters.new + established + related + invalid - unconnected - created) };
}

/** Counters of all participants together. At most some stores old. */
export function sumOfCounters(region: ParticipantRegion): Counters {
  return named((index) => sumCounter(region, index));
}

/** Counters of one participant: of the thread that has the place now and of those that had it before. */
export function countersOfParticipant(region: ParticipantRegion, id: number): Counters {
  const counters = countersOf(region, id);
  return named((index) => counters[index]!);
}

/** Counters by participant, for all places that a thread has or had and counted something. */
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

/** How many connections a sweep has removed, by a thread's counters before it and now. */
export function removalsBySweep(before: Float64Array, now: Float64Array): number {
  const removed = (index: number): number => now[index]! - before[index]!;
  return removed(Counter.expiredAtSweep) + removed(Counter.killed);
}

/** The interface of a workload, and parts that several workloads share. */

import type { Counters } from '../../src/core/counters.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import type { Sender } from './sender.ts';
import type { Hosts, StepOptions } from './step-batch.ts';

/** A part of a workload. All threads begin it together, and wait for each other at its end. */
export interface Phase {
  /** Name of the phase's result. A phase without one is not timed. */
  result?: string;
  /** In a phase of flushes: connections that it removes. */
  packetsPerConnection: number;
  /** The phase sends no packets, but flushes zones. It is not cut into slices. */
  isFlush?: boolean;
  /** Calls of each thread, which count in place of packets. */
  callsOfThread?: number;
  /** Connections that the phase creates for each connection of the workload. It removes as many. */
  livesPerConnection?: number;
}

/** Packets of a phase, of all threads together; or connections that it flushes; or its calls. */
export function operationsOf(
  { packetsPerConnection, callsOfThread }: Phase,
  { connections, threads }: { connections: number; threads: number },
): number {
  return callsOfThread === undefined ? packetsPerConnection * connections : callsOfThread * threads;
}

export interface WorkloadOptions {
  /** A variant of the workload. */
  variant: string;
  batchSize: number;
  /** Connections of each thread whose packets come side by side (`Workload.hasWindow`). */
  window: number;
  threads: number;
  /** Connections of all threads together. */
  connections: number;
  /** Words that the threads share, all zero at first. */
  shared: Int32Array<SharedArrayBuffer>;
  /** Index of this thread. */
  thread: number;
  /** Of the table. */
  memory?: TrackerMemory;
  /** For StepBatch. undefined: no datapath would steer the packets of this sample. */
  hosts?: Hosts;
}

/** The work of one thread. */
export interface WorkloadRun {
  /** Prepares the connections of this thread before the measurement. */
  prepare?(from: number, to: number): void;
  /** Sends the packets of a phase on the connections `from` to before `to`. Must not allocate. */
  run(sender: Sender, phase: number, from: number, to: number): void;
}

/** Figures of the table after a run. */
export interface Accounting {
  counters: Counters;
  live: number;
  connections: number;
  threads: number;
  variant: string;
}

/** What the user chose. */
export interface WorkloadChoice {
  variant: string;
  threads: number;
  connections: number;
}

export interface Workload {
  /** Shown in help texts. */
  description: string;
  /** Variants of the work. Each is measured on its own. ['']: there is only one. */
  variants: readonly string[];
  /** Its variants are numbers of zones (zone-variants.ts). The user chooses one, or a list. */
  zones?: 'one number' | 'a list';
  /** Is this a variant, beside those that are listed? */
  acceptsVariant?(variant: string): boolean;
  /** Why the work is not possible, as a line for the user. undefined: it is possible. */
  limit?(choice: WorkloadChoice): string | undefined;
  /** Connections, unless the user says otherwise. Default: those of the command. */
  presetConnections?: number;
  phasesOf(variant: string): readonly Phase[];
  make(options: WorkloadOptions): WorkloadRun;
  /** Checks the table after the phases. @returns the first error; undefined if all is right */
  fault(accounting: Accounting): string | undefined;
  /** Connections that the table holds at once. Default: `connections`. */
  tableConnections?(options: { connections: number; variant: string }): number;
  /** Options of the table, beyond the defaults. */
  tableOf?(options: { connections: number; variant: string }): ConntrackOptions;
  /** The workload has conversations of several packets, and `WorkloadOptions.window` of them go on side by side. */
  hasWindow?: boolean;
  /** A sweeper runs as well. Its time is the one that all threads have reached. */
  hasSweeper?: boolean;
  /**
   * Its connections are those of the grid (StepBatch), with `WorkloadOptions.hosts`. So the engine `shards` can give each thread those
   * that a datapath would steer to it.
   */
  grid?: Grid;
  /** The table stays small whatever the number of connections, so do not prefault memory for all of them. */
  fewConnections?: boolean;
}

/** The grid of a workload. */
export interface Grid extends Pick<StepOptions, 'protocol' | 'isIpv6'> {
  /** Each thread has so many ranges of ids. The further ones begin at gridStride, at twice that, ... Default: one. */
  ranges?: number;
}

/** Where the second range of ids of the first thread begins. */
export function gridStride({ connections, batchSize }: { connections: number; batchSize: number }): number {
  return Math.ceil(connections / batchSize) * batchSize;
}

export const SHARED_WORDS = 1024;

/** Checks workloads that create every connection once and lose none. */
export function eachOnce(
  extra: (accounting: Accounting) => boolean = () => true,
): (accounting: Accounting) => string | undefined {
  return (accounting) => {
    const { counters, live, connections } = accounting;
    const { created, invalid, insertFailed, tableFull, natExhausted } = counters;
    const isRight =
      created === connections &&
      live === connections &&
      invalid + insertFailed + tableFull + natExhausted === 0 &&
      extra(accounting);
    return isRight ? undefined : describeFault(accounting);
  };
}

export function describeFault({ counters, live }: Accounting): string {
  const {
    created,
    flushed,
    killed,
    invalid,
    insertFailed,
    tableFull,
    natExhausted,
    evicted,
    expiredAtSweep,
    expiredAtLookup,
    new: fresh,
    established,
  } = counters;
  return `the accounting of the table is wrong: ${JSON.stringify({ created, live, fresh, established, invalid, insertFailed, tableFull, natExhausted, evicted, expiredAtSweep, expiredAtLookup, flushed, killed })}`;
}

/** Calls `group` for each group of at most `size` connections. */
export function inGroups(from: number, to: number, size: number, group: (first: number, count: number) => void): void {
  for (let first = from; first < to; first += size) {
    group(first, Math.min(size, to - first));
  }
}

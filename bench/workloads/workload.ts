/** What a benchmark makes threads do: the interface, and the parts that several workloads share. */

import type { Counters } from '../../src/core/counters.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import type { Sender } from './sender.ts';

/** A part of a workload that all threads begin and end together. */
export interface Phase {
  /** Name of its result; without one it is not timed. */
  result?: string;
  packetsPerConnection: number;
}

export interface WorkloadOptions {
  /** One of the workload's variants. */
  variant: string;
  batchSize: number;
  /** Of each thread, connections whose packets come side by side (`Workload.hasWindow`). */
  window: number;
  threads: number;
  /** Of all threads together. */
  connections: number;
  /** Words that the threads share, zeroed (`Workload.sharedWords`). */
  shared: Int32Array<SharedArrayBuffer>;
  /** Which thread this is. */
  thread: number;
}

/** What one thread does. */
export interface WorkloadRun {
  /** Before anything is measured: the connections of this thread. */
  prepare?(from: number, to: number): void;
  /** Sends the packets of a phase for the connections `from` to before `to`. Allocates nothing. */
  run(sender: Sender, phase: number, from: number, to: number): void;
}

/** The table after a run. */
export interface Accounting {
  counters: Counters;
  live: number;
  connections: number;
  threads: number;
}

export interface Workload {
  /** For help texts. */
  description: string;
  /** Kinds of the same work, each measured for itself; ['']: only one. */
  variants: readonly string[];
  phasesOf(variant: string): readonly Phase[];
  make(options: WorkloadOptions): WorkloadRun;
  /** What must hold after the phases; words of what does not. */
  fault(accounting: Accounting): string | undefined;
  /** How its table differs from others. */
  tableOf?(options: { connections: number; variant: string }): ConntrackOptions;
  /** Conversations of several packets: how many go on side by side is `WorkloadOptions.window`. */
  hasWindow?: boolean;
  /** A sweeper is at work, which goes by the time that all threads have reached. */
  hasSweeper?: boolean;
  /** Connections of the measured table are kept as they are. Default: all that are asked for. */
  fewConnections?: boolean;
}

export const SHARED_WORDS = 1024;

/** The accounting of workloads that create every connection once and lose none. */
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
    return isRight ? undefined : tell(accounting);
  };
}

export function tell({ counters, live }: Accounting): string {
  const {
    created,
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
  return `the accounting of the table is wrong: ${JSON.stringify({ created, live, fresh, established, invalid, insertFailed, tableFull, natExhausted, evicted, expiredAtSweep, expiredAtLookup })}`;
}

/** Goes through the connections in groups of a batch. */
export function inGroups(from: number, to: number, size: number, group: (first: number, count: number) => void): void {
  for (let first = from; first < to; first += size) {
    group(first, Math.min(size, to - first));
  }
}

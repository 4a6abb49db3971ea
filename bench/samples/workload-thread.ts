/** The tasks of a thread of a sample: see workload-sample.ts. Both run synchronously, so that nothing interrupts a phase. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { type Parcel, unpacked } from '../../src/workers/threads/parcel.ts';
import { PhaseTimes } from './phase-times.ts';
import { type WorkloadName, workloadOf } from '../workloads/registry.ts';
import { Sender } from '../workloads/sender.ts';
import type { Hosts } from '../workloads/step-batch.ts';
import type { WorkloadRun } from '../workloads/workload.ts';
import { shareOf } from './steered.ts';

/** A table, and the words that its threads share. */
export interface WorkloadTable {
  memory: TrackerMemory;
  shared: Int32Array<SharedArrayBuffer>;
  hosts: Hosts | undefined;
}

/** One thread's share of the work. A task's index need not run on the same thread each time. */
export interface WorkloadShare {
  workload: WorkloadName;
  variant: string;
  index: number;
  threads: number;
  batchSize: number;
  window: number;
  barrier: Words;
  bins?: Float64Array;
}

interface ConnectionShare {
  /** Connections of all threads together. Each thread takes a contiguous range of ids. */
  connections: number;
}

export interface RehearsalTask extends WorkloadShare, ConnectionShare {
  tables: readonly WorkloadTable[];
}

export interface MeasurementTask extends WorkloadShare, ConnectionShare {
  table: WorkloadTable;
  separateTables: boolean;
  times: Float64Array<SharedArrayBuffer>;
  /** Index of the repetition's first phase in the times, and number of phases of all repetitions. */
  firstPhase: number;
  phases: number;
}

/** The functions that the pool calls by name. */
export type ThreadTaskName = 'rehearse' | 'measure';

/** Rounds on each table. */
const REHEARSAL_ROUNDS = 3;
const START_MS = 1_000_000;

function makeRun(
  task: WorkloadShare & ConnectionShare,
  { memory, shared, hosts }: WorkloadTable,
  isAlone: boolean,
): WorkloadRun {
  const { variant, batchSize, window, threads, index, connections } = task;
  const [all, thread, own] = isAlone ? [1, 0, connections / threads] : [threads, index, connections];
  const place = {
    threads: all,
    thread,
    connections: own,
    shared,
    memory,
    ...(hosts === undefined ? {} : { hosts }),
  };
  return workloadOf(task.workload).make({ variant, batchSize, window, ...place });
}

/**
 * Warms up on other tables, together with the other threads, until the compiler has nothing left to do. V8 does not compile
 * code paths that the rehearsal never takes. When such a path first runs, V8 discards the function's code. So there are several
 * tables, each with a first packet from another thread. They have few buckets, so that threads wait for locks, and enough
 * connections for equal hashes.
 */
export function rehearse(parcel: Parcel<RehearsalTask>): void {
  const task = unpacked(parcel);
  for (const [number, table] of task.tables.entries()) {
    rehearseOn(table, number % task.threads, task);
  }
}

/** @param first index of the task that sends the first packet */
function rehearseOn(table: WorkloadTable, first: number, task: RehearsalTask): void {
  const { index, threads, barrier, bins } = task;
  const { hasSweeper = false, phasesOf } = workloadOf(task.workload);
  const phases = phasesOf(task.variant);
  const conntrack = Conntrack.attach(table.memory);
  const { tracker } = conntrack;
  const run = makeRun(task, table, false);
  const { from, to } = shareOf(task);
  run.prepare?.(from, to);
  const rounds = hasSweeper ? 1 : REHEARSAL_ROUNDS;
  if (index === first && !hasSweeper) {
    tracker.enter();
    run.run(new Sender(conntrack, 0, bins), 0, from, from + 1);
    tracker.leave();
  }
  for (let round = 0; round < rounds; round++) {
    for (let phase = 0; phase < phases.length; phase++) {
      arriveAndWait(barrier, 0, threads);
      tracker.enter();
      run.run(new Sender(conntrack, round * 1000 + phase, bins), phase, from, to);
      tracker.leave();
    }
    arriveAndWait(barrier, 0, threads);
    if (index === 0) {
      conntrack.flush();
    }
  }
  bins?.fill(0);
  conntrack.close();
}

/** Measures the phases of one repetition. */
export function measure(parcel: Parcel<MeasurementTask>): void {
  const task = unpacked(parcel);
  const { index, threads, barrier, bins, firstPhase } = task;
  const conntrack = Conntrack.attach(task.table.memory);
  const { tracker } = conntrack;
  const { from, to } = shareOf(task);
  const run = makeRun(task, task.table, task.separateTables);
  run.prepare?.(from, to);
  const times = new PhaseTimes(task.phases, task.times);
  tracker.enter();
  for (const [phase, { result }] of workloadOf(task.workload).phasesOf(task.variant).entries()) {
    arriveAndWait(barrier, 0, threads);
    /* Each phase is a millisecond later, so that it refreshes every expiry. */
    const sender = new Sender(conntrack, START_MS + phase, result === undefined ? undefined : bins);
    times.run(index, firstPhase + phase, () => run.run(sender, phase, from, to));
  }
  conntrack.close();
}

/** A thread of a sample: see workload-sample.ts. */

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { PhaseTimes } from './phase-times.ts';
import { type WorkloadName, workloadOf } from '../workloads/registry.ts';
import { Sender } from '../workloads/sender.ts';
import type { WorkloadRun } from '../workloads/workload.ts';

/** A table, and the words that the threads at work on it share. */
export interface WorkloadTable {
  memory: TrackerMemory;
  shared: Int32Array<SharedArrayBuffer>;
}

export interface WorkloadThreadTask {
  workload: WorkloadName;
  variant: string;
  index: number;
  threads: number;
  /** Of all threads together; each takes a contiguous range of ids. */
  connections: number;
  batchSize: number;
  window: number;
  barrier: Words;
  /** The tables to warm up on, and the connections of each. */
  rehearsals: WorkloadTable[];
  rehearsalConnections: number;
  repetitions: number;
  separateTables: boolean;
  times: Float64Array<SharedArrayBuffer>;
  bins?: Float64Array;
}

/** Per table. */
const REHEARSAL_ROUNDS = 3;
const START_MS = 1_000_000;

const task = workerData as WorkloadThreadTask;
const workload = workloadOf(task.workload);
const phases = workload.phasesOf(task.variant);

for (const [number, rehearsal] of task.rehearsals.entries()) {
  rehearse(rehearsal, number % task.threads);
}
const next = once(parentPort!, 'message') as Promise<[WorkloadTable]>;
parentPort!.postMessage('warm');
let [table] = await next;
for (let repetition = 0; repetition < task.repetitions; repetition++) {
  measure(table, repetition * phases.length);
  /* The last message ends: the thread stays until the resident size was read, and is not to be part of the difference. */
  const answer = once(parentPort!, 'message') as Promise<[WorkloadTable]>;
  parentPort!.postMessage('done');
  [table] = await answer;
}
parentPort!.close();

function makeRun(shared: WorkloadTable['shared'], isAlone: boolean, connections: number): WorkloadRun {
  const { variant, batchSize, window, threads, index } = task;
  const [all, thread] = isAlone ? [1, 0] : [threads, index];
  return workload.make({ variant, batchSize, window, threads: all, thread, connections, shared });
}

function shareOf(connections: number): { from: number; to: number } {
  const { index, threads } = task;
  return {
    from: Math.floor((connections * index) / threads),
    to: Math.floor((connections * (index + 1)) / threads),
  };
}

/**
 * On another table, with the other threads, until the compiler has nothing left to do. Code for what did not happen here is
 * not compiled, and what it stands in is thrown away when that first happens: so the tables are several, since each has a
 * first packet, which another thread sends; have few buckets, for locks to be waited for; and are large enough for equal hashes.
 */
function rehearse({ memory, shared }: WorkloadTable, first: number): void {
  const { index, threads, barrier, rehearsalConnections, bins } = task;
  const conntrack = Conntrack.attach(memory);
  const { tracker } = conntrack;
  const run = makeRun(shared, false, rehearsalConnections);
  const { from, to } = shareOf(rehearsalConnections);
  run.prepare?.(from, to);
  const rounds = workload.hasSweeper ? 1 : REHEARSAL_ROUNDS;
  if (index === first && !workload.hasSweeper) {
    tracker.enter();
    run.run(new Sender(tracker, 0, bins), 0, from, from + 1);
    tracker.leave();
  }
  for (let round = 0; round < rounds; round++) {
    for (let phase = 0; phase < phases.length; phase++) {
      arriveAndWait(barrier, 0, threads);
      tracker.enter();
      run.run(new Sender(tracker, round * 1000 + phase, bins), phase, from, to);
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

/** @param firstPhase where in the times the repetition's phases begin */
function measure({ memory, shared }: WorkloadTable, firstPhase: number): void {
  const { index, threads, connections, barrier, times, repetitions, separateTables, bins } = task;
  const conntrack = Conntrack.attach(memory);
  const { tracker } = conntrack;
  const { from, to } = shareOf(connections);
  const run = makeRun(shared, separateTables, separateTables ? connections / threads : connections);
  run.prepare?.(from, to);
  const noted = new PhaseTimes(phases.length * repetitions, times);
  tracker.enter();
  for (const [phase, { result }] of phases.entries()) {
    arriveAndWait(barrier, 0, threads);
    /* A millisecond apart, so that a later phase refreshes every expiry. */
    const sender = new Sender(tracker, START_MS + phase, result === undefined ? undefined : bins);
    noted.run(index, firstPhase + phase, () => run.run(sender, phase, from, to));
  }
  conntrack.close();
}

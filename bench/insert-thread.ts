/** A thread of the insertion benchmark: see insert-sample.ts. */

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { CtAction } from '../src/core/action.ts';
import { Conntrack } from '../src/core/conntrack.ts';
import { conntrackExecute } from '../src/core/execute.ts';
import type { TrackerMemory } from '../src/core/memory.ts';
import type { PacketBatch } from '../src/core/packet/batch.ts';
import { Tracker } from '../src/core/tracker.ts';
import type { Words } from '../src/shared/access.ts';
import { arriveAndWait } from '../src/shared/barrier.ts';
import { INSERT_PHASES, PhaseTimes } from './phase-times.ts';
import { allocateGridBatch, fillGridBatch } from './workloads/udp-grid.ts';

export interface InsertThreadTask {
  index: number;
  threads: number;
  /** Of all threads together; each takes a contiguous range of ids. */
  connections: number;
  batchSize: number;
  barrier: Words;
  /** The tables to warm up on, and the connections of each. */
  rehearsals: TrackerMemory[];
  rehearsalConnections: number;
  repetitions: number;
  times: Float64Array<SharedArrayBuffer>;
}

/** Per table. */
const REHEARSAL_ROUNDS = 3;

const task = workerData as InsertThreadTask;
const action = new CtAction({ commit: true });
const batch = allocateGridBatch(task.batchSize);

for (const [number, rehearsal] of task.rehearsals.entries()) {
  rehearse(Conntrack.attach(rehearsal), number % task.threads);
}
const next = once(parentPort!, 'message') as Promise<[TrackerMemory]>;
parentPort!.postMessage('warm');
let [memory] = await next;
for (let repetition = 0; repetition < task.repetitions; repetition++) {
  measure(Conntrack.attach(memory), repetition * INSERT_PHASES);
  /* The last message ends: the thread stays until the resident size was read, and is not to be part of the difference. */
  const answer = once(parentPort!, 'message') as Promise<[TrackerMemory]>;
  parentPort!.postMessage('done');
  [memory] = await answer;
}
parentPort!.close();

/** Sends the packets of the ids from `from` to `to`. */
function sendAll(tracker: Tracker, grid: PacketBatch, from: number, to: number, nowMs: number): void {
  for (let id = from; id < to; id += task.batchSize) {
    fillGridBatch(grid, id, Math.min(task.batchSize, to - id));
    conntrackExecute(tracker, grid, action, nowMs);
  }
}

/**
 * On another table, with the other threads, until the compiler has nothing left to do. Code for what did not happen here is
 * not compiled, and what it stands in is thrown away when that first happens: so the tables are several, since each has a
 * first packet, which another thread sends; have few buckets, for locks to be waited for; and are large enough for equal hashes.
 */
function rehearse(conntrack: Conntrack, first: number): void {
  const { index, threads, barrier, rehearsalConnections } = task;
  const { tracker } = conntrack;
  const share = Math.ceil(rehearsalConnections / threads);
  if (index === first) {
    tracker.enter();
    sendAll(tracker, batch, share * index, share * index + 1, 0);
    tracker.leave();
  }
  for (let round = 0; round < REHEARSAL_ROUNDS; round++) {
    for (const isLookup of [false, true]) {
      arriveAndWait(barrier, 0, threads);
      tracker.enter();
      sendAll(tracker, batch, share * index, share * (index + 1), round * 1000 + Number(isLookup));
      tracker.leave();
    }
    arriveAndWait(barrier, 0, threads);
    if (index === 0) {
      conntrack.flush();
    }
  }
  conntrack.close();
}

/** @param firstPhase where in the times the repetition's phases begin */
function measure(conntrack: Conntrack, firstPhase: number): void {
  const { tracker } = conntrack;
  const { index, threads, connections, barrier, times, repetitions } = task;
  const from = Math.floor((connections * index) / threads);
  const to = Math.floor((connections * (index + 1)) / threads);
  const phases = new PhaseTimes(INSERT_PHASES * repetitions, times);
  tracker.enter();
  for (let phase = 0; phase < INSERT_PHASES; phase++) {
    arriveAndWait(barrier, 0, threads);
    /* A millisecond apart, so that the second phase refreshes every expiry. */
    phases.run(index, firstPhase + phase, () => sendAll(tracker, batch, from, to, 1_000_000 + phase));
  }
  conntrack.close();
}

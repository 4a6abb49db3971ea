/** A thread of the table's stress test: plays a role on a shared table until its rounds are done. */

import { workerData } from 'node:worker_threads';
import { CtAction } from '../../src/core/action.ts';
import { updateClock } from '../../src/core/expiry/clock.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { SweepCursor, sweepStep } from '../../src/core/expiry/sweep.ts';
import { add, load, type Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { reverse, tcp, udp } from '../support/frames.ts';

export interface TableWorkerTask {
  role: 'pmd' | 'sweep' | 'flush';
  seed: number;
  memory: TrackerMemory;
  rounds: number;
  tuples: number;
  /** Barrier words, then a counter of PMDs that are done. */
  words: Words;
  parties: number;
  pmds: number;
}

export const DONE_WORD = 2;

const task = workerData as TableWorkerTask;
const ct = Conntrack.attach(task.memory);
arriveAndWait(task.words, 0, task.parties);
({ pmd: runPmd, sweep: runSweep, flush: runFlush })[task.role]();
ct.close();

function* random(seed: number): Generator<number, never, void> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    yield state >>> 8;
  }
}

/** Both directions of a few hundred UDP and TCP flows, in random order; time moves so that many expire. */
function runPmd(): void {
  const numbers = random(task.seed);
  const next = (below: number) => numbers.next().value % below;
  const frames = Array.from({ length: task.tuples }, (_, i) => {
    const ends = { src: `10.0.${i >> 8}.${i & 255}`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
    const isTcp = i % 3 === 0;
    return isTcp
      ? [tcp(ends, { flags: 'S', seq: 1 }), tcp(reverse(ends), { flags: 'RA', seq: 1, ack: 2 })]
      : [udp(ends), udp(reverse(ends))];
  });
  const batch = PacketBatch.allocate();
  const actions = [new CtAction({ commit: true }), new CtAction({ commit: true, force: true }), new CtAction()];
  ct.tracker.enter();
  for (let round = 0; round < task.rounds; round++) {
    batch.clear();
    for (let i = 0; i < MAX_BATCH; i++) {
      const direction = next(4) === 0 ? 1 : 0;
      batch.add(frames[next(frames.length)]![direction]!);
    }
    const action = actions[next(8) === 0 ? 1 + next(2) : 0]!;
    conntrackExecute(ct.tracker, batch, action, 1000 + round * 200);
  }
  ct.tracker.leave();
  add(task.words, DONE_WORD, 1);
}

function isOver(): boolean {
  return load(task.words, DONE_WORD) === task.pmds;
}

function runSweep(): void {
  const cursor = new SweepCursor();
  for (let nowMs = 1000; !isOver(); nowMs += 50) {
    ct.tracker.enter();
    sweepStep(ct.tracker, cursor, updateClock(ct.tracker, nowMs), 0.2);
    ct.tracker.quiesce();
    ct.tracker.leave();
  }
}

function runFlush(): void {
  for (let round = 0; !isOver(); round++) {
    const nowMs = 1000 + round * 10;
    if (round % 50 === 0) {
      ct.flush();
    }
    const i = round % task.tuples;
    ct.flushTuple(
      { src: '10.9.9.9', dst: `10.0.${i >> 8}.${i & 255}`, proto: i % 3 === 0 ? 6 : 17, sport: 53, dport: 1000 + i },
      { nowMs },
    );
    for (const entries of ct.dump({ nowMs })) {
      void entries;
    }
  }
}

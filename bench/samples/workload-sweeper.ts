/** The sweeper of a workload that has one. It sweeps one table after another, by the time that all PMDs have reached. */

import { workerData } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import { updateClock } from '../../src/core/expiry/clock.ts';
import { SweepCursor, sweepStep } from '../../src/core/expiry/sweep.ts';
import { allocateWords, wait } from '../../src/shared/access.ts';
import { type Parcel, unpacked } from '../../src/workers/threads/parcel.ts';
import type { WorkloadTable } from './workload-thread.ts';
import { churnTimeMs, isChurnOver } from '../workloads/churn.ts';

export interface WorkloadSweeperTask {
  tables: WorkloadTable[];
  /** PMDs that work on each table. */
  threads: number;
}

const STEP_MS = 0.5;
const REST_MS = 0.2;

const { tables, threads } = unpacked(workerData as Parcel<WorkloadSweeperTask>);
const rest = allocateWords(1);

for (const { memory, shared } of tables) {
  const conntrack = Conntrack.attach(memory);
  const { tracker } = conntrack;
  const cursor = new SweepCursor();
  while (!isChurnOver(shared, threads)) {
    const nowMs = churnTimeMs(shared, threads);
    if (!Number.isNaN(nowMs)) {
      tracker.enter();
      const isDone = sweepStep(tracker, cursor, updateClock(tracker, nowMs), STEP_MS);
      tracker.quiesce();
      tracker.leave();
      if (!isDone) {
        continue;
      }
    }
    wait(rest, 0, 0, REST_MS);
  }
  conntrack.close();
}

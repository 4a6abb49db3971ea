/** Jobs of the tests of removal: threads that try to remove the same connections. */

import { CtAction } from '../../src/core/action.ts';
import { obtain } from '../../src/core/table/reference-checks.ts';
import { updateClock } from '../../src/core/expiry/clock.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { killConn, removeConn } from '../../src/core/lifecycle/remove.ts';
import { SweepCursor, sweepStep } from '../../src/core/expiry/sweep.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { serve } from './serve.ts';

let ct: Conntrack;
let barrier: Words;
let parties: number;

/** More than a step can need. */
const ENDLESS_MS = 60_000;

const jobs = {
  setUp(shared: { memory: TrackerMemory; barrier: Words; parties: number }): void {
    ct = Conntrack.attach(shared.memory);
    barrier = shared.barrier;
    parties = shared.parties;
  },

  /**
   * Tries to remove each record at the same moment as the others; each thread with another reason. @returns 1 for each
   * record that it removed
   */
  removeAll({ records, reasons }: { records: Int32Array; reasons: number[] }, thread: number): number[] {
    const { tracker } = ct;
    tracker.enter();
    records.forEach((record) => obtain(tracker.checks, record));
    const removed = Array.from(records, (record) => {
      arriveAndWait(barrier, 0, parties);
      return removeConn(tracker, record, reasons[thread]!) ? 1 : 0;
    });
    tracker.quiesce();
    tracker.leave();
    return removed;
  },

  /** Half of the threads kill the connections that the other half removes. */
  killOrRemove({ records, reason }: { records: Int32Array; reason: number }, thread: number): void {
    const { tracker } = ct;
    tracker.enter();
    records.forEach((record) => obtain(tracker.checks, record));
    for (const record of records) {
      arriveAndWait(barrier, 0, parties);
      if (thread % 2 === 0) {
        killConn(tracker, record);
      } else {
        removeConn(tracker, record, reason);
      }
    }
    tracker.quiesce();
    tracker.leave();
  },

  /** Even threads send these packets while odd ones sweep. */
  meetOrSweep({ frames, nowMs }: { frames: Uint8Array[]; nowMs: number }, thread: number): void {
    const { tracker } = ct;
    const batch = PacketBatch.allocate();
    const look = new CtAction();
    arriveAndWait(barrier, 0, parties);
    tracker.enter();
    if (thread % 2 === 0) {
      for (let from = 0; from < frames.length; from += MAX_BATCH) {
        batch.clear();
        for (const frame of frames.slice(from, from + MAX_BATCH)) {
          batch.add(frame);
        }
        conntrackExecute(tracker, batch, look, nowMs);
      }
    } else {
      sweepStep(tracker, new SweepCursor(), updateClock(tracker, nowMs), ENDLESS_MS);
    }
    tracker.quiesce();
    tracker.leave();
  },
};

export type RemoveJobs = typeof jobs;
serve(jobs);

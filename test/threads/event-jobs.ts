/** Jobs of the tests of events: threads that make, answer and remove connections. */

import { CtAction } from '../../src/core/action.ts';
import { updateClock } from '../../src/core/expiry/clock.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { Counter } from '../../src/core/counters.ts';
import { emitNew, commitNew } from '../../src/core/events/events.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { removeConn } from '../../src/core/lifecycle/remove.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { serve } from './serve.ts';

let ct: Conntrack;
let batch: PacketBatch;

export interface Traffic {
  frames: Uint8Array[];
  zone: number;
  nowMs: number;
  /** Start together. */
  barrier?: Words;
  parties?: number;
}

const jobs = {
  setUp({ memory }: { memory: TrackerMemory }): number {
    ct = Conntrack.attach(memory);
    batch = PacketBatch.allocate();
    return ct.tracker.participant.id;
  },

  send({ frames, zone, nowMs, barrier, parties }: Traffic): void {
    const action = new CtAction({ commit: true, zone });
    if (barrier !== undefined) {
      arriveAndWait(barrier, 0, parties!);
    }
    ct.tracker.enter();
    for (let from = 0; from < frames.length; from += MAX_BATCH) {
      batch.clear();
      for (const frame of frames.slice(from, from + MAX_BATCH)) {
        batch.add(frame);
      }
      conntrackExecute(ct.tracker, batch, action, nowMs);
    }
    ct.tracker.quiesce();
    ct.tracker.leave();
  },

  /** Wants to remove each of the records at the same moment as the others. */
  removeAll({ records, nowMs, barrier, parties }: Omit<Traffic, 'frames' | 'zone'> & { records: Int32Array }): void {
    ct.tracker.enter();
    updateClock(ct.tracker, nowMs);
    for (const record of records) {
      arriveAndWait(barrier!, 0, parties!);
      removeConn(ct.tracker, record, Counter.flushed);
    }
    ct.tracker.quiesce();
    ct.tracker.leave();
  },

  /** Stands between an event's number and its publication until `settle`. */
  announce({ record }: { record: number }): void {
    emitNew(ct.tracker, record);
  },

  settle({ isLinked }: { isLinked: boolean }): void {
    commitNew(ct.tracker, isLinked);
  },
};

export type EventJobs = typeof jobs;
serve(jobs);

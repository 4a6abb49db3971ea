/** A PMD: a thread that takes batches from its ring and runs conntrackExecute on them until the ring is closed. */

import { CtAction, type CtActionOptions } from '../core/action.ts';
import { conntrackExecute } from '../core/execute.ts';
import { hasFinishedFragments } from '../core/fragments/fragments.ts';
import type { TrackerMemory } from '../core/memory.ts';
import { PacketBatch } from '../core/packet/batch.ts';
import { PacketWord } from '../core/packet/layout.ts';
import { Tracker } from '../core/tracker.ts';
import { pause, type Words } from '../shared/access.ts';
import { nameThread, ThreadRole } from '../shared/lock-profile.ts';
import { RingConsumer, spareOf } from '../shared/ring.ts';
import { LateSender } from './late.ts';
import { beginBeat, endBeat, tellUp } from './status.ts';

/** What a PMD is given when it starts; structured-cloneable. */
export interface PmdTask {
  memory: TrackerMemory;
  ring: Words;
  /** Ring for fragments that come back late (late.ts). */
  late: Words;
  status: Words;
  /** Number of this PMD. */
  index: number;
  /** Its line in `status`. */
  line: number;
  /** Its place at the table, and the token with which it takes it. */
  participant: number;
  token: number;
  action: CtActionOptions;
  /** Packets of a batch, 1..32. */
  batchSize: number;
}

/** Looks at an empty ring before going to sleep: some tens of microseconds, about what being woken costs. */
const IDLE_LOOKS = 2000;

/** One endless task of the pool; ends when the ring is closed and empty. */
export default function runPmd(task: PmdTask): void {
  const tracker = new Tracker(task.memory, task);
  nameThread(tracker.participant.recorder, ThreadRole.pmd);
  const ring = new RingConsumer(task.ring);
  const batch = new PacketBatch(task.ring, spareOf(task.ring));
  const { status, line } = task;
  /* It waits for the datapath, and does not hang. */
  const late = new LateSender(task.late, ring, () => {
    endBeat(status, line);
    beginBeat(status, line);
  });
  const action = new CtAction(task.action);
  const times = new Float64Array(task.ring.buffer);
  tellUp(status, line);

  tracker.enter();
  let idleLooks = 0;
  for (;;) {
    const received = ring.poll(batch.slots, task.batchSize);
    if (received > 0) {
      idleLooks = 0;
      const nowMs = times[(batch.slots[0]! + PacketWord.NOW) >> 1]!;
      const taken = sameTime(batch.slots, received, times, nowMs);
      batch.count = taken;
      beginBeat(status, line);
      ring.claim(taken);
      conntrackExecute(tracker, batch, action, nowMs);
      /* Held fragments are missing now, or more came back: the slots go back all the same, in order. */
      if (batch.hasSpare || hasFinishedFragments(tracker.fragments)) {
        late.sendFrom(tracker, batch, action.zone, nowMs | 0);
      }
      ring.releaseClaimed();
      endBeat(status, line);
    } else if (ring.isFinished()) {
      break;
    } else if (idleLooks < IDLE_LOOKS) {
      idleLooks++;
      pause();
    } else {
      /* No work: hold nobody up. */
      tracker.quiesce();
      tracker.leave();
      ring.sleep();
      tracker.enter();
      idleLooks = 0;
    }
  }
  tracker.close(true);
}

/** How many of the packets came at this time: a batch has one time, and no packet is judged at another's. */
function sameTime(slots: Int32Array, count: number, times: Float64Array, nowMs: number): number {
  let same = 1;
  while (same < count && times[(slots[same]! + PacketWord.NOW) >> 1] === nowMs) {
    same++;
  }
  return same;
}

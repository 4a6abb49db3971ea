/** A PMD: a thread that takes batches from its ring and runs conntrackExecute on them until the ring is closed. */

import { workerData } from 'node:worker_threads';
import { conntrackExecute } from '../../core/path/execute.ts';
import { hasFinishedFragments } from '../../core/fragments/fragments.ts';
import type { TrackerMemory } from '../../core/memory/memory.ts';
import { PacketBatch } from '../../core/packet/batch.ts';
import { PacketWord } from '../../core/packet/layout.ts';
import { Tracker } from '../../core/tracker.ts';
import { pause, type Words } from '../../shared/access.ts';
import { nameThread, ThreadRole } from '../../shared/sync/lock-profile.ts';
import { RingConsumer, spareOf } from '../../shared/memory/ring.ts';
import { ActionReader } from '../datapath/action-table.ts';
import { DeferredSender } from '../datapath/deferred.ts';
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
  /** The table of actions that its packets name (action-table.ts). */
  actions: Words;
  /** Packets of a batch, 1..32. */
  batchSize: number;
}

/** Looks at an empty ring before going to sleep: some tens of microseconds, about what being woken costs. */
const IDLE_LOOKS = 2000;

/** Ends when the ring is closed and empty. */
function runPmd(task: PmdTask): void {
  const tracker = new Tracker(task.memory, task);
  nameThread(tracker.participant.recorder, ThreadRole.pmd);
  const ring = new RingConsumer(task.ring);
  const batch = new PacketBatch(task.ring, spareOf(task.ring));
  const { status, line } = task;
  /* It waits for the datapath, and does not hang. */
  const late = new DeferredSender(task.late, ring, () => {
    endBeat(status, line);
    beginBeat(status, line);
  });
  const actions = new ActionReader(task.actions);
  const times = new Float64Array(task.ring.buffer);
  tellUp(status, line);

  tracker.enter();
  let idleLooks = 0;
  for (;;) {
    const received = ring.poll(batch.slots, task.batchSize);
    if (received > 0) {
      idleLooks = 0;
      const nowMs = times[(batch.slots[0]! + PacketWord.NOW) >> 1]!;
      const number = batch.words[batch.slots[0]! + PacketWord.ACTION]!;
      const action = actions.at(number);
      const taken = sameTimeAndAction(batch, received, times, number);
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

/** How many of the packets go in one batch: it has one time and one action, and no packet is judged by another's. */
function sameTimeAndAction(batch: PacketBatch, count: number, times: Float64Array, action: number): number {
  const { slots, words } = batch;
  const nowMs = times[(slots[0]! + PacketWord.NOW) >> 1]!;
  let same = 1;
  while (
    same < count &&
    times[(slots[same]! + PacketWord.NOW) >> 1] === nowMs &&
    words[slots[same]! + PacketWord.ACTION] === action
  ) {
    same++;
  }
  return same;
}

runPmd(workerData as PmdTask);

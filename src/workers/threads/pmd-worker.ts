/** A PMD: a thread that polls batches from its ring and runs conntrackExecute on them, until the ring is closed. */

import { workerData } from 'node:worker_threads';
import { conntrackExecute } from '../../core/path/execute.ts';
import { hasFinishedFragments } from '../../core/fragments/fragments.ts';
import type { TrackerMemory } from '../../core/memory/memory.ts';
import { allocatePacketWords } from '../../core/memory/module-memory.ts';
import { MAX_RETURNED, PacketBatch } from '../../core/packet/batch.ts';
import { PacketWord } from '../../core/packet/layout.ts';
import { Tracker } from '../../core/tracker.ts';
import { floatsOf, pause, type Words } from '../../shared/access.ts';
import { type Parcel, unpacked } from './parcel.ts';
import { nameThread, ThreadRole } from '../../shared/sync/lock-profile.ts';
import { RingConsumer, spareOf } from '../../shared/memory/ring.ts';
import { ActionReader } from '../datapath/action-table.ts';
import { DeferredSender } from '../datapath/deferred.ts';
import { beginBeat, endBeat, markUp } from './status.ts';

/** The start data of a PMD; structured-cloneable. */
export interface PmdTask {
  memory: TrackerMemory;
  ring: Words;
  /** Ring for deferred packets (deferred.ts). */
  deferred: Words;
  status: Words;
  /** Number of this PMD. */
  index: number;
  /** The first word of its line in `status`. */
  line: number;
  /** Its participant slot. */
  participant: number;
  /** Lets it take the slot. */
  token: number;
  /** The actions of its packets (action-table.ts). */
  actions: Words;
  /** Most packets of a batch, 1..32. */
  batchSize: number;
}

/** Polls of an empty ring before the PMD sleeps: some tens of microseconds, about the cost of a wakeup. */
const IDLE_POLLS = 2000;

/** Ends when the ring is closed and empty. */
function runPmd(task: PmdTask): void {
  const tracker = new Tracker(task.memory, task);
  nameThread(tracker.participant.recorder, ThreadRole.pmd);
  const ring = new RingConsumer(task.ring);
  const slots = allocatePacketWords(task.memory.module, MAX_RETURNED);
  const batch = new PacketBatch(task.ring, spareOf(task.ring), slots);
  const { status, line } = task;
  /* A PMD that waits for the datapath does not hang: it keeps its heartbeat going. */
  const deferred = new DeferredSender(task.deferred, ring, () => {
    endBeat(status, line);
    beginBeat(status, line);
  });
  const actions = new ActionReader(task.actions);
  const times = floatsOf(task.ring);
  markUp(status, line);

  tracker.enter();
  let idlePolls = 0;
  for (;;) {
    const received = ring.poll(batch.slots, task.batchSize);
    if (received > 0) {
      idlePolls = 0;
      const nowMs = times[(batch.slots[0]! + PacketWord.NOW) >> 1]!;
      const number = batch.words[batch.slots[0]! + PacketWord.ACTION]!;
      const action = actions.at(number);
      const taken = sameTimeAndAction(batch, received, times, number);
      batch.count = taken;
      beginBeat(status, line);
      ring.claim(taken);
      conntrackExecute(tracker, batch, action, nowMs);
      /* Held fragments are missing in the batch now, or released ones were added. The ring slots go back in order in any case. */
      if (batch.hasSpare || hasFinishedFragments(tracker.fragments)) {
        deferred.sendFrom(tracker, batch, action.zone, nowMs | 0);
      }
      ring.releaseClaimed();
      endBeat(status, line);
    } else if (ring.isFinished()) {
      break;
    } else if (idlePolls < IDLE_POLLS) {
      idlePolls++;
      pause();
    } else {
      /* No work: offline, so that memory can be reused. */
      tracker.quiesce();
      tracker.leave();
      ring.sleep();
      tracker.enter();
      idlePolls = 0;
    }
  }
  tracker.close(true);
}

/** How many packets, from the first on, have the same time and action. A batch has one of each. */
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

runPmd(unpacked(workerData as Parcel<PmdTask>));

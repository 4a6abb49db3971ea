/** Jobs of the tests of a full table under several floods. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { CtState } from '../../src/core/packet/layout.ts';
import { SweepCursor, sweepStep } from '../../src/core/expiry/sweep.ts';
import { updateClock } from '../../src/core/expiry/clock.ts';
import type { Words } from '../../src/shared/access.ts';
import { reverse, tcp, udp, type PortEnds } from '../support/frames.ts';
import { serve } from './serve.ts';
import { randomSequence, startTogether } from './steps.ts';

export interface FloodPlan {
  gate: Words;
  threads: number;
  established: number;
  rounds: number;
  /** Tuples of the flood, shared by all threads. */
  tuples: number;
  nowMs: number;
}

let ct: Conntrack;

function establishedEnds(thread: number, i: number): PortEnds {
  return { src: `10.1.${thread}.${i}`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
}

function floodFrames(tuples: number): Uint8Array[] {
  return Array.from({ length: tuples }, (_, i) => {
    const ends = { src: `10.2.${i >> 8}.${i & 255}`, dst: '10.9.9.9', sport: 1000, dport: 80 };
    return i % 2 === 0 ? udp(ends) : tcp(ends, { flags: 'S', seq: i });
  });
}

const jobs = {
  setUp({ memory }: { memory: TrackerMemory }): void {
    ct = Conntrack.attach(memory);
  },

  /** Opens this thread's own connections, and sends a reply for each. */
  establish({ established, nowMs }: FloodPlan, thread: number): void {
    const batch = PacketBatch.allocate();
    for (let i = 0; i < established; i++) {
      batch.clear();
      batch.add(udp(establishedEnds(thread, i)));
      batch.add(udp(reverse(establishedEnds(thread, i))));
      ct.execute(batch, new CtAction({ commit: true }), nowMs);
    }
  },

  /**
   * Sends random flood packets. Of 32 packets two belong to its own established traffic, and one is a reply to any
   * connection of the flood. Sweeps now and then.
   * @returns how many packets of established connections were not `est`
   */
  flood({ gate, threads, established, rounds, tuples, nowMs }: FloodPlan, thread: number): number {
    const random = randomSequence(thread);
    const frames = floodFrames(tuples);
    const talk = Array.from({ length: established }, (_, i) => [
      udp(establishedEnds(thread, i)),
      udp(reverse(establishedEnds(thread, i))),
    ]).flat();
    const batch = PacketBatch.allocate();
    const action = new CtAction({ commit: true });
    const { tracker } = ct;
    let strangers = 0;
    startTogether(gate, 0, threads);
    tracker.enter();
    for (let round = 0; round < rounds; round++) {
      batch.clear();
      batch.add(talk[random() % talk.length]!);
      const answered = 2 * (random() % (tuples >> 1));
      const ends = { src: `10.2.${answered >> 8}.${answered & 255}`, dst: '10.9.9.9', sport: 1000, dport: 80 };
      if (round % 16 === 0) {
        batch.add(udp(reverse(ends)));
      }
      while (batch.count < MAX_BATCH - 1) {
        batch.add(frames[random() % tuples]!);
      }
      batch.add(talk[random() % talk.length]!);
      conntrackExecute(tracker, batch, action, nowMs + round);
      for (const place of [0, MAX_BATCH - 1]) {
        strangers += (batch.state(place) & CtState.EST) === 0 ? 1 : 0;
      }
      if (round % 64 === 0) {
        sweepStep(tracker, new SweepCursor(), updateClock(tracker, nowMs + round), 1);
      }
    }
    tracker.quiesce();
    tracker.leave();
    return strangers;
  },
};

export type FloodJobs = typeof jobs;
serve(jobs);

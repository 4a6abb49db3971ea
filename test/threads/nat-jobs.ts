/** Jobs of the tests of translation under threads: all of them want tuples of one small range. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { CtState } from '../../src/core/packet/layout.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { udp } from '../support/frames.ts';
import { serve } from './serve.ts';
import { randomSequence } from './steps.ts';

export interface NatSetUp {
  memory: TrackerMemory;
  barrier: Words;
  /** For each port of the range: who has it. */
  claims: Words;
  parties: number;
  minPort: number;
  maxPort: number;
}

let ct: Conntrack;
let shared: NatSetUp;
const batch = PacketBatch.allocate();

const SERVER = { dst: '192.0.2.1', dport: 53 };
const PROTOCOL = 17;
/** Where the source port of a frame without tags and options is. */
const SPORT_AT = 34;

function ends(thread: number, flow: number): { src: string; dst: string; sport: number; dport: number } {
  return { src: `10.${thread}.${(flow >> 8) & 255}.${flow & 255}`, sport: 1024 + (flow % 60_000), ...SERVER };
}

/** Sends frames as one batch; the port that each was given, or 0. */
function open(frames: readonly Uint8Array[], action: CtAction, nowMs: number): number[] {
  batch.clear();
  for (const frame of frames) {
    batch.add(frame);
  }
  conntrackExecute(ct.tracker, batch, action, nowMs);
  return frames.map((_, index) => {
    if ((batch.state(index) & CtState.SNAT) === 0) {
      return 0;
    }
    const frame = batch.frame(index);
    return (frame[SPORT_AT]! << 8) | frame[SPORT_AT + 1]!;
  });
}

function action(): CtAction {
  const { minPort, maxPort } = shared;
  return new CtAction({ commit: true, nat: { action: ['src'], minAddr: '198.51.100.1', minPort, maxPort } });
}

/**
 * Notes who was given a port.
 * @throws Error if it was somebody's; claims up to `free` are past
 */
function claim(port: number, owner: number, free: number): void {
  const before = Atomics.exchange(shared.claims, port - shared.minPort, owner);
  if (before > free) {
    throw new Error(`port ${port} was given out twice (${before}, ${owner})`);
  }
}

const jobs = {
  setUp(options: NatSetUp): void {
    shared = options;
    ct = Conntrack.attach(options.memory);
  },

  /**
   * In each round every thread opens so many connections that all together want more than the range has; between rounds all of
   * them expire. Returns how many this thread got in each round.
   */
  fillAndExpire(
    { rounds, flows, roundMs }: { rounds: number; flows: number; roundMs: number },
    thread: number,
  ): number[] {
    const nat = action();
    const frames = Array.from({ length: flows }, (_, flow) => udp(ends(thread, flow)));
    ct.tracker.enter();
    const got: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      arriveAndWait(shared.barrier, 0, shared.parties);
      let opened = 0;
      for (let from = 0; from < flows; from += MAX_BATCH) {
        for (const port of open(frames.slice(from, from + MAX_BATCH), nat, round * roundMs)) {
          if (port !== 0) {
            claim(port, round, round - 1);
            opened++;
          }
        }
      }
      got.push(opened);
      ct.tracker.quiesce();
      arriveAndWait(shared.barrier, 0, shared.parties);
    }
    ct.tracker.leave();
    return got;
  },

  /** Opens and removes connections at random, at most `most` at a time. Returns how many it opened and still has. */
  openAndFlush({ steps, most }: { steps: number; most: number }, thread: number): { opened: number; left: number } {
    const nat = action();
    const next = randomSequence(thread);
    const mine: { flow: number; port: number }[] = [];
    let opened = 0;
    arriveAndWait(shared.barrier, 0, shared.parties);
    for (let step = 0; step < steps; step++) {
      if (mine.length < most && next() % 2 === 0) {
        ct.tracker.enter();
        const [port] = open([udp(ends(thread, step))], nat, 0);
        ct.tracker.leave();
        if (port !== 0) {
          claim(port!, thread + 1, 0);
          mine.push({ flow: step, port: port! });
          opened++;
        }
      } else if (mine.length > 0) {
        const at = next() % mine.length;
        const { flow, port } = mine[at]!;
        mine[at] = mine.at(-1)!;
        mine.pop();
        /* No longer claimed before it can be anybody else's. */
        if (Atomics.exchange(shared.claims, port - shared.minPort, 0) !== thread + 1) {
          throw new Error(`port ${port} was given out twice`);
        }
        const { src, sport, dst, dport } = ends(thread, flow);
        /* Found by either end. */
        const tuple =
          next() % 2 === 0
            ? { src, dst, sport, dport, proto: PROTOCOL }
            : { src: dst, dst: '198.51.100.1', sport: dport, dport: port, proto: PROTOCOL };
        if (!ct.flushTuple(tuple, { nowMs: 0 })) {
          throw new Error(`the connection on port ${port} is gone`);
        }
      }
    }
    return { opened, left: mine.length };
  },
};

export type NatJobs = typeof jobs;
serve(jobs);

/** Jobs of the tests of fragments under threads: each thread brings some of the fragments of the same datagrams. */

import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { MAX_BATCH, PacketBatch } from '../../src/core/packet/batch.ts';
import { CtState, PacketWord } from '../../src/core/packet/layout.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { udp } from '../support/frames.ts';
import { serve } from './serve.ts';
import { randomSequence } from './steps.ts';

export interface FragmentSetUp {
  memory: TrackerMemory;
  barrier: Words;
  parties: number;
}

export interface FragmentRounds {
  rounds: number;
  /** Datagrams of a round. */
  datagrams: number;
  /** Fragments of a datagram; fragment `i` is thread `i % parties`'s. */
  pieces: number;
}

const PAYLOAD_BYTES = 1200;

let ct: Conntrack;
let shared: FragmentSetUp;
const batch = PacketBatch.allocate();
const COMMIT = new CtAction({ commit: true });

function framesOf(round: number, datagram: number, pieces: number): Buffer[] {
  const ends = { src: `10.0.${round & 255}.${datagram}`, dst: '10.9.9.9', sport: 1000 + datagram, dport: 53 };
  return fragmentsOf(udp(ends, Buffer.alloc(PAYLOAD_BYTES * pieces - 8)), datagram, PAYLOAD_BYTES);
}

const jobs = {
  setUp(data: FragmentSetUp): void {
    shared = data;
    ct = Conntrack.attach(data.memory);
  },

  /** How often each packet came back in this thread; a wrong state counts a hundred times. */
  bringMine({ rounds, datagrams, pieces }: FragmentRounds, thread: number): number[] {
    const back = Array<number>(datagrams * pieces).fill(0);
    const next = randomSequence(thread + 1);
    const random = (below: number) => next() % below;
    for (let round = 0; round < rounds; round++) {
      const mine: { frame: Buffer; number: number }[] = [];
      for (let datagram = 0; datagram < datagrams; datagram++) {
        for (const [index, frame] of framesOf(round, datagram, pieces).entries()) {
          if (index % shared.parties === thread) {
            mine.push({ frame, number: datagram * pieces + index });
          }
        }
      }
      for (let i = mine.length - 1; i > 0; i--) {
        const j = random(i + 1);
        [mine[i], mine[j]] = [mine[j]!, mine[i]!];
      }
      arriveAndWait(shared.barrier, 0, shared.parties);
      for (let from = 0; from < mine.length; ) {
        const count = 1 + random(MAX_BATCH);
        batch.clear();
        for (const { frame, number } of mine.slice(from, from + count)) {
          batch.add(frame, { number });
        }
        from += count;
        ct.execute(batch, COMMIT, round);
        for (let i = 0; i < batch.count; i++) {
          const isRight = batch.state(i) === (CtState.NEW | CtState.TRK);
          back[batch.words[batch.slots[i]! + PacketWord.NUMBER]!]! += isRight ? 1 : 100;
        }
      }
      arriveAndWait(shared.barrier, 0, shared.parties);
    }
    return back;
  },
};

export type FragmentJobs = typeof jobs;

serve(jobs);

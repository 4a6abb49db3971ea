/** Jobs of a thread that has a handle of its own on a table. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { send } from '../support/tracking.ts';
import { serve } from './serve.ts';

let ct: Conntrack | undefined;

const jobs = {
  attach(memory: TrackerMemory): number {
    ct = Conntrack.attach(memory);
    return ct.participant;
  },

  /** Tracks a packet at time 0. @returns its state */
  track(frame: Uint8Array): string {
    return send(ct!, frame, 0);
  },

  /** Takes a participant slot over. @returns the participant, or the error */
  takeOver({ memory, participant, token }: { memory: TrackerMemory; participant: number; token: number }): string {
    try {
      ct = Conntrack.attach(memory, { participant, token });
      return String(ct.participant);
    } catch (error) {
      return (error as Error).message;
    }
  },

  /**
   * Attaches and closes repeatedly, each time twice. @returns slots that another handle of this job had at the same
   * time
   */
  comeAndGo({ memory, rounds, places }: { memory: TrackerMemory; rounds: number; places: Int32Array }): number {
    let shared = 0;
    for (let round = 0; round < rounds; round++) {
      const handle = Conntrack.attach(memory);
      const { participant } = handle;
      if (Atomics.add(places, participant, 1) !== 0) {
        shared++;
      }
      Atomics.sub(places, participant, 1);
      handle.close();
      handle.close();
    }
    return shared;
  },
};

export type HandleJobs = typeof jobs;
serve(jobs);

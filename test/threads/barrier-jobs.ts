/** Jobs of the barrier tests. */

import { type Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { serve } from './serve.ts';

const jobs = {
  /** Arrives once and says so after. */
  pass({ words, barrier, parties, passed }: { words: Words; barrier: number; parties: number; passed: number }): void {
    arriveAndWait(words, barrier, parties);
    Atomics.add(words, passed, 1);
  },

  /**
   * In every round: says where it is, plainly, passes the barrier and looks where the others are; a second barrier
   * keeps all threads there until all have looked. Returns how often a thread was in another round.
   */
  rounds(
    plan: { words: Words; barriers: [number, number]; parties: number; places: number; rounds: number },
    thread: number,
  ): number {
    const { words } = plan;
    let elsewhere = 0;
    for (let round = 1; round <= plan.rounds; round++) {
      words[plan.places + thread] = round;
      arriveAndWait(words, plan.barriers[0], plan.parties);
      for (let other = 0; other < plan.parties; other++) {
        if (words[plan.places + other] !== round) {
          elsewhere++;
        }
      }
      arriveAndWait(words, plan.barriers[1], plan.parties);
    }
    return elsewhere;
  },
};

export type BarrierJobs = typeof jobs;
serve(jobs);

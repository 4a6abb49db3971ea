/** The barrier: nobody passes before all have arrived, round after round. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../../src/shared/sync/barrier.ts';
import type { BarrierJobs } from '../../threads/barrier-jobs.ts';
import { Crew } from '../../threads/crew.ts';
import { until } from '../../threads/steps.ts';

const THREADS = 4;
const BARRIER = 0;
const SECOND_BARRIER = BARRIER_WORDS;
const PASSED = 2 * BARRIER_WORDS;
const PLACES = PASSED + 1;
const WORDS = PLACES + THREADS;

/* From the diagram of barrier.ts. */
const ARRIVED = BARRIER;
const ROUND = BARRIER + 1;

describe.each([{ checked: false }, { checked: true }])('the barrier (checked: $checked)', ({ checked }) => {
  const crew = new Crew<BarrierJobs>({ jobs: 'barrier-jobs', threads: THREADS, checked });
  let words: Words;

  beforeEach(() => {
    words = allocateWords(WORDS);
  });

  afterAll(() => crew.end());

  it('holds all who have come until the last one comes, and then lets all of them go', async () => {
    const plan = { words, barrier: BARRIER, parties: THREADS, passed: PASSED };
    for (let round = 1; round <= 50; round++) {
      const last = round % THREADS;
      const others = Array.from({ length: THREADS }, (_, thread) => thread).filter((thread) => thread !== last);
      const passing = others.map((thread) => crew.runOn(thread, 'pass', plan));
      await until('all but one have arrived', () => Atomics.load(words, ARRIVED) === THREADS - 1);
      expect(Atomics.load(words, PASSED)).toBe((round - 1) * THREADS);
      await crew.runOn(last, 'pass', plan);
      await Promise.all(passing);
      expect(words[PASSED]).toBe(round * THREADS);
      expect(words[ARRIVED]).toBe(0);
    }
  });

  it('of one party stops nobody', async () => {
    for (let round = 1; round <= 3; round++) {
      await crew.runOn(0, 'pass', { words, barrier: BARRIER, parties: 1, passed: PASSED });
      expect([words[ARRIVED], words[ROUND], words[PASSED]]).toEqual([0, round, round]);
    }
  });

  it('keeps its threads in the same round, whichever is fastest', async () => {
    const plan = {
      words,
      barriers: [BARRIER, SECOND_BARRIER] satisfies [number, number],
      parties: THREADS,
      places: PLACES,
      rounds: 2000,
    };
    expect(await crew.run('rounds', plan)).toEqual([0, 0, 0, 0]);
    expect(words[ROUND]).toBe(2000);
  });

  it('goes on when the number of its round wraps', async () => {
    words[ROUND] = 0x7fffffff - 5;
    words[SECOND_BARRIER + 1] = -5;
    const plan = {
      words,
      barriers: [BARRIER, SECOND_BARRIER] satisfies [number, number],
      parties: THREADS,
      places: PLACES,
      rounds: 20,
    };
    expect(await crew.run('rounds', plan)).toEqual([0, 0, 0, 0]);
    expect(words[ROUND]).toBe((0x7fffffff + 15) | 0);
  });
});

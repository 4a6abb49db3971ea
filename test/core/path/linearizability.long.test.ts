/** As linearizability.test.ts, with many seeds, two to four threads, and more or less crowded flows. */

import { afterAll, describe, expect, it } from 'vitest';
import { CHECKED } from '../../../src/shared/access.ts';
import { checkHistories, HISTORY_TABLES } from '../../history/run.ts';
import { Crew } from '../../threads/crew.ts';
import type { HistoryJobs } from '../../threads/history-jobs.ts';

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

describe.each([2, 3, 4])(`histories of %i threads, checked: ${CHECKED}`, (threads) => {
  const crew = new Crew<HistoryJobs>({ jobs: 'history-jobs', threads, checked: CHECKED });

  let met = 0;

  afterAll(() => crew.end());

  describe.each(HISTORY_TABLES)('with $engine ($reclaim, $buckets buckets)', (table) => {
    it.each(SEEDS)('are linearizable, flow by flow, for seed %i', async (seed) => {
      for (const isMoving of [false, true]) {
        const options = { ...table, operations: 400, rounds: 4, overlaps: 500, seed: seed + 1000 * threads, isMoving };
        met += (await checkHistories(crew, { ...options, flows: seed % 2 === 0 ? 4 : 8 })).overlaps;
      }
    });
  });

  it('threads did meet', () => {
    expect(met).toBeGreaterThan(1000);
  });
});

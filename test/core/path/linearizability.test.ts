/** Threads work on one flow at the same time. Their verdicts must be those of some sequential order. */

import { afterAll, describe, expect, it } from 'vitest';
import { CHECKED } from '../../../src/shared/access.ts';
import { checkHistories, HISTORY_TABLES } from '../../history/run.ts';
import { Crew } from '../../threads/crew.ts';
import type { HistoryJobs } from '../../threads/history-jobs.ts';

/* The checked process delays threads before shared accesses, so that more happens at the same time. */
describe(`histories of four threads, checked: ${CHECKED}`, () => {
  const crew = new Crew<HistoryJobs>({ jobs: 'history-jobs', threads: 4, checked: CHECKED });

  let met = 0;

  afterAll(() => crew.end());

  describe.each(HISTORY_TABLES)('with $engine ($reclaim, $buckets buckets)', (table) => {
    it.each([false, true])('are linearizable, flow by flow (the clock moves on meanwhile: %s)', async (isMoving) => {
      met += (
        await checkHistories(crew, {
          ...table,
          flows: 4,
          operations: 200,
          rounds: 2,
          overlaps: 200,
          seed: 1,
          isMoving,
        })
      ).overlaps;
    });
  });

  it('threads did meet', () => {
    expect(met).toBeGreaterThan(0);
  });
});

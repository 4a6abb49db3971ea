/** As repair.test.ts, but the first who repairs dies as well. */

import { afterAll, describe, expect, it } from 'vitest';
import { Crew } from '../../threads/crew.ts';
import type { RepairJobs } from '../../threads/repair-jobs.ts';

const crew = new Crew<RepairJobs>({ jobs: 'repair-jobs', threads: 1, checked: true });
afterAll(() => crew.end());

const names = await crew.runOn(0, 'scenarios', undefined as never);

describe('a repairer that dies before any of its accesses', () => {
  it.each(names)('leaves work that another one finishes: %s', async (name) => {
    const { problems } = await crew.runOn(0, 'dieEverywhere', { name, isRepairerMortal: true });
    expect(problems).toEqual([]);
  });
});

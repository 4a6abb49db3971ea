/** As repair.test.ts, but the first repairing thread dies as well. */

import { afterAll, describe, expect, it } from 'vitest';
import { Crew } from '../../threads/crew.ts';
import type { RepairJobs } from '../../threads/repair-jobs.ts';

const crew = new Crew<RepairJobs>({ jobs: 'repair-jobs', threads: 1, checked: true });
afterAll(() => crew.end());

const names = await crew.runOn(0, 'scenarios', undefined as never);

describe('a repair that dies before any of its accesses', () => {
  it.each(names)('is finished by another one: %s', async (name) => {
    const { problems } = await crew.runOn(0, 'dieEverywhere', { name, isRepairerMortal: true });
    expect(problems).toEqual([]);
  });
});

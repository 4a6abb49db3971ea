/** A participant dies before any of its shared accesses; who repairs after it leaves a table in which nothing is lost. */

import { afterAll, describe, expect, it } from 'vitest';
import { Crew } from './threads/crew.ts';
import type { RepairJobs } from './threads/repair-jobs.ts';

const crew = new Crew<RepairJobs>({ jobs: 'repair-jobs', threads: 1, checked: true });
afterAll(() => crew.end());

const names = await crew.runOn(0, 'scenarios', undefined as never);

describe('a participant that dies before any of its accesses', () => {
  it.each(names)('leaves the books right: %s', async (name) => {
    const { points, report, problems } = await crew.runOn(0, 'dieEverywhere', { name, dyingRepairer: false });
    if (process.env['REPAIR_TRACE'] !== undefined) console.log(name, points, JSON.stringify(report));
    expect(problems).toEqual([]);
    expect(points).toBeGreaterThan(3);
  });
});

describe('a repairer that dies before any of its accesses', () => {
  it.each(names)('leaves work that another one finishes: %s', async (name) => {
    const { problems } = await crew.runOn(0, 'dieEverywhere', { name, dyingRepairer: true });
    expect(problems).toEqual([]);
  });
});

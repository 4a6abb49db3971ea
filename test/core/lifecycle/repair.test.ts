/** A participant dies before any of its shared accesses; who repairs after it leaves a table in which nothing is lost. */

import { afterAll, describe, expect, it } from 'vitest';
import { rounds } from '../../support/rounds.ts';
import { Crew } from '../../threads/crew.ts';
import type { RepairJobs } from '../../threads/repair-jobs.ts';

const crew = new Crew<RepairJobs>({ jobs: 'repair-jobs', threads: 1, checked: true });
afterAll(() => crew.end());

const names = await crew.runOn(0, 'scenarios', undefined as never);
const patient = await crew.runOn(0, 'patientScenarios', undefined as never);
const changes = await crew.runOn(0, 'changes', undefined as never);

describe('a participant that dies before any of its accesses', () => {
  it.each(names)('leaves the accounting right: %s', async (name) => {
    const { points, problems } = await crew.runOn(0, 'dieEverywhere', {
      name,
      isRepairerMortal: false,
      step: rounds(3, 1),
    });
    expect(problems).toEqual([]);
    expect(points).toBeGreaterThan(1);
  });
});

describe('a participant that dies when it is about to give back a record', () => {
  it.each(['keep', 'retire'] as const)('is not taken for one that has done so: %s', async (what) => {
    expect(await crew.runOn(0, 'dieGivingBack', { what })).toEqual([]);
  });
});

describe('a participant that dies while it writes the label of a connection', () => {
  it('keeps neither a dump waiting nor the repair of another one that was removing the connection', async () => {
    expect(await crew.runOn(0, 'dieOverLabel', undefined as never)).toEqual({
      label: '0'.repeat(32),
      isComplete: [false, true, true],
      told: ['new', 'destroy'],
      problems: [],
    });
  });
});

describe('a thread with patience that gives up waiting for any of its locks', () => {
  it.each(patient)('leaves the accounting right, and can do it later: %s', async (name) => {
    const { points, problems } = await crew.runOn(0, 'giveUpEverywhere', { name });
    expect(problems).toEqual([]);
    expect(points).toBeGreaterThan(0);
  });
});

describe('a participant that dies in the middle of what it does to held fragments', () => {
  it.each(changes)('leaves only what is whole: %s', async (name) => {
    const { points, problems } = await crew.runOn(0, 'tearEverywhere', { name });
    expect(problems).toEqual([]);
    expect(points).toBeGreaterThan(3);
  });
});

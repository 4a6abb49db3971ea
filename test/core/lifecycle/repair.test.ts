/** A participant dies before each of its shared accesses in turn. After a repair the table has lost nothing. */

import { afterAll, describe, expect, it } from 'vitest';
import { rounds } from '../../support/rounds.ts';
import { Crew } from '../../threads/crew.ts';
import type { RepairJobs } from '../../threads/repair-jobs.ts';

const crew = new Crew<RepairJobs>({ jobs: 'repair-jobs', threads: 1, checked: true });
afterAll(() => crew.end());

const names = await crew.runOn(0, 'scenarios', undefined as never);
const patient = await crew.runOn(0, 'lockTimeoutScenarios', undefined as never);
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

describe('a participant that dies when it is about to free a record', () => {
  it.each(['keep', 'retire'] as const)('has not freed it: %s', async (what) => {
    expect(await crew.runOn(0, 'dieGivingBack', { what })).toEqual([]);
  });
});

describe('a participant that dies while it writes the label of a connection', () => {
  it('blocks neither a dump nor the repair of a thread that was removing the connection', async () => {
    expect(await crew.runOn(0, 'dieOverLabel', undefined as never)).toEqual({
      label: '0'.repeat(32),
      isComplete: [false, true, true],
      emitted: ['new', 'destroy'],
      problems: [],
    });
  });
});

describe('a thread with a lock timeout that gives up waiting for any of its locks', () => {
  it.each(patient)('leaves the accounting right, and can repeat the call later: %s', async (name) => {
    const { points, problems } = await crew.runOn(0, 'giveUpEverywhere', { name });
    expect(problems).toEqual([]);
    expect(points).toBeGreaterThan(0);
  });
});

describe('a participant that dies while it changes held fragments', () => {
  it.each(changes)('leaves only whole fragment lists: %s', async (name) => {
    const { points, problems } = await crew.runOn(0, 'tearEverywhere', { name });
    expect(problems).toEqual([]);
    expect(points).toBeGreaterThan(3);
  });
});

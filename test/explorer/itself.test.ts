/** The explorer itself, on small programs whose schedules and faults are known. */

import { afterAll, describe, expect, it } from 'vitest';
import { CompiledSources } from './compile.ts';
import { ExplorerCrew } from './crew.ts';
import { explore, type ExploreOptions } from './explore.ts';
import { parseSchedule, scheduleText } from './schedule.ts';

describe('the explorer', () => {
  const sources = new CompiledSources();
  const crew = new ExplorerCrew(sources.root);
  afterAll(async () => {
    await crew.end();
    sources.remove();
  });

  async function search(scenario: string, options: ExploreOptions) {
    await crew.load({ root: sources.root, module: 'toys', scenario });
    return explore(crew, options);
  }

  /** What stands in the log of `appends`. */
  const order = () => crew.regions[0]!.words.slice(16, 22).join('');

  it('tries all orders of two threads with three accesses each: 20', async () => {
    const orders = new Set<string>();
    const { isComplete } = await search('appends', { preemptions: 5, onRun: () => orders.add(order()) });
    expect(isComplete).toBe(true);
    expect(orders.size).toBe(20);
  });

  it('tries only as many preemptions as it was told: without any there are two orders, with one 6', async () => {
    for (const [preemptions, count] of [
      [0, 2],
      [1, 6],
    ] as const) {
      const orders = new Set<string>();
      await search('appends', { preemptions, onRun: () => orders.add(order()) });
      expect(orders.size).toBe(count);
    }
  });

  it('spares preemptions before accesses to words that nobody else uses', async () => {
    const { schedules, sharedWords, steps } = await search('mostlyPrivate', { preemptions: 4 });
    expect(sharedWords).toBe(1);
    /* Three accesses to the shared word each, and both ends: as many orders as of `appends`. */
    expect(steps).toBe(19);
    expect(schedules).toBeLessThan(100);
  });

  it('makes up for what it spared once a word turns out to be shared', async () => {
    const { failure } = await search('latelyShared', { preemptions: 2 });
    expect(failure).toMatchObject({ kind: 'lost value' });
  });

  it('takes words that change without the seam for shared', async () => {
    const { failure } = await search('plainRace', { preemptions: 2 });
    expect(failure).toMatchObject({ kind: 'lost value' });
  });

  it('finds a lost update with one preemption, and says by which schedule', async () => {
    expect((await search('lostUpdate', { preemptions: 0 })).failure).toBeUndefined();
    const { failure } = await search('lostUpdate', { preemptions: 1 });
    expect(failure).toMatchObject({ kind: 'lost update' });
    expect(parseSchedule(failure!.schedule).filter((_, i) => i % 2 === 0)).not.toEqual([]);
    /* The same again, from the text alone. */
    const run = crew.run({ decisions: parseSchedule(failure!.schedule) });
    expect(run.thrown?.name).toBe('Violation');
  });

  it('finds a lost update at random, by a schedule that can be repeated', async () => {
    const { failure } = await search('lostUpdate', { preemptions: 0, randomRuns: 500, changePoints: 2 });
    expect(failure).toMatchObject({ kind: 'lost update' });
    expect(crew.run({ decisions: parseSchedule(failure!.schedule) }).thrown?.name).toBe('Violation');
    const again = await search('lostUpdate', { preemptions: 0, randomRuns: 500, changePoints: 2 });
    expect(again.failure).toEqual(failure);
  });

  it('finds a lost wake-up, also one that a timeout hides, unless it may', async () => {
    for (const scenario of ['lostWakeUp', 'hiddenWakeUp']) {
      const { failure } = await search(scenario, { preemptions: 1 });
      expect(failure).toMatchObject({ kind: 'lost wake-up' });
      expect(failure!.message).toContain('thread 0 sleeps on words[1]');
    }
    const { failure, timeouts } = await search('hiddenWakeUp', { preemptions: 1, mayTimeOut: true });
    expect(failure).toBeUndefined();
    expect(timeouts).toBeGreaterThan(0);
  });

  it('wakes sleepers in the order in which they came', async () => {
    const { isComplete, failure } = await search('firstComeFirstServed', { preemptions: 0 });
    expect(failure).toBeUndefined();
    expect(isComplete).toBe(true);
  });

  it('lets a thread that spins wait for others, and tells one that spins for ever', async () => {
    expect((await search('spins', { preemptions: 2 })).failure).toBeUndefined();
    expect((await search('spinsForEver', { preemptions: 0 })).failure).toMatchObject({ kind: 'livelock' });
  });

  it('tells what a thread throws, and goes on with the next scenario', async () => {
    const { failure } = await search('throws', { preemptions: 1 });
    expect(failure).toMatchObject({ kind: 'exception' });
    expect(failure!.message).toContain('TypeError: of all things');
    expect((await search('spins', { preemptions: 1 })).failure).toBeUndefined();
  });

  it('refuses a scenario that keeps a state over its end, and memory that it was not told of', async () => {
    await expect(search('keepsState', { preemptions: 1 })).rejects.toThrow(
      'does not repeat the run that it comes from',
    );
    const { failure } = await search('touchesOthers', { preemptions: 0 });
    expect(failure!.message).toContain('memory that the scenario does not name');
  });

  it('writes schedules as text and reads them again', () => {
    for (const text of ['-', 'b2', '3.1', 'b1 3.0 17.x 20.2']) {
      expect(scheduleText(parseSchedule(text))).toBe(text);
    }
    expect(() => parseSchedule('3:1')).toThrow('"3:1" is no decision of a schedule');
  });
});

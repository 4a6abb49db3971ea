/**
 * The tests kill workers at random moments and before chosen shared accesses. All other workers go on, and only the packets of
 * the dead worker's current batch are lost.
 */

import { describe, expect, it } from 'vitest';
import { killWorkers } from '../support/killing.ts';
import { type Scenario, stopEverywhere } from '../support/stop-scenarios.ts';

describe('a datapath that loses workers under load', () => {
  it('restarts them after 20 kills, and its accounting holds', async () => {
    const figures = await killWorkers({ seed: 1, threads: 2, kills: 20 });
    expect(figures.kills).toBeGreaterThanOrEqual(20);
  });
});

describe('a worker that is terminated before a shared access', () => {
  /* A selection of the accesses; the long test takes all of them. */
  it.each<{ scenario: Scenario; first: number; step: number }>([
    { scenario: 'an insertion', first: 3, step: 29 },
    { scenario: 'an insertion with NAT', first: 7, step: 37 },
    { scenario: 'the growth of a bucket', first: 11, step: 67 },
    { scenario: 'a removal by the sweeper', first: 9, step: 31 },
  ])('in $scenario leaves a table that can be repaired', async ({ scenario, first, step }) => {
    expect(await stopEverywhere(scenario, step, first)).toBeGreaterThan(0);
  });
});

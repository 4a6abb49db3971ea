/**
 * Workers that are killed while they work, at random moments and where they were stopped for it: everybody else goes on, and
 * nothing is lost but the packets that they were at.
 */

import { describe, expect, it } from 'vitest';
import { killWorkers } from '../support/killing.ts';
import { type Scenario, stopEverywhere } from '../support/stop-scenarios.ts';

describe('a datapath whose workers are killed under load', () => {
  it('starts them again 20 times, and its accounting holds', async () => {
    const figures = await killWorkers({ seed: 1, threads: 2, kills: 20 });
    expect(figures.kills).toBeGreaterThanOrEqual(20);
  });
});

describe('a worker that is stopped at a shared access and terminated there', () => {
  /* A selection; all of them are in the long tests. */
  it.each<{ scenario: Scenario; first: number; step: number }>([
    { scenario: 'an insertion', first: 3, step: 29 },
    { scenario: 'an insertion with NAT', first: 7, step: 37 },
    { scenario: 'the growth of a bucket', first: 11, step: 67 },
    { scenario: 'a removal by the sweeper', first: 9, step: 31 },
  ])('in the middle of $scenario leaves everything in order', async ({ scenario, first, step }) => {
    expect(await stopEverywhere(scenario, step, first)).toBeGreaterThan(0);
  });
});

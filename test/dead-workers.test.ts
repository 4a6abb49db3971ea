/** Workers that are killed while they work: everybody else goes on, nothing is lost but the packets that they were at. */

import { afterEach, describe, expect, it } from 'vitest';
import { Killer } from './support/killing.ts';
import { type Scenario, stopEverywhere } from './support/stop-scenarios.ts';
import { Turmoil } from './support/turmoil.ts';

let turmoil: Turmoil | undefined;
let killer: Killer | undefined;

afterEach(async () => {
  await killer?.end();
  await turmoil?.datapath.stop().catch(() => {});
  turmoil = undefined;
  killer = undefined;
});

describe('a datapath whose workers are killed under load', () => {
  it('starts them again 50 times, and its books balance', async () => {
    turmoil = await Turmoil.start({ seed: 1, threads: 2, flows: 64 });
    killer = new Killer(turmoil);
    const { figures } = killer;
    while (figures.kills < 50) {
      await killer.kill();
      if (figures.kills % 5 === 0) {
        await turmoil.check();
      }
    }
    await turmoil.check();
    console.log(
      JSON.stringify({ ...figures, deaths: figures.deaths.length, packets: turmoil.packets, nowMs: turmoil.nowMs }),
    );
    expect(figures.longestMeasuredDeathMs).toBeLessThan(100);
    expect(figures.longestMeasuredWaitMs).toBeLessThan(100);
    await turmoil.datapath.stop();
  }, 240_000);
});

describe('a worker that is stopped at a shared access and terminated there', () => {
  /* A selection, with every lock checked; all of them are in the long tests. */
  it.each<{ scenario: Scenario; first: number; step: number }>([
    { scenario: 'an insertion', first: 3, step: 17 },
    { scenario: 'an insertion with NAT', first: 7, step: 23 },
    { scenario: 'the growth of a bucket', first: 11, step: 41 },
    { scenario: 'a removal by the sweeper', first: 2, step: 13 },
  ])('in the middle of $scenario leaves everything in order', async ({ scenario, first, step }) => {
    const terminated = await stopEverywhere(scenario, step, first);
    console.log(scenario, terminated);
    expect(terminated).toBeGreaterThan(1);
  });
});

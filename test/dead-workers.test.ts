/** Workers that are killed while they work: everybody else goes on, nothing is lost but the packets that they were at. */

import { afterEach, describe, expect, it } from 'vitest';
import { Killer } from './support/killing.ts';
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
    expect(figures.longestOwnDeathMs).toBeLessThan(100);
    expect(figures.longestOwnWaitMs).toBeLessThan(100);
    await turmoil.datapath.stop();
  }, 120_000);
});

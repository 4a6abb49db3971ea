/** As dead-workers.test.ts, in full: a thousand kills, with locks checked and not; every access of some operations. */

import { afterEach, describe, expect, it } from 'vitest';
import { killWorkers } from '../support/killing.ts';
import { SCENARIOS, stopEverywhere } from '../support/stop-scenarios.ts';

const LONG_MS = 60 * 60_000;

afterEach(() => {
  delete process.env['CT_CHECKED'];
});

describe.each([
  { checked: false, threads: 2, kills: 50, seed: 1 },
  { checked: false, threads: 3, kills: 600, seed: 2 },
  { checked: true, threads: 2, kills: 400, seed: 3 },
])('a datapath whose workers are killed under load (checked: $checked)', ({ checked, ...options }) => {
  it(
    `starts them again ${options.kills} times, and its accounting holds`,
    async () => {
      if (checked) {
        /* Worker threads take it over; this thread stays as it is. */
        process.env['CT_CHECKED'] = '1';
      }
      const figures = await killWorkers(options);
      expect(figures.kills).toBeGreaterThanOrEqual(options.kills);
    },
    LONG_MS,
  );
});

describe('a worker that is stopped at every shared access and terminated there', () => {
  it.each(SCENARIOS)(
    'in the middle of %s leaves everything in order',
    async (scenario) => {
      const terminated = await stopEverywhere(scenario, 1, 1);
      console.log(`${scenario}: terminated at ${terminated} accesses`);
      expect(terminated).toBeGreaterThan(10);
    },
    LONG_MS,
  );
});

/** dead-workers.test.ts in full: a thousand kills, in checked mode and without, and every shared access of each scenario. */

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
])('a datapath that loses workers under load (checked: $checked)', ({ checked, ...options }) => {
  it(
    `restarts them after ${options.kills} kills, and its accounting holds`,
    async () => {
      if (checked) {
        /* Only worker threads that start from now on read it. */
        process.env['CT_CHECKED'] = '1';
      }
      const figures = await killWorkers(options);
      expect(figures.kills).toBeGreaterThanOrEqual(options.kills);
    },
    LONG_MS,
  );
});

describe('a worker that is terminated before each shared access', () => {
  it.each(SCENARIOS)(
    'in %s leaves a table that can be repaired',
    async (scenario) => {
      const terminated = await stopEverywhere(scenario, 1, 1);
      console.log(`${scenario}: terminated at ${terminated} accesses`);
      expect(terminated).toBeGreaterThan(10);
    },
    LONG_MS,
  );
});

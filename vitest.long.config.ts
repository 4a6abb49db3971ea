/** `npm run test:long`: the tests that take too long for every commit, and more of the others with CT_CHECKED=1. */

import { defineConfig } from 'vitest/config';
import { loadCompiled } from './test/support/compiled.ts';

/** Tests that do not break the rules of a checked process on purpose, or hand it records that never were. */
const CHECKED = [
  'test/linearizability.long.test.ts',
  'test/batch-order.test.ts',
  'test/captures.test.ts',
  'test/counters.test.ts',
  'test/early-drop.test.ts',
  'test/expectations.test.ts',
  'test/expiry-and-clock.test.ts',
  'test/fragments.test.ts',
  'test/fragments-*.test.ts',
  'test/ftp-*.test.ts',
  'test/nat*.test.ts',
  'test/reclaim.test.ts',
  'test/remembered-connection.test.ts',
  'test/run*.test.ts',
  'test/tcp-established.test.ts',
  'test/zone-timeout-policies.test.ts',
];

/** Files of `npm test` that do only some of their rounds there: see test/support/rounds.ts. */
const IN_FULL = [
  'test/ftp-threads.test.ts',
  'test/nat-threads.test.ts',
  'test/packet-bounds.test.ts',
  'test/repair.test.ts',
];
const IN_FULL_CHECKED = ['test/ftp-threads.test.ts', 'test/nat-threads.test.ts', 'test/table-concurrent.test.ts'];

export default defineConfig({
  plugins: [loadCompiled()],
  test: {
    server: { deps: { external: [/\/\.compiled\//] } },
    fileParallelism: false,
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    globalSetup: ['test/support/build.ts'],
    reporters: ['default', './test/summary-reporter.ts'],
    projects: [
      { extends: true, test: { name: 'long', include: ['test/**/*.long.test.ts'] } },
      { extends: true, test: { name: 'in full', include: IN_FULL, env: { CT_TEST_ROUNDS: 'all' } } },
      {
        extends: true,
        test: {
          name: 'in full, checked',
          include: IN_FULL_CHECKED,
          env: { CT_TEST_ROUNDS: 'all', CT_CHECKED: '1' },
        },
      },
      { extends: true, test: { name: 'long, checked', include: CHECKED, env: { CT_CHECKED: '1' } } },
    ],
  },
});

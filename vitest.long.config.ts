/** `npm run test:long`: the tests that take too long for every commit, and more of the others with CT_CHECKED=1. */

import { defineConfig } from 'vitest/config';
import { loadCompiled } from './test/support/compiled.ts';

/** Tests that do not break the rules of a checked process on purpose, or hand it records that never were. */
const CHECKED = [
  'test/core/path/linearizability.long.test.ts',
  'test/core/path/batch-order.test.ts',
  'test/reference/captures.test.ts',
  'test/core/counters.test.ts',
  'test/core/lifecycle/early-drop.test.ts',
  'test/core/alg/expectations.test.ts',
  'test/core/expiry/expiry-and-clock.test.ts',
  'test/core/fragments/fragments.test.ts',
  'test/core/fragments/fragments-*.test.ts',
  'test/core/alg/ftp-*.test.ts',
  'test/core/nat/*.test.ts',
  'test/core/lifecycle/reclaim.test.ts',
  'test/core/path/remembered-connection.test.ts',
  'test/cli/run*.test.ts',
  'test/core/path/tcp-established.test.ts',
  'test/core/zones/zone-timeout-policies.test.ts',
];

/** Files of `npm test` that do only some of their rounds there: see test/support/rounds.ts. */
const IN_FULL = [
  'test/core/alg/ftp-threads.test.ts',
  'test/core/nat/nat-threads.test.ts',
  'test/core/packet/bounds.test.ts',
  'test/core/lifecycle/repair.test.ts',
];
const IN_FULL_CHECKED = [
  'test/core/alg/ftp-threads.test.ts',
  'test/core/nat/nat-threads.test.ts',
  'test/core/table/table-concurrent.test.ts',
];

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

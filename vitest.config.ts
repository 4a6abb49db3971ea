import { configDefaults, defineConfig } from 'vitest/config';

/** Tests of which all or some run in a process with CT_CHECKED=1: threads that meet, and what the references say. */
const CHECKED_TOO = [
  'test/early-drop-concurrent.test.ts',
  'test/fragments-threads.test.ts',
  'test/ftp-threads.test.ts',
  'test/linearizability.test.ts',
  'test/nat-threads.test.ts',
  'test/reclaim.test.ts',
  'test/vectors.test.ts',
];
const CHECKED_ONLY = ['test/cleaned-once.test.ts', 'test/table-concurrent.test.ts'];

/* Minutes to hours: `npm run test:long`. */
const LONG = 'test/**/*.long.test.ts';

export default defineConfig({
  test: {
    /* Threads of a test and vitest's own share two cores: one file at a time keeps them from starving each other. */
    fileParallelism: false,
    testTimeout: 60_000,
    reporters: ['default', './test/summary-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'plain',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, LONG, ...CHECKED_ONLY],
        },
      },
      {
        extends: true,
        test: { name: 'checked', include: [...CHECKED_ONLY, ...CHECKED_TOO], env: { CT_CHECKED: '1' } },
      },
    ],
  },
});

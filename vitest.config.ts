import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    /* Minutes to hours: `npm run test:long`. */
    exclude: [...configDefaults.exclude, 'test/**/*.long.test.ts'],
    /* Threads of a test and vitest's own share two cores: one file at a time keeps them from starving each other. */
    fileParallelism: false,
    testTimeout: 60_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});

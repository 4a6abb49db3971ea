import { defineConfig } from 'vitest/config';

/** What takes longer than anyone waits for: `npm run test:long`. */
export default defineConfig({
  test: {
    include: ['test/**/*.long.test.ts'],
    fileParallelism: false,
    testTimeout: 60 * 60_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});

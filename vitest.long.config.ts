/** `npm run test:long`: the tests that take too long for every commit. */

import { defineConfig, mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

const long = mergeConfig(config, defineConfig({ test: { testTimeout: 3_600_000 } }));
long.test.include = ['test/**/*.long.test.ts'];
long.test.exclude = ['**/node_modules/**'];

export default long;

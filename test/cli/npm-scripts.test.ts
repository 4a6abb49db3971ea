/**
 * The commands in the npm scripts. npm must start node itself: a shell or a launcher in between would end by the signal, and
 * would kill a command that has not ended within 30 ms.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { REPOSITORY } from '../support/child.ts';

it.each(['ct', 'bench', 'fuzz'])('npm run %s starts node without a shell or a launcher in between', (name) => {
  const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(scripts[name]).toMatch(/^exec node (--import \S+\.mjs )?--import tsx (src|test)\/\S+\.ts/);
});

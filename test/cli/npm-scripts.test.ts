/** The commands as npm starts them. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { REPOSITORY } from '../support/child.ts';

it.each(['ct', 'bench', 'fuzz'])(
  'npm run %s leaves one process between npm and the terminal: a shell or a launcher would end by the signal, and kill what has not answered within 30 ms',
  (name) => {
    const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts[name]).toMatch(/^exec node --import tsx (src|test)\/\S+\.ts/);
  },
);

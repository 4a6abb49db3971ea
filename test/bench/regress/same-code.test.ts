/** Whether two builds run the same compiled code. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Build } from '../../../bench/regress/builds/builds.ts';
import { isSameCode } from '../../../bench/regress/builds/same-code.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-same-code-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PLAIN: Record<string, string> = {
  'dist/bench/samples/slices.js':
    "import { add } from '../../chunks/path.js';\nimport 'a-package';\nexport const sum = add(1, 2);\n",
  'dist/chunks/path.js': '/** Adds. */\nexport const add = (a, b) => a + b;\n',
  'dist/chunks/late.js': 'export const late = 1;\n',
  'dist/src/cli/main.js': "console.log('the command');\n",
  'node_modules/a-package/package.json': '{ "version": "1.0.0" }',
};

let builds = 0;

function buildWith(changes: Record<string, string>): Build {
  const path = join(folder, String(builds++));
  for (const [name, text] of Object.entries({ ...PLAIN, ...changes })) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return { label: path, dist: join(path, 'dist') };
}

function isSameWith(changes: Record<string, string>): Promise<boolean> {
  return isSameCode(buildWith({}), buildWith(changes));
}

describe('the code of two builds is the same', () => {
  it.each([
    ['nothing differs', {}],
    ['a comment differs', { 'dist/chunks/path.js': '/* Adds both. */ export const add = (a, b) => a + b; // so\n' }],
    ['blank space differs', { 'dist/chunks/path.js': 'export const add =\n\n  (a, b) =>\n    a + b;\n' }],
    ['a module differs that no sample imports', { 'dist/src/cli/main.js': "console.log('another command');\n" }],
  ])('if %s', async (_, changes) => {
    expect(await isSameWith(changes as Record<string, string>)).toBe(true);
  });
});

describe('the code of two builds is not the same', () => {
  const slices = PLAIN['dist/bench/samples/slices.js']!;
  it.each([
    ['an imported module differs', { 'dist/chunks/path.js': 'export const add = (a, b) => b + a;\n' }],
    [
      'a text differs that looks like a comment',
      { 'dist/chunks/path.js': "export const add = (a, b) => '/* Adds. */';\n" },
    ],
    [
      'a module is imported while it runs',
      { 'dist/bench/samples/slices.js': `${slices}await import('../../chunks/late.js');\n` },
    ],
    ['a sample is new', { 'dist/bench/samples/more.js': '1;\n' }],
    ['a package has another version', { 'node_modules/a-package/package.json': '{ "version": "1.0.1" }' }],
  ])('if %s', async (_, changes) => {
    expect(await isSameWith(changes)).toBe(false);
  });

  it('if the builds have no samples at this place', async () => {
    const dist = join(folder, 'empty');
    mkdirSync(dist);
    expect(await isSameCode({ label: 'a', dist }, { label: 'b', dist })).toBe(false);
  });
});

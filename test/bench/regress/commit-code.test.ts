/** Which commits run the same code, told from their sources. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { codesOf } from '../../../bench/regress/builds/commit-code.ts';
import { repositoryOf } from '../../../bench/regress/builds/git.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-commit-code-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PLAIN: Record<string, string> = {
  'bench/samples/slices.ts': "import { add } from '../../src/core/add.ts';\nexport const sum: number = add(1, 2);\n",
  'src/core/add.ts': 'export function add(a: number, b: number): number {\n  return a + b;\n}\n',
  'src/cli/main.ts': "import { add } from '../core/add.ts';\nconsole.log(add(1, 1));\n",
  'src/workers/pmd-worker.ts': "import './late.ts';\n",
  'src/workers/late.ts': 'export const late = 1;\n',
  'scripts/build.mjs': "import './types.mjs';\n",
  'scripts/types.mjs': 'export const types = 1;\n',
  'scripts/pictures/make.mjs': 'export const pictures = 1;\n',
  'package.json': '{ "version": "1.0.0" }\n',
  'README.md': 'Adds.\n',
};

function git(...args: string[]): string {
  const user = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', ['-C', folder, ...user, ...args], { stdio: 'pipe', encoding: 'utf8' }).trim();
}

function commitOf(files: Record<string, string>): { id: string; title: string } {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  git('add', '.');
  git('commit', '--quiet', '--allow-empty', '-m', 'a commit');
  return { id: git('rev-parse', 'HEAD'), title: 'a commit' };
}

git('init', '--quiet');

async function isSameWith(changes: Record<string, string>): Promise<boolean> {
  const commits = [commitOf(PLAIN), commitOf({ ...PLAIN, ...changes })];
  const [before, after] = await codesOf(commits, repositoryOf(folder));
  return before === after;
}

describe('a commit runs the same code as the one before', () => {
  it.each([
    ['nothing', {}],
    ['a document', { 'README.md': 'Adds two numbers.\n' }],
    [
      'a comment, types and blank space',
      {
        'src/core/add.ts':
          '/** Adds. */\nexport function add<N extends number>(a: N, b: N): number { return a + b; }\n',
      },
    ],
    ['a module that no sample imports', { 'src/cli/main.ts': 'console.log(3);\n' }],
    ['a script that does not build', { 'scripts/pictures/make.mjs': 'export const pictures = 2;\n' }],
  ])('if it changes %s', async (_, changes) => {
    expect(await isSameWith(changes as Record<string, string>)).toBe(true);
  });
});

describe('a commit runs other code', () => {
  it.each([
    ['a module that a sample imports', { 'src/core/add.ts': PLAIN['src/core/add.ts']!.replace('a + b', 'b + a') }],
    [
      'a text that looks like a comment',
      { 'src/core/add.ts': `${PLAIN['src/core/add.ts']!}console.log('/* x */');\n` },
    ],
    ['a module that a thread imports', { 'src/workers/late.ts': 'export const late = 2;\n' }],
    ['what the build imports', { 'scripts/types.mjs': 'export const types = 2;\n' }],
    ['the packages', { 'package.json': '{ "version": "1.0.1" }\n' }],
    ['the samples', { 'bench/samples/more.ts': 'export {};\n' }],
  ])('if it changes %s', async (_, changes) => {
    expect(await isSameWith(changes as Record<string, string>)).toBe(false);
    rmSync(join(folder, 'bench/samples/more.ts'), { force: true });
  });

  it('if the commits have no samples here, and any file of the sources differs', async () => {
    git('rm', '-r', '--quiet', 'bench');
    const without = Object.fromEntries(Object.entries(PLAIN).filter(([name]) => !name.startsWith('bench/')));
    const commits = [commitOf(without), commitOf({ ...without, 'src/cli/main.ts': 'console.log(4);\n' })];
    const [before, after] = await codesOf(commits, repositoryOf(folder));
    expect(before).not.toBe(after);
  });
});

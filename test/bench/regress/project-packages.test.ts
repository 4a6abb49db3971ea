/** The packages that a commit of another project is measured with: those installed here, and its own workspaces. */

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { treeOf, type Tree } from '../../../bench/regress/projects/project-trees.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'ct-bucket-packages-')));
const app = join(root, 'packages', 'app');
const before = process.cwd();
const trees: Tree[] = [];

function write(name: string, text: string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), text);
}

function git(...args: string[]): void {
  const user = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false'];
  execFileSync('git', ['-C', root, ...user, ...args], { stdio: 'pipe' });
}

async function stateOf(label: string, options: { prepare?: string; module?: string } = {}): Promise<Tree> {
  const tree = await treeOf(label, { say: () => {}, ...options });
  trees.push(tree);
  return tree;
}

/* A repository of two packages, one with packages of its own. The commit has other text in the workspace than the folder here. */
beforeAll(() => {
  git('init', '--quiet');
  write('.gitignore', 'node_modules');
  write('packages/app/bench/cases.mjs', 'export const cases = {};');
  write('packages/lib/index.js', 'committed');
  write('packages/lib/package.json', '{}');
  git('add', '.');
  git('commit', '--quiet', '-m', 'base');
  write('packages/lib/index.js', 'changed');
  write('node_modules/@far/away/index.js', 'installed');
  write('packages/app/node_modules/near/index.js', 'nested');
  mkdirSync(join(root, 'node_modules', '@own'));
  symlinkSync('../../packages/lib', join(root, 'node_modules', '@own', 'lib'));
  symlinkSync('../packages/lib', join(root, 'node_modules', 'lib'));
});

afterEach(() => {
  process.chdir(before);
  trees.splice(0).forEach((tree) => tree.remove());
});
afterAll(() => rmSync(root, { recursive: true }));

const textIn = ({ folder }: Tree, path: string): string => readFileSync(join(folder, path), 'utf8');

describe('a commit measured in a folder of a repository with several packages', () => {
  it('has the installed packages of the root and of the folder', async () => {
    process.chdir(app);
    const tree = await stateOf('HEAD');
    expect(textIn(tree, '../../node_modules/@far/away/index.js')).toBe('installed');
    expect(textIn(tree, 'node_modules/near/index.js')).toBe('nested');
  });

  it('has its own state of the workspaces, not the one that is checked out', async () => {
    process.chdir(root);
    const tree = await stateOf('HEAD');
    expect(textIn(tree, 'node_modules/@own/lib/index.js')).toBe('committed');
    expect(textIn(tree, 'node_modules/lib/index.js')).toBe('committed');
  });

  it('has the packages of the folder of the module', async () => {
    process.chdir(root);
    const tree = await stateOf('HEAD', { module: 'packages/app/bench/cases.mjs' });
    expect(textIn(tree, 'packages/app/node_modules/near/index.js')).toBe('nested');
  });
});

describe('another lock file', () => {
  it.each(['yarn.lock', 'pnpm-lock.yaml', 'packages/app/package-lock.json'])(
    '%s is noticed, with what to do',
    async (name) => {
      process.chdir(app);
      write(name, 'other');
      try {
        await expect(stateOf('HEAD')).rejects.toThrow(`or give --prepare 'npm ci' (${name} differs)`);
        const prepared = await stateOf('HEAD', { prepare: 'touch here' });
        expect(existsSync(join(prepared.folder, 'here'))).toBe(true);
      } finally {
        rmSync(join(root, name));
      }
    },
  );
});

it('a folder that the commit lacks is refused', async () => {
  mkdirSync(join(root, 'fresh'), { recursive: true });
  process.chdir(join(root, 'fresh'));
  await expect(stateOf('HEAD')).rejects.toThrow('HEAD has no folder fresh: go to a folder that both states have');
});

it('a command that prepares a state and fails is named with what it said', async () => {
  process.chdir(app);
  await expect(stateOf('HEAD', { prepare: 'node gone.js' })).rejects.toThrow(
    /^--prepare: node gone\.js failed in HEAD: Cannot find module '.*gone\.js'/,
  );
});

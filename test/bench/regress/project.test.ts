/** `regress` on another project: a repository of two commits, made here, with the module of examples/ and a command. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { figuresIn } from '../../../bench/regress/projects/project-command.ts';
import { readResult } from '../../../bench/regress/report/result-file.ts';
import { CT_BUCKET, REPOSITORY, type ChildResult } from '../../support/child.ts';

const project = mkdtempSync(join(tmpdir(), 'ct-bucket-project-'));
afterAll(() => rmSync(project, { recursive: true }));

function git(...args: string[]): void {
  const user = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false'];
  execFileSync('git', ['-C', project, ...user, ...args], { stdio: 'pipe' });
}

function write(name: string, text: string): void {
  writeFileSync(join(project, name), text);
}

function regress(...args: string[]): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...CT_BUCKET, 'regress', ...args], { cwd: join(project, 'bench') });
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

const EXAMPLE = readFileSync(join(REPOSITORY, 'examples', 'regress-cases.mjs'), 'utf8');

/* Base: tag `base`. Head: parsing is done twenty times, and the command prints another figure. */
beforeAll(() => {
  mkdirSync(join(project, 'bench'));
  git('init', '--quiet');
  write('bench/cases.mjs', EXAMPLE);
  write('bench/print.mjs', "console.log('some text'); console.log(JSON.stringify({ [process.argv[2]]: 10 }));");
  write('bench/late.mjs', 'export const cases = { late: async () => {} };');
  git('add', '.');
  git('commit', '--quiet', '-m', 'base');
  git('tag', 'base');
  write(
    'bench/cases.mjs',
    EXAMPLE.replace('parse: () =>', 'parse: () => Array.from({ length: 20 }, () => JSON.parse(text)) &&'),
  );
  write('bench/print.mjs', 'console.log(JSON.stringify({ [process.argv[2]]: process.argv[2] === "slow" ? 30 : 10 }));');
  write('bench/new.mjs', 'export const cases = {};');
  git('add', '.');
  git('commit', '--quiet', '-m', 'head');
});

describe('the example', () => {
  it('has at most 15 lines', () => {
    expect(EXAMPLE.split('\n').length - 1).toBeLessThanOrEqual(15);
  });

  it('shows in another repository that a commit is slower, and in which case', async () => {
    const file = join(project, 'verdict.json');
    const args = ['--base', 'base', '--module', 'cases.mjs', '--cases', 'sum,parse', '--json', file];
    const { code, stdout } = await regress(...args);
    expect(stdout).toMatch(/HEAD \([0-9a-f]{10}\) against base \([0-9a-f]{10}\): REGRESSED/);
    expect(code).toBe(1);
    const { figures, methods } = readResult(file);
    expect(methods).toEqual({ sum: { name: 'slices' }, parse: { name: 'slices' } });
    expect(figures.filter(({ verdict }) => verdict === 'regressed')).toMatchObject([{ case: 'parse', pairs: 2 }]);
  });
});

describe('a module', () => {
  it.each([
    ['that one state lacks', ['--base', 'base', '--module', 'new.mjs'], /base has no new\.mjs: name a module/],
    ['without such a case', ['--base', 'base', '--module', 'cases.mjs', '--cases', 'x'], /cases\.mjs has no case x in/],
    ['without cases', ['--base', '.', '--head', '.', '--module', 'print.mjs'], /print\.mjs does not export cases/],
    [
      'of asynchronous functions',
      ['--base', 'base', '--module', 'late.mjs'],
      /case late is asynchronous: measure a com/,
    ],
    [
      'and an alarm that is too small',
      ['--base', '.', '--module', 'cases.mjs', '--alarm', '1'],
      /--alarm 1 is not more/,
    ],
  ])('%s is refused in one line', async (_what, args, says) => {
    const { code, stderr } = await regress(...args);
    expect(stderr.split('\n').findLast((line) => line.startsWith('ct-bucket: '))).toMatch(says);
    expect(code).toBe(2);
  });
});

describe('a command', () => {
  it('is judged by the figures that it prints, for each case', async () => {
    const both = ['--cases', 'slow,steady'];
    const { code, stdout } = await regress('--base', 'base', '--command', 'node print.mjs {case}', ...both);
    expect(stdout).toMatch(/slow, time: slow\s+verdict +regressed: each of the first 2 pairs/);
    expect(code).toBe(1);
  });

  it('that prints equal figures is fine', async () => {
    const { code, stdout } = await regress('--base', 'base', '--command', 'node print.mjs {case}', '--cases', 'steady');
    expect(stdout).toMatch(/fine: every figure is below its alarm/);
    expect(code).toBe(0);
  });

  it('that fails is reported in one line', async () => {
    const { code, stderr } = await regress('--base', 'base', '--command', 'echo no such luck >&2; exit 3');
    expect(stderr).toMatch(/^ct-bucket: echo .* failed in (base|HEAD): no such luck$/m);
    expect(code).toBe(2);
  });

  it('runs with the packages of the repository, unless the commit needs others', async () => {
    mkdirSync(join(project, 'node_modules'));
    try {
      const there = await regress(
        '--base',
        'base',
        '--command',
        'test -d ../node_modules && echo 7',
        '--seconds',
        '10',
      );
      expect(there.code).toBe(0);
      write('package-lock.json', '{}');
      const other = await regress('--base', 'base', '--command', 'echo 7');
      expect(other.stderr).toMatch(/base needs other packages than those installed: check it out in a folder/);
      expect(other.code).toBe(2);
    } finally {
      rmSync(join(project, 'node_modules'), { recursive: true });
      rmSync(join(project, 'package-lock.json'), { force: true });
    }
  });

  it.each([
    ['a number', 'warm\n12.5\n', { time: 12.5 }],
    ['an object of numbers', '{"a": 1, "b": 2.5}\ndone\n', { a: 1, b: 2.5 }],
    ['the last of several', '1\n2\n', { time: 2 }],
    ['no figure', 'done\n{"a": "x"}\n[]\n0\n', undefined],
    ['nothing', '', undefined],
  ])('may print %s', (_what, stdout, figures) => {
    expect(figuresIn(stdout)).toEqual(figures);
  });
});

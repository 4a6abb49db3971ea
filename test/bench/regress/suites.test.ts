/** `regress` on benchmarks that a project has: tinybench, vitest, two commands. The examples run in folders made here. */

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vitestFigures } from '../../../bench/regress/projects/project-command.ts';
import { readResult } from '../../../bench/regress/report/result-file.ts';
import { CT_BUCKET, REPOSITORY, type ChildResult } from '../../support/child.ts';

const project = mkdtempSync(join(tmpdir(), 'ct-bucket-suites-'));
afterAll(() => rmSync(project, { recursive: true }));

const exampleOf = (name: string) => readFileSync(join(REPOSITORY, 'examples', name), 'utf8');
const TINYBENCH = exampleOf('regress-tinybench.mjs');
const VITEST = exampleOf('regress.bench.mjs');
const COMMAND = exampleOf('regress-command.mjs');
const SLOW_PARSE = 'Array.from({ length: 20 }, () => JSON.parse(text))';

/* The folder `base` has the examples, the folder `head` the same with parsing done twenty times. */
beforeAll(() => {
  for (const [state, slow] of [
    ['base', (text: string) => text],
    ['head', (text: string) => text.replace('=> JSON.parse(text)', `=> ${SLOW_PARSE}`)],
  ] as const) {
    const folder = join(project, state);
    mkdirSync(folder);
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
    write('package.json', '{ "private": true, "type": "module" }');
    write('tiny.mjs', slow(TINYBENCH));
    write('flows.bench.mjs', slow(VITEST.replaceAll('void JSON', 'JSON')));
    write('command.mjs', slow(COMMAND).replaceAll('5_000', '500'));
    write('none.mjs', 'export const nothing = 1;');
    write('throws.mjs', TINYBENCH.replace("bench.add('print', () =>", "bench.add('print', () => missing ||"));
  }
});

function regress(...args: string[]): Promise<ChildResult> {
  return command(...args, '--seconds', '10');
}

function command(...args: string[]): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...CT_BUCKET, 'regress', ...args], { cwd: project });
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

const STATES = ['--base', 'base', '--head', 'head'];

it.each(['regress-tinybench.mjs', 'regress.bench.mjs', 'regress-command.mjs', 'regress-cases.mjs'])(
  'the example %s has at most 15 lines',
  (name) => {
    expect(exampleOf(name).split('\n').length - 1).toBeLessThanOrEqual(15);
  },
);

describe('a slower task', () => {
  it.each([
    ['tinybench', ['--tinybench', 'tiny.mjs'], 'parse'],
    ['vitest', ['--vitest', 'flows.bench'], 'flows > parse'],
    ['a command', ['--command', 'node command.mjs {case}', '--cases', 'parse,print'], 'time'],
  ])('of %s is found', async (_what, args, figure) => {
    const file = join(project, 'verdict.json');
    const { code, stdout } = await regress(...STATES, ...args, '--json', file);
    expect(stdout).toMatch(/head against base: REGRESSED/);
    expect(code).toBe(1);
    const { figures } = readResult(file);
    const named = figures.map(({ case: name, name: what }) => `${name} ${what}`);
    expect(named.length).toBe(2);
    const slow = figures.filter(({ verdict }) => verdict === 'regressed').map(({ name }) => name);
    expect(slow).toEqual([_what === 'vitest' ? expect.stringMatching(/flows > parse$/) : figure]);
  });
});

describe('two commands', () => {
  it('are compared without any state', async () => {
    const file = join(project, 'verdict.json');
    const { code } = await regress('--base-command', 'echo 10', '--head-command', 'echo 30', '--json', file);
    expect(code).toBe(1);
    expect(readResult(file)).toMatchObject({ base: { label: 'echo 10' }, head: { label: 'echo 30' } });
  });

  it('may be slower as far as that is accepted', async () => {
    const file = join(project, 'slower.json');
    const commands = ['--base-command', 'echo 10', '--head-command', 'echo 30'];
    await regress(...commands, '--json', file);
    const accepted = ['--accepted', join(project, 'accepted.json')];
    const accept = await command('accept', 'command', '--because', 'it checks more', '--verdict', file, ...accepted);
    expect(accept.code).toBe(0);
    const { code, stdout } = await regress(...commands, ...accepted);
    expect(stdout).toMatch(/accepted: no slowdown beyond those accepted/);
    expect(code).toBe(0);
    expect((await regress('--base-command', 'echo 10', '--head-command', 'echo 40', ...accepted)).code).toBe(1);
    const other = await regress(...commands, '--cases', 'other', ...accepted);
    expect(other.stdout).not.toMatch(/accepted/);
    expect(other.code).toBe(1);
  });

  it('are refused if only one prints a figure', async () => {
    const { code, stderr } = await regress('--base-command', 'echo 10', '--head-command', 'true');
    expect(stderr).toMatch(/both states must have a figure of the same name: echo 10 has time, true has run time/);
    expect(code).toBe(2);
  });
});

describe('what cannot be measured is said in one line:', () => {
  it.each([
    [
      'a module without a Bench',
      ['--tinybench', 'none.mjs'],
      /none\.mjs failed in \w+: it exports no Bench of tinybench/,
    ],
    ['a task that throws', ['--tinybench', 'throws.mjs'], /task print has no result: missing is not defined/],
    ['no such module', ['--tinybench', 'gone.mjs'], /(base|head) has no gone\.mjs/],
    ['no such benchmarks', ['--vitest', 'nowhere'], /vitest finds no file of benchmarks with nowhere in its path/],
  ])('%s', async (_what, args, says) => {
    const { code, stderr } = await regress(...STATES, ...args);
    expect(stderr.trim().split('\n').at(-1)).toMatch(says);
    expect(code).toBe(2);
  });
});

it('a file without benchmarks has no figures', () => {
  expect(
    vitestFigures('{"files": [{"groups": [{"fullName": "a", "benchmarks": [{"name": "b", "median": 0}]}]}]}'),
  ).toEqual({});
  expect(vitestFigures('{}')).toEqual({});
});

/* A workflow that names an option which does not exist would fail only where it is used. */
it.each(readdirSync(join(REPOSITORY, 'examples')).filter((name) => name.endsWith('.yml')))(
  'the workflow %s names options that exist',
  async (name) => {
    const lines = exampleOf(name).matchAll(
      /(?:npx ct-bucket|main\.js) (regress(?: merge| comment)?)((?:[^\n|]|\\\n)*)/g,
    );
    for (const [, command, rest] of lines) {
      const options = Array.from(rest!.matchAll(/--[\w-]+/g), ([option]) => option);
      const { stdout } = await regress(...command!.split(' ').slice(1), '--help');
      expect(options.filter((option) => !stdout.includes(option))).toEqual([]);
    }
  },
);

/** `regress selftest --bisections` on a small repository, with figures that follow from the sources of a commit. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BisectSubject } from '../../../bench/regress/bisect/bisect-range.ts';
import { checkConfig } from '../../../bench/regress/config.ts';
import { codesOf } from '../../../bench/regress/builds/commit-code.ts';
import { runBisections } from '../../../bench/regress/selftest/selftest-bisect.ts';
import { type BisectionLine, reportBisections } from '../../../bench/regress/selftest/selftest-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-selftest-'));
const PATH = 'src/core/path/execute.ts';
const PATCHES = [{ path: PATH, find: /let count = 1;/, replace: 'let count = 1; /* spin */ count += 0;' }];

function git(cwd: string, ...args: string[]): string {
  const user = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', ['-C', cwd, ...user, ...args], { stdio: 'pipe', encoding: 'utf8' }).trim();
}

beforeAll(() => {
  const sources: Record<string, string> = {
    [PATH]: 'let count = 1;\nexport { count };\n',
    'src/core/hash.ts': 'export const hash = 1;\n',
    'src/cli/main.ts': 'console.log(1);\n',
    'bench/samples/slices.ts': `export * from '../../${PATH}';\nexport * from '../../src/core/hash.ts';\n`,
  };
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  git(folder, 'init', '--quiet');
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'the first');
  vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => rmSync(join(folder, 'out.jsonl'), { force: true }));

const clones: string[] = [];

/** A commit with the plant takes 1.5 times as long. @param isBlind the figures do not show it */
function subjectOf(clone: string, isBlind = false): BisectSubject {
  clones.push(clone);
  const gates = { time: { tolerate: 1, alarm: 3 } };
  const config = checkConfig(
    { budgetSeconds: 60, cases: [{ name: 'a', workload: 'insert', threads: 1, connections: 1000, gates }] },
    'x',
  );
  const msOf = (commit: string) => (!isBlind && git(clone, 'show', `${commit}:${PATH}`).includes('spin') ? 15 : 10);
  return {
    codesOf,
    prepare: async () => {},
    open: async (base, head) => ({
      config,
      methods: {
        byCase: { a: { name: 'slices' } },
        sample: async () => ({ a: { timesMs: { x: msOf(base) } }, b: { timesMs: { x: msOf(head) } } }),
        remove: () => {},
      },
    }),
    remove: () => {},
  };
}

function run(more: Partial<Parameters<typeof runBisections>[0]> = {}): Promise<boolean> {
  return runBisections({
    repository: folder,
    slowdowns: [10],
    bisections: 3,
    commits: 32,
    out: join(folder, 'out.jsonl'),
    before: [],
    patchesOf: () => PATCHES,
    subjectOf: (clone) => subjectOf(clone),
    say: () => {},
    ...more,
  });
}

function lines(): BisectionLine[] {
  return readFileSync(join(folder, 'out.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as BisectionLine);
}

describe('bisections of regress selftest', () => {
  it('find the planted commit, wherever it is', async () => {
    expect(await run()).toBe(true);
    const all = lines();
    expect(all.map(({ isRight }) => isRight)).toEqual([true, true, true]);
    expect(new Set(all.map(({ place }) => place)).size).toBeGreaterThan(1);
    for (const { found, planted, changes, builds, changePercent } of all) {
      expect(found).toBe(planted);
      expect(changePercent).toBe(50);
      /* Commits with comments, and those of the command line, run the same code. */
      expect(changes).toBeLessThan(32);
      expect(builds).toBeLessThanOrEqual(9);
    }
  });

  it('leave no clone behind, and the repository as it was', async () => {
    await run({ bisections: 1 });
    expect(existsSync(clones.at(-1)!)).toBe(false);
    expect(git(folder, 'worktree', 'list').split('\n')).toHaveLength(1);
    expect(git(folder, 'status', '--porcelain', '--', 'src')).toBe('');
    expect(git(folder, 'rev-list', '--all', '--count')).toBe('1');
  });

  it('plant at the same place again with the same number, so that a test can be continued', async () => {
    await run({ bisections: 2 });
    const before = lines();
    const made = clones.length;
    await run({ bisections: 3, before });
    expect(clones.length - made).toBe(1);
    expect(lines().map(({ bisection }) => bisection)).toEqual([0, 1, 2]);
  });

  it('fail if the search does not find the commit', async () => {
    expect(await run({ bisections: 1, subjectOf: (clone) => subjectOf(clone, true) })).toBe(false);
    expect(lines()[0]).toMatchObject({ isRight: false, outcome: 'not slower' });
  });

  it('are refused in one line if the plant does not fit the sources', async () => {
    const patchesOf = () => [{ path: PATH, find: /nowhere/, replace: '' }];
    await expect(run({ patchesOf })).rejects.toThrow(/^nothing in src\/core\/path\/execute.ts matches \/nowhere\/: /);
  });
});

describe('the judgement on bisections', () => {
  const line = (more: Partial<BisectionLine>): BisectionLine => ({
    bisection: 0,
    slowdownPercent: 10,
    commits: 32,
    changes: 20,
    place: 1,
    planted: 'a',
    outcome: 'found',
    found: 'a',
    isRight: true,
    tookSeconds: 100,
    buildSeconds: 50,
    builds: 7,
    pairs: 20,
    ...more,
  });
  const nine = Array.from({ length: 9 }, () => line({}));
  const wrong = line({ found: 'b', isRight: false });

  it.each<[what: string, lines: BisectionLine[], isMet: boolean]>([
    ['9 of 10 are right', [...nine, wrong], true],
    ['8 of 10 are right', [...nine.slice(1), wrong, wrong], false],
    ['one takes 600 s', [...nine, line({ tookSeconds: 600 })], true],
    ['one takes longer than 600 s', [...nine, line({ tookSeconds: 600.1 })], false],
  ])('if %s', (_, all, isMet) => {
    expect(reportBisections(all)).toBe(isMet);
  });
});

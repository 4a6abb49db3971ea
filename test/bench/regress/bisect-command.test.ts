/** `regress bisect` on a repository of 32 commits, made here, with a command that prints exact figures. */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CT_BUCKET, type ChildResult } from '../../support/child.ts';

const COMMITS = 32;
const BROKEN = 16;
/* Figures of commits, slower from one commit on: by 50 % and by 4 %. */
const SLOW = { early: 3, late: 30, close: 13 } as const;
const FIGURES = { early: 1.5, late: 1.5, close: 1.04 } as const;

/** Prints the figure of a case times exp(noise). The noise is seeded, and a file counts the samples. */
const NOISY = `
import { readFileSync, writeFileSync } from 'node:fs';
const name = process.argv[2];
const count = Number(readFileSync(process.env.COUNTER, 'utf8'));
writeFileSync(process.env.COUNTER, String(count + 1));
let state = 1000 + count;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};
console.log(Number(readFileSync(name + '.txt', 'utf8')) * Math.exp(0.02 * (random() + random() + random() - 1.5)));
`;

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-bisect-'));
const counter = join(folder, '.git', 'counter');
const ids: string[] = [];

function git(...args: string[]): string {
  const user = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', ['-C', folder, ...user, ...args], { stdio: 'pipe', encoding: 'utf8' }).trim();
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

beforeAll(() => {
  git('init', '--quiet');
  write('noisy.mjs', NOISY);
  mkdirSync(join(folder, 'sub'));
  for (let i = 0; i <= COMMITS; i++) {
    for (const [name, at] of Object.entries(SLOW)) {
      write(`${name}.txt`, String(100 * (i >= at ? FIGURES[name as keyof typeof FIGURES] : 1)));
    }
    write('build.sh', i === BROKEN ? 'echo "no such tool" >&2; exit 1' : 'cp early.txt built.txt');
    write('number.txt', String(i));
    git('add', '.');
    git('commit', '--quiet', '-m', `commit ${i}`);
    ids.push(git('rev-parse', 'HEAD'));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function bisect(...args: string[]): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...CT_BUCKET, 'regress', 'bisect', '--seed', '1', ...args], {
      cwd: folder,
      env: { ...process.env, COUNTER: counter },
    });
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

describe('regress bisect', () => {
  it.each([
    ['early', 3],
    ['late', 30],
  ])('finds the commit that made the case %s slower', async (name, at) => {
    const file = join(folder, '.git', `${name}.json`);
    const { code, stdout } = await bisect(
      '--good',
      ids[0]!,
      '--command',
      'cat {case}.txt',
      '--case',
      name,
      '--json',
      file,
    );
    expect(stdout).toMatch(/^32 commits after [0-9a-f]{10} "commit 0", up to [0-9a-f]{10} "commit 32"$/m);
    expect(stdout).toMatch(new RegExp(`^${ids[at]} is the first slow commit: "commit ${at}"$`, 'm'));
    expect(stdout).toMatch(/^against .*: 1\.500 times, \+50\.0\s% \(\+50\.0\s% to \+50\.0\s%; \d+ pairs\)$/m);
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      format: 'ct-bucket bisect',
      outcome: 'found',
      answer: { found: { id: ids[at] }, parent: { id: ids[at - 1] } },
    });
  });

  it('writes the answer for a pull request, behind a mark', async () => {
    const file = join(folder, '.git', 'answer.md');
    const { code } = await bisect('--good', ids[0]!, '--command', 'cat early.txt', '--markdown', file);
    expect(code).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^<!-- ct-bucket regress: bisect -->\n## ct-bucket regress bisect: found\n\n/);
    expect(text).toContain(`\n\nFirst slow commit: ${ids[3]}\n\n`);
    expect(text).toMatch(/```text\nbad against good: .*is the first slow commit: "commit 3"\n```/s);
  });

  it('says that uncommitted changes are not measured', async () => {
    write('early.txt', '1');
    try {
      const { stdout } = await bisect('--good', ids[0]!, '--command', 'cat early.txt');
      expect(stdout).toMatch(/^uncommitted changes are not measured \(early\.txt\): commit them first$/m);
      expect(stdout).toMatch(/is the first slow commit: "commit 3"/);
    } finally {
      git('checkout', '--quiet', 'early.txt');
    }
  });

  it('leaves no folder and no process behind if it is stopped', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'ct-bucket-stopped-'));
    const child = spawn(
      process.execPath,
      [...CT_BUCKET, 'regress', 'bisect', '--good', ids[0]!, '--command', 'echo $$ > $STARTED; exec sleep 600'],
      { cwd: folder, env: { ...process.env, TMPDIR: scratch, STARTED: join(scratch, 'pid') }, stdio: 'ignore' },
    );
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const isRunning = (pid: number): boolean => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    };
    try {
      await vi.waitUntil(() => existsSync(join(scratch, 'pid')) && readFileSync(join(scratch, 'pid'), 'utf8') !== '', {
        timeout: 120_000,
      });
      const pid = Number(readFileSync(join(scratch, 'pid'), 'utf8'));
      expect(readdirSync(scratch).filter((name) => name !== 'pid')).not.toEqual([]);
      child.kill('SIGINT');
      await ended;
      await vi.waitUntil(() => !isRunning(pid), { timeout: 120_000 });
      expect(readdirSync(scratch)).toEqual(['pid']);
      expect(git('worktree', 'list').split('\n')).toHaveLength(1);
    } finally {
      child.kill('SIGKILL');
      rmSync(scratch, { recursive: true });
    }
  });

  it('finds a slowdown of 4 % in figures that scatter by 2 %', async () => {
    writeFileSync(counter, '0');
    const { code, stdout } = await bisect('--good', ids[0]!, '--command', 'node noisy.mjs close');
    expect(stdout).toMatch(/is the first slow commit: "commit 13"/);
    expect(code).toBe(0);
  });

  it('skips a commit that does not build, and says so', async () => {
    const { code, stdout } = await bisect('--good', ids[0]!, '--command', 'cat built.txt', '--prepare', 'sh build.sh');
    expect(stdout).toMatch(/"commit 16", is skipped: --prepare: sh build\.sh failed in \w+: no such tool/);
    expect(stdout).toMatch(/is the first slow commit: "commit 3"/);
    expect(code).toBe(0);
  });

  it('ends with exit code 1 if the bad commit is not slower', async () => {
    const { code, stdout } = await bisect('--good', ids[3]!, '--command', 'cat early.txt');
    expect(stdout).toMatch(/"commit 32" is not slower than [0-9a-f]{10} "commit 3": there is nothing to find$/m);
    expect(code).toBe(1);
  });

  it('ends with exit code 3 if the slow commit is not to be told', async () => {
    const fails = `case $(cat number.txt) in ${Array.from({ length: 31 }, (_, i) => i + 1).join('|')}) exit 1;; esac`;
    const { code, stdout } = await bisect('--good', ids[0]!, '--command', 'cat early.txt', '--prepare', fails);
    expect(stdout).toMatch(/^not to be told: the commits in between cannot be measured: it may be any of them$/m);
    expect(stdout.match(/^it may be /gm)?.length).toBe(32);
    expect(code).toBe(3);
  });

  it.each<[what: string, args: () => string[], says: RegExp]>([
    ['no commit', () => ['--good', 'nowhere'], /nowhere is neither a folder nor a commit/],
    ['the same commit twice', () => ['--good', 'HEAD'], /HEAD and HEAD are one commit: give an older one in --good/],
    ['a later commit as good', () => ['--good', 'HEAD', '--bad', ids[2]!], /HEAD is not an ancestor of \w+: give/],
    [
      'a branch that has parted',
      () => ['--good', git('commit-tree', '-p', ids[2]!, '-m', 'apart', `${ids[2]}^{tree}`)],
      /^ct-bucket: \w+ is not an ancestor of HEAD: give an ancestor in --good$/,
    ],
    ['a command that fails', () => ['--good', 'HEAD~1', '--command', 'exit 9'], /exit 9 failed in/],
  ])('refuses %s in one line', async (_what, args, says) => {
    const given = args();
    const command = given.includes('--command') ? [] : ['--command', 'cat early.txt'];
    const { code, stderr } = await bisect(...given, ...command);
    expect(stderr.trim().split('\n').at(-1)).toMatch(says);
    expect(code).toBe(2);
  });
});

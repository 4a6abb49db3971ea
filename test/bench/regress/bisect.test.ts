/** The search of `regress bisect`, on made-up commits with seeded noise. */

import { describe, expect, it } from 'vitest';
import { bisect, UnmeasurableError, type BisectAnswer } from '../../../bench/regress/bisect/bisect.ts';
import type { Commit } from '../../../bench/regress/builds/git.ts';
import { seededRandom } from '../../../bench/statistics/statistics.ts';
import { plainNoise, roughNoise, type Noise } from './made-up-noise.ts';

const COMMITS = 32;
const FIGURE = { case: 'parse', gate: 'time', name: 'time', tolerate: 2, alarm: 5 } as const;

function commits(count: number): Commit[] {
  return Array.from({ length: count + 1 }, (_, i) => ({ id: `${i}`.padStart(40, '0'), title: `commit ${i}` }));
}

interface Made {
  /** Slowdowns by commit, as factors. */
  slow: Record<number, number>;
  noise: Noise;
  seed: number;
  unmeasurable?: readonly number[];
  /** Commits that fail while they are measured. */
  failing?: readonly number[];
  /** By number of pairs: adds to the figure of a pair. */
  fault?: (pair: number, head: number) => number;
  mostPairs?: number;
  /** By commit: a text for its code. */
  codes?: Record<number, string>;
}

interface Observed {
  answer: BisectAnswer;
  lines: string[];
  /** The heads of all pairs. */
  measured: number[];
}

async function search({
  slow,
  noise,
  seed,
  unmeasurable = [],
  failing = [],
  fault,
  mostPairs,
  codes = {},
}: Made): Promise<Observed> {
  const lines: string[] = [];
  const measured: number[] = [];
  let pairs = 0;
  const levelOf = (commit: number) =>
    Object.entries(slow).reduce((sum, [at, factor]) => sum + (commit >= Number(at) ? Math.log(factor) : 0), 0);
  const pairOf = (base: number, head: number, order: 'ab' | 'ba'): number => {
    const { first, second } = noise(order, pairs++ % 8);
    const difference = order === 'ab' ? second - first : first - second;
    return levelOf(head) - levelOf(base) + difference + (fault?.(pairs, head) ?? 0);
  };
  const random = seededRandom(seed);
  const first = Array.from({ length: 8 }, () => pairOf(0, COMMITS, random() < 0.5 ? 'ab' : 'ba'));
  pairs = 0;
  const answer = await bisect({
    commits: commits(COMMITS),
    figure: FIGURE,
    first,
    seed,
    isOver: () => pairs >= (mostPairs ?? 2000),
    say: (line) => lines.push(line),
    prepare: async (commit) => {
      if (unmeasurable.includes(commit)) {
        throw new UnmeasurableError('npm run build failed');
      }
    },
    codeOf: async (commit) => codes[commit] ?? `code ${commit}`,
    compare: async (base, head) => ({
      pair: async (order) => {
        measured.push(head);
        if (failing.includes(head)) {
          throw new UnmeasurableError('the command failed');
        }
        return pairOf(base, head, order);
      },
      remove: () => {},
    }),
  });
  return { answer, lines, measured };
}

const exact: Noise = () => ({ first: 0, second: 0 });

interface Counted {
  right: number;
  wrong: number;
  mostPairs: number;
}

async function count(runs: number, factor: number, noiseOf: (seed: number) => Noise): Promise<Counted> {
  const random = seededRandom(7);
  const counted = { right: 0, wrong: 0, mostPairs: 0 };
  for (let seed = 1; seed <= runs; seed++) {
    const at = 1 + Math.floor(random() * COMMITS);
    const { answer } = await search({ slow: { [at]: factor }, noise: noiseOf(seed), seed });
    counted.right += answer.found?.title === `commit ${at}` ? 1 : 0;
    counted.wrong += answer.found !== undefined && answer.found.title !== `commit ${at}` ? 1 : 0;
    counted.mostPairs = Math.max(counted.mostPairs, answer.pairs);
  }
  return counted;
}

describe('the slow one of 32 commits', () => {
  it.each(Array.from({ length: COMMITS }, (_, i) => i + 1))('is found if it is commit %i', async (at) => {
    const { answer } = await search({ slow: { [at]: 1.5 }, noise: exact, seed: at });
    expect(answer).toMatchObject({ found: { title: `commit ${at}` }, parent: { title: `commit ${at - 1}` } });
    expect(answer.change).toMatchObject({ verdict: 'regressed' });
    expect(answer.change!.changePercent).toBeCloseTo(50, 6);
    expect(answer.change!.intervalPercent.low).toBeCloseTo(50, 6);
    /* Two pairs of each of five commits, and those of the head-to-head. */
    expect(answer.pairs).toBeLessThanOrEqual(5 * 2 + 6);
  });

  it.each<[what: string, factor: number, noiseOf: (seed: number) => Noise, mostPairs: number]>([
    ['3 % slower, with pairs that scatter by 1 %', 1.03, (seed) => plainNoise(seed, 0.01), 300],
    ['5 % slower, with pairs that scatter by 2 %', 1.05, (seed) => plainNoise(seed, 0.02), 300],
    ['10 % slower, with rough noise of 2 %', 1.1, (seed) => roughNoise(seed, 0.02), 300],
    ['twice as slow, with rough noise of 10 %', 2, (seed) => roughNoise(seed, 0.1), 300],
    ['14 times as slow, with rough noise of 30 %', 14, (seed) => roughNoise(seed, 0.3), 60],
  ])('is found 9 times of 10 if it is %s', async (_what, factor, noiseOf, mostPairs) => {
    const runs = 50;
    const counted = await count(runs, factor, noiseOf);
    expect(counted.right).toBeGreaterThanOrEqual(0.9 * runs);
    expect(counted.wrong).toBeLessThanOrEqual(0.05 * runs);
    expect(counted.mostPairs).toBeLessThanOrEqual(mostPairs);
  });
});

describe('the search', () => {
  const found = (at: number) => ({ found: { title: `commit ${at}` } });

  it('takes more pairs where it is close', async () => {
    const near = await search({ slow: { 11: 1.04 }, noise: plainNoise(3, 0.03), seed: 3 });
    const far = await search({ slow: { 11: 2 }, noise: plainNoise(3, 0.03), seed: 3 });
    expect(near.answer).toMatchObject(found(11));
    expect(far.answer).toMatchObject(found(11));
    expect(far.answer.pairs).toBeLessThanOrEqual(16);
    expect(near.answer.pairs).toBeGreaterThan(2 * far.answer.pairs);
  });

  it('goes back after a wrong step', async () => {
    /* The first pairs, of commit 16, look fast, although commit 5 made it slow. */
    const { answer, lines } = await search({
      slow: { 5: 1.5 },
      noise: exact,
      seed: 1,
      fault: (pair, head) => (pair <= 2 && head === 16 ? -Math.log(1.5) : 0),
    });
    expect(lines[0]).toMatch(/^commit 16 of 32, 0000000000 "commit 16", is fast/);
    expect(lines.some((line) => /"commit 17", is as fast as the commit before it .*: going back/.test(line))).toBe(
      true,
    );
    expect(answer).toMatchObject(found(5));
  });

  it('skips commits that cannot be built, or fail, and says so', async () => {
    const { answer, lines } = await search({
      slow: { 20: 1.5 },
      noise: exact,
      seed: 1,
      unmeasurable: [16, 24],
      failing: [18],
    });
    expect(answer).toMatchObject(found(20));
    expect(answer.skipped.map(({ title, why }) => `${title}: ${why}`)).toEqual(
      expect.arrayContaining(['commit 16: npm run build failed']),
    );
    expect(lines).toContainEqual(expect.stringMatching(/"commit 16", is skipped: npm run build failed/));
  });

  it('names all commits that it may be if those between cannot be measured', async () => {
    const { answer } = await search({
      slow: { 19: 1.5 },
      noise: exact,
      seed: 1,
      unmeasurable: [18, 19],
      failing: [20],
    });
    expect(answer.found).toBeUndefined();
    expect(answer.suspects.map(({ title }) => title)).toEqual([18, 19, 20, 21].map((at) => `commit ${at}`));
    expect(answer.parent.title).toBe('commit 17');
    expect(answer.why).toMatch(/cannot be measured: it may be any of them/);
  });

  it('takes no pairs of a commit that runs the code of the good or the bad one', async () => {
    const { answer, lines, measured } = await search({
      slow: { 11: 1.5 },
      noise: exact,
      seed: 1,
      codes: { 8: 'code 0', 16: `code ${COMMITS}` },
    });
    expect(lines).toContainEqual(expect.stringMatching(/"commit 16", runs the same code as the bad commit/));
    expect(lines).toContainEqual(expect.stringMatching(/"commit 8", runs the same code as the good commit/));
    expect(measured).not.toContain(8);
    expect(measured).not.toContain(16);
    expect(answer).toMatchObject(found(11));
  });

  it('blames no commit that runs the code of the commit before', async () => {
    /* Commit 16 looks fast at first. So commit 17 is suspected, which changes nothing. */
    const { answer, lines } = await search({
      slow: { 5: 1.5 },
      noise: exact,
      seed: 1,
      fault: (pair, head) => (pair <= 2 && head === 16 ? -Math.log(1.5) : 0),
      codes: { 17: 'code 16' },
    });
    expect(lines).toContainEqual(
      expect.stringMatching(/"commit 17", runs the same code as the commit before it: going/),
    );
    expect(answer).toMatchObject(found(5));
  });

  it('finds one of two commits that share the slowdown', async () => {
    const { answer } = await search({ slow: { 6: 1.2, 23: 1.25 }, noise: plainNoise(5, 0.01), seed: 5 });
    expect(['commit 6', 'commit 23']).toContain(answer.found?.title);
  });

  it('blames no commit if each adds a little', async () => {
    const slow = Object.fromEntries(Array.from({ length: COMMITS }, (_, i) => [i + 1, 1.01]));
    const { answer } = await search({ slow, noise: plainNoise(6, 0.003), seed: 6 });
    expect(answer.found).toBeUndefined();
    expect(answer.why).toMatch(/no single commit shows the slowdown/);
  });

  it('names the likely commits if the time is over', async () => {
    const { answer } = await search({ slow: { 11: 1.5 }, noise: exact, seed: 1, mostPairs: 4 });
    expect(answer.found).toBeUndefined();
    expect(answer.suspects.map(({ title }) => title)).toEqual(Array.from({ length: 8 }, (_, i) => `commit ${i + 9}`));
    expect(answer.why).toMatch(/the time is over: give more with --seconds/);
  });
});

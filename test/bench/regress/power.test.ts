/** The statistical power of `regress`: it finds slowdowns with every configuration, and rarely reports one without a cause. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../bench/statistics/statistics.ts';
import { chosenCases, checkConfig, readConfig, type RegressConfig } from '../../../bench/regress/config.ts';
import {
  FEWEST_PAIRS,
  fewestPairsAmong,
  leastP,
  SIGNIFICANT,
  signFlipP,
  smallestEffect,
} from '../../../bench/regress/pair-statistics.ts';
import { takePairs } from '../../../bench/regress/pairs.ts';
import { conclude } from '../../../bench/regress/run.ts';
import { judge } from '../../../bench/regress/verdict.ts';
import type { RawPair, Sampler } from '../../../bench/regress/cases.ts';
import { CT_BUCKET, REPOSITORY, run } from '../../support/child.ts';

/** A configuration with one case for each figure. */
function configOf(figures: number, more: object = {}): RegressConfig {
  return checkConfig({
    ...more,
    cases: Array.from({ length: figures }, (_, i) => ({
      name: `case ${i}`,
      workload: 'insert',
      threads: 1,
      connections: 1000,
      gates: { time: 1 },
    })),
  });
}

/** Times around 10 ms that scatter by about half a percent. In the first case B takes `ratio` times as long. */
function samplerOf(ratio: number, seed: number, scatter = 0.005): Sampler {
  const random = seededRandom(seed);
  const deviate = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return (build, { name }) => ({
    timesMs: {
      'udp-insert': 10 * (build === 'b' && name === 'case 0' ? ratio : 1) * Math.exp(scatter * deviate()),
    },
  });
}

interface Outcome {
  verdict: string;
  rounds: number;
  pairs: RawPair[];
}

/** Takes pairs and judges them. The clock stands still by default, so that there is time for all pairs. */
async function outcomeOf(config: RegressConfig, sample: Sampler, msPerSample = 0): Promise<Outcome> {
  let nowMs = 0;
  const pairs = await takePairs({
    config,
    sample: (build, each) => {
      nowMs += msPerSample;
      return sample(build, each);
    },
    seed: 1,
    nowMs: () => nowMs,
  });
  return {
    verdict: conclude(config, pairs).verdict,
    rounds: new Set(pairs.map(({ round }) => round)).size,
    pairs,
  };
}

function pairsIn({ pairs }: Outcome, phase: RawPair['phase']): number {
  return pairs.filter((pair) => pair.phase === phase && pair.case === 'case 0').length;
}

const FIGURES = Array.from({ length: 16 }, (_, i) => i + 1);

describe('the significance', () => {
  it('is reached by the fewest pairs, even if one of them shows no slowdown', () => {
    const all = Array.from({ length: FEWEST_PAIRS }, (_, i) => i + 1);
    expect(signFlipP(all, 0)).toBe(leastP(FEWEST_PAIRS));
    expect(signFlipP([-1, ...all.slice(1)], 0)).toBeLessThanOrEqual(SIGNIFICANT);
  });

  it('is reached by the fewest first and fresh pairs together among up to 204 figures', () => {
    expect([1, 4, 16, 51, 52, 204].map(fewestPairsAmong)).toEqual([6, 7, 9, 10, 11, 12]);
    expect(fewestPairsAmong(205)).toBe(13);
    for (const figures of FIGURES) {
      expect(figures * leastP(2 * FEWEST_PAIRS)).toBeLessThanOrEqual(SIGNIFICANT);
    }
  });
});

describe('a slowdown', () => {
  /** 18 rounds: six of A against A, six of B against A, and six with fresh pairs. */
  it.each([
    ...FIGURES.map((figures) => ({ figures, slowdown: 200 })),
    ...[1, 4, 16].map((figures) => ({ figures, slowdown: 10 })),
    ...[1, 4, 16].map((figures) => ({ figures, slowdown: 5 })),
  ])('of $slowdown % in one of $figures figures is found with the fewest pairs', async ({ figures, slowdown }) => {
    const outcome = await outcomeOf(configOf(figures), samplerOf(1 + slowdown / 100, figures));
    expect(outcome.verdict).toBe('regressed');
    expect([pairsIn(outcome, 'same'), pairsIn(outcome, 'first'), pairsIn(outcome, 'confirming')]).toEqual([6, 6, 6]);
  });

  it.each([1, 4])('close to the tolerance gets the pairs that it needs (%d figures)', async (figures) => {
    /* A slowdown of 3 %, a tolerance of 1 %, and pairs that scatter by 2 %. */
    const outcome = await outcomeOf(configOf(figures, { aimPercent: 3 }), samplerOf(1.03, 7, 0.014));
    expect(pairsIn(outcome, 'first')).toBeGreaterThan(FEWEST_PAIRS);
    expect(outcome.verdict).toBe('regressed');
  });

  it.each([1, 4, 16])(
    'in one of %d figures is found even if there is time only for the fewest pairs',
    async (figures) => {
      const slow = await outcomeOf(configOf(figures, { budgetSeconds: 10 }), samplerOf(3, 5), 5000);
      expect(slow.verdict).toBe('regressed');
      const steady = await outcomeOf(configOf(figures, { budgetSeconds: 10 }), samplerOf(1.05, 5), 5000);
      expect(steady.verdict).toBe('regressed');
    },
  );

  it('in one of 205 figures, for which twice six pairs are too few, gets more fresh pairs', async () => {
    const config = configOf(205, { budgetSeconds: 10 });
    const sample = samplerOf(3, 9);
    const { pairs } = await outcomeOf(config, sample);
    expect(pairs.filter(({ phase, case: name }) => phase === 'confirming' && name === 'case 0')).toHaveLength(7);
  });

  it.each([6, 40])('is found with maxPairs %d, the least value and the default', async (maxPairs) => {
    expect((await outcomeOf(configOf(4, { maxPairs }), samplerOf(1.1, 3, 0.02))).verdict).toBe('regressed');
  });

  it.each([6, 12])('of the size promised for %d pairs is found in about 8 of 10 trials', (pairs) => {
    const limit = Math.log1p(0.01);
    const deviation = 0.014;
    const effect = smallestEffect(deviation, pairs, limit);
    const random = seededRandom(pairs);
    const draw = () => effect + deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const some = () => Array.from({ length: pairs }, draw);
    const figure = { case: 'a', gate: 'time', name: 'b', tolerancePercent: 1 } as const;
    let called = 0;
    for (let trial = 0; trial < 60; trial++) {
      const [verdict] = judge([{ figure, same: [], first: some(), confirming: some() }]);
      called += Number(verdict!.verdict === 'regressed');
    }
    expect(called).toBeGreaterThan(60 * 0.7);
    expect(called).toBeLessThan(60 * 0.92);
  });
});

describe('a change', () => {
  it.each([
    { what: 'without a difference', ratio: 1 },
    { what: 'within the tolerance', ratio: 1.01 },
  ])('$what is hardly ever reported as a slowdown', async ({ ratio }) => {
    let called = 0;
    for (let seed = 0; seed < 20; seed++) {
      called += Number(
        (await outcomeOf(configOf(2, { maxPairs: 8 }), samplerOf(ratio, 1000 + seed))).verdict === 'regressed',
      );
    }
    expect(called).toBeLessThanOrEqual(1);
  });
});

describe('the configuration of regress', () => {
  it('in this repository can find a slowdown', async () => {
    const config = readConfig(join(REPOSITORY, 'ct-bucket.regress.json'));
    /* As on a machine where a pair takes eight seconds. */
    const sample: Sampler = (build, { workload }) => ({
      timesMs: workload === 'insert' ? { 'udp-insert': 10, 'udp-lookup': build === 'b' ? 30 : 10 } : { 'tcp-life': 10 },
      bytesPerConnection: 128,
    });
    const { verdict, pairs } = await outcomeOf(config, sample, 4000);
    expect(verdict).toBe('regressed');
    expect(pairs.filter(({ case: name }) => name === 'insert')).toHaveLength(18);
  });

  it('is divided into shards, of which --quick takes only the first case', () => {
    const config = configOf(5, { budgetSeconds: 100 });
    const names = (chosen: RegressConfig) => chosen.cases.map(({ name }) => name);
    expect(names(chosenCases(config, false))).toHaveLength(5);
    expect(names(chosenCases(config, false, { number: 2, of: 3 }))).toEqual(['case 1', 'case 4']);
    expect(names(chosenCases(config, true))).toEqual(['case 0']);
    const quickShard = chosenCases(config, true, { number: 2, of: 3 });
    expect([names(quickShard), quickShard.budgetSeconds]).toEqual([['case 1'], 45]);
    expect(() => chosenCases(config, true, { number: 6, of: 6 })).toThrow(/shard 6\/6 has no case: there are 5/);
  });
});

describe('the command regress', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-power-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A build whose sample program reports about `ms` for each figure. @param at the folder of the program in bench/ */
  function build(name: string, ms: number, at: string): string {
    const path = join(folder, name);
    mkdirSync(join(path, 'bench', at), { recursive: true });
    writeFileSync(join(path, '.complete'), '');
    writeFileSync(
      join(path, 'bench', at, 'workload-sample.js'),
      `const ms = () => ${ms} * (1 + (Math.random() - 0.5) / 200);
       console.log(JSON.stringify({ bytesPerConnection: 128, results: [
         { name: 'udp-insert', ms: ms() }, { name: 'udp-lookup', ms: ms() }, { name: 'tcp', ms: ms() } ] }));`,
    );
    return path;
  }

  const config = join(folder, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      budgetSeconds: 10,
      maxPairs: 8,
      cases: [{ name: 'a', workload: 'insert', threads: 1, connections: 1000, gates: { time: 1, memory: 10 } }],
    }),
  );
  /* The sample program is where older commits had it. */
  const base = build('base', 10, '.');

  it.each([
    { name: 'three times as slow', ms: 30, codes: [1] },
    { name: 'with another comment', ms: 10, codes: [0, 3] },
    { name: 'twice as fast', ms: 5, codes: [0] },
  ])('ends with exit code $codes for a build $name', async ({ name, ms, codes }) => {
    const args = ['regress', '--base', base, '--head', build(name, ms, 'samples'), '--config', config];
    const { code, stdout, stderr } = await run(process.execPath, [...CT_BUCKET, ...args]);
    expect(codes, `${stdout}${stderr}`).toContain(code);
  });
});

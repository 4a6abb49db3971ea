/** Which slowdowns `regress` can call, after how many pairs, with the configurations of this repository and with others. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chosenCases, checkConfig, readConfig, type RegressConfig } from '../../../bench/regress/config.ts';
import { planLooks } from '../../../bench/regress/verdict/looks.ts';
import { CT_BUCKET, REPOSITORY, run } from '../../support/child.ts';
import { configOf, figuresOf, outcomeOf, pairSampler, pairsOf, plainPairs } from './sequences.ts';
import { plainNoise } from './made-up-noise.ts';

const FIGURES = Array.from({ length: 16 }, (_, i) => i + 1);

describe('a configuration of this repository', () => {
  /** What takes no noise: the pairs until the verdict, for slowdowns of one figure among all. */
  it.each([
    { file: 'ct-bucket.regress.json', figures: 5, pairs: { 1000: 2, 110: 2, 30: 8, 2: 8, 1.1: 8 } },
    { file: 'examples/ct-bucket.regress.full.json', figures: 10, pairs: { 1000: 3, 110: 3, 30: 9, 2.1: 9 } },
  ])('calls slowdowns after the fewest pairs: $file', async ({ file, figures, pairs }) => {
    const config = readConfig(join(REPOSITORY, file));
    expect(figuresOf(config)).toBe(figures);
    for (const [percent, count] of Object.entries(pairs)) {
      const slow = { 'insert, udp-lookup': 1 + Number(percent) / 100 };
      const outcome = await outcomeOf(config, plainPairs(slow));
      expect([percent, outcome.verdict, pairsOf(outcome, 'insert')]).toEqual([percent, 'regressed', count]);
    }
  });

  it.each(['ct-bucket.regress.json', 'examples/ct-bucket.regress.full.json'])(
    'has time for the fewest pairs of every case: %s',
    (file) => {
      const config = readConfig(join(REPOSITORY, file));
      expect(config.maxPairs).toBeGreaterThanOrEqual(planLooks(figuresOf(config)).looks[0]!.pairs);
      /* A pair of a case takes about three seconds at most, in slices about one. */
      expect(config.budgetSeconds).toBeGreaterThanOrEqual(
        2 * config.cases.length * planLooks(figuresOf(config)).looks[0]!.pairs,
      );
    },
  );
});

describe('a slowdown', () => {
  it.each(FIGURES)('of 1000 %% in one of %d figures is called after two or three pairs', async (figures) => {
    const outcome = await outcomeOf(configOf(figures), pairSampler({ 'case 0': 11 }, plainNoise(figures, 0.1)));
    expect(outcome.verdict).toBe('regressed');
    expect(pairsOf(outcome, 'case 0')).toBe(figures <= 5 ? 2 : 3);
  });

  it.each([1, 4, 16])('of 10 %% and of 5 %% in one of %d figures is called at the first look', async (figures) => {
    for (const ratio of [1.1, 1.05]) {
      const outcome = await outcomeOf(configOf(figures), pairSampler({ 'case 0': ratio }, plainNoise(figures)));
      expect(outcome.verdict).toBe('regressed');
      expect(pairsOf(outcome, 'case 0')).toBe(planLooks(figures).looks[0]!.pairs);
    }
  });

  it.each([1, 4])('close to the tolerance gets the pairs that it needs (%d figures)', async (figures) => {
    const config = configOf(figures, { aimPercent: 3 });
    let [called, pairs] = [0, 0];
    for (let seed = 0; seed < 20; seed++) {
      const outcome = await outcomeOf(config, pairSampler({ 'case 0': 1.03 }, plainNoise(seed, 0.03)));
      called += Number(outcome.verdict === 'regressed');
      pairs += pairsOf(outcome, 'case 0') / 20;
    }
    expect(called).toBeGreaterThanOrEqual(14);
    expect(pairs).toBeGreaterThan(1.2 * planLooks(figures).looks[0]!.pairs);
  });

  it.each([1, 4, 16, 205])('in one of %d figures is called even if the time is too short', async (figures) => {
    const config = configOf(figures, { budgetSeconds: 10 });
    const outcome = await outcomeOf(config, pairSampler({ 'case 0': 1.1 }, plainNoise(5, 0.005)), 5000);
    expect(outcome.verdict).toBe('regressed');
    expect(outcome.rounds).toBe(planLooks(figures).looks[0]!.pairs);
  });

  it.each([6, 40])('is called with maxPairs %d, the least value and the default', async (maxPairs) => {
    const outcome = await outcomeOf(configOf(4, { maxPairs }), pairSampler({ 'case 0': 1.1 }, plainNoise(3, 0.02)));
    expect(outcome.verdict).toBe('regressed');
  });

  it('in one shard is judged as strictly as in all together', async () => {
    const whole = await outcomeOf(configOf(4), pairSampler({ 'case 0': 1.1 }, plainNoise(3)));
    const shard = await outcomeOf(configOf(2), pairSampler({ 'case 0': 1.1 }, plainNoise(3)), 0, 2);
    expect(shard.families).toEqual({ 'case 0': 4, 'case 1': 4 });
    expect(pairsOf(shard, 'case 0')).toBe(pairsOf(whole, 'case 0'));
  });
});

describe('the sequence of pairs', () => {
  it('ends at the first look if every figure is fine', async () => {
    const outcome = await outcomeOf(configOf(3), pairSampler({}, plainNoise(2)));
    expect([outcome.verdict, outcome.rounds]).toEqual(['fine', 7]);
  });

  it('gives the time of cases that are fine to the others', async () => {
    const steady = plainNoise(3, 0.002);
    const restless = plainNoise(4, 0.06);
    const outcome = await outcomeOf(configOf(2), (each, order) =>
      pairSampler({}, each.name === 'case 0' ? restless : steady)(each, order),
    );
    expect(pairsOf(outcome, 'case 1')).toBe(7);
    expect(pairsOf(outcome, 'case 0')).toBeGreaterThan(7);
  });

  it('ends with the time, and is inconclusive if that is too short', async () => {
    const config = configOf(1, { budgetSeconds: 100 });
    const outcome = await outcomeOf(config, pairSampler({}, plainNoise(3, 0.3)), 5000);
    expect([outcome.verdict, outcome.rounds]).toEqual(['inconclusive', 20]);
  });

  it('ends in the middle of a round if a figure is hugely slower', async () => {
    const outcome = await outcomeOf(configOf(4), pairSampler({ 'case 0': 14 }, plainNoise(1)));
    expect(outcome.pairs.length).toBeLessThanOrEqual(8);
    expect(outcome.pairs.at(-1)!.case).toBe('case 0');
  });

  it('keeps a case that the scaling of another one refers to', async () => {
    const one = { name: 'one', workload: 'insert', threads: 1, connections: 1000, gates: { time: 1 } };
    const config = checkConfig({ cases: [one, { ...one, name: 'two', threads: 2, gates: { scaling: 1 } }] });
    const restless = plainNoise(4, 0.1);
    const steady = plainNoise(5, 0.001);
    const outcome = await outcomeOf(config, (each, order) =>
      pairSampler({}, each.name === 'two' ? restless : steady)(each, order),
    );
    expect(pairsOf(outcome, 'one')).toBe(pairsOf(outcome, 'two'));
  });
});

describe('the configuration of regress', () => {
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
    { name: 'three times as slow', ms: 30, code: 1 },
    { name: 'with another comment', ms: 10, code: 0 },
    { name: 'twice as fast', ms: 5, code: 0 },
  ])('ends with exit code $code for a build $name', async ({ name, ms, code: expected }) => {
    const args = ['regress', '--base', base, '--head', build(name, ms, 'samples'), '--config', config];
    const { code, stdout, stderr } = await run(process.execPath, [...CT_BUCKET, ...args]);
    expect(code, `${stdout}${stderr}`).toBe(expected);
    expect(stdout).toMatch(
      /measured in fresh processes, which takes longer and detects less: a \(.*base is older than slices\)/,
    );
  });
});

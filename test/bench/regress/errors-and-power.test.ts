/** How often `regress` errs on made-up noise, and what it finds. All seeds are fixed. */

import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../../bench/regress/config.ts';
import type { Verdict } from '../../../bench/regress/verdict/verdict.ts';
import { plainNoise, roughNoise, type Noise } from './made-up-noise.ts';
import { outcomeOf, pairSampler } from './sequences.ts';

/** Four figures, as the configuration of this repository. Time for 40 pairs of each. */
const CONFIG = checkConfig({
  cases: Array.from({ length: 4 }, (_, i) => ({
    name: `case ${i}`,
    workload: 'insert',
    threads: 1,
    connections: 1000,
    gates: { time: { tolerate: 1, alarm: 3 } },
  })),
});

interface Tally extends Record<Verdict, number> {
  /** Pairs of the slow case, on average. */
  pairs: number;
}

async function tally(trials: number, slowPercent: number, noiseOf: (seed: number) => Noise): Promise<Tally> {
  const counts: Tally = { fine: 0, regressed: 0, inconclusive: 0, pairs: 0 };
  for (let trial = 0; trial < trials; trial++) {
    const sampler = pairSampler({ 'case 0': 1 + slowPercent / 100 }, noiseOf(1000 + trial));
    const { verdict, pairs } = await outcomeOf(CONFIG, sampler, 0, 1, trial);
    counts[verdict as Verdict]++;
    counts.pairs += pairs.filter(({ case: name }) => name === 'case 0').length / trials;
  }
  return counts;
}

describe('a build against itself', () => {
  it.each([
    { what: 'normal noise of 1 %', noise: (seed: number) => plainNoise(seed) },
    { what: 'normal noise of 10 %', noise: (seed: number) => plainNoise(seed, 0.1) },
    { what: 'rough noise of 1 %', noise: (seed: number) => roughNoise(seed) },
    { what: 'rough noise of 30 %', noise: (seed: number) => roughNoise(seed, 0.3) },
  ])('is called a regression in at most one of twenty verdicts: $what', async ({ noise }) => {
    expect((await tally(120, 0, noise)).regressed).toBeLessThanOrEqual(6);
  });

  it.each([
    { what: 'normal noise of 2 %', noise: (seed: number) => plainNoise(seed, 0.02) },
    { what: 'rough noise of 1 %', noise: (seed: number) => roughNoise(seed, 0.01) },
  ])('is fine in at least 18 of 20 verdicts: $what', async ({ noise }) => {
    expect((await tally(100, 0, noise)).fine).toBeGreaterThanOrEqual(90);
  });
});

describe('a slowdown of one of four figures', () => {
  it.each([
    { percent: 3, atLeast: 80, what: 'normal noise of 1 %', noise: (seed: number) => plainNoise(seed) },
    { percent: 5, atLeast: 95, what: 'normal noise of 2 %', noise: (seed: number) => plainNoise(seed, 0.02) },
    { percent: 3, atLeast: 80, what: 'rough noise of 1 %', noise: (seed: number) => roughNoise(seed) },
    { percent: 5, atLeast: 95, what: 'rough noise of 1 %', noise: (seed: number) => roughNoise(seed) },
    { percent: 10, atLeast: 98, what: 'rough noise of 1 %', noise: (seed: number) => roughNoise(seed) },
  ])('by $percent % is called $atLeast times of 100: $what', async ({ percent, atLeast, noise }) => {
    const { regressed, fine } = await tally(100, percent, noise);
    expect(regressed).toBeGreaterThanOrEqual(atLeast);
    expect(fine).toBeLessThanOrEqual(percent === 3 ? 5 : 0);
  });

  it('by 1000 % is called after two pairs, however rough the machine', async () => {
    const { regressed, pairs } = await tally(100, 1000, (seed) => roughNoise(seed, 0.2));
    expect(regressed).toBe(100);
    expect(pairs).toBeLessThan(2.2);
  });

  it('by 5 % is never fine, however rough the machine', async () => {
    expect((await tally(100, 5, (seed) => roughNoise(seed, 0.1))).fine).toBeLessThanOrEqual(5);
  });
});

/** The statistics behind verdicts of `regress`, compared with known values. */

import { describe, expect, it } from 'vitest';
import {
  estimatePairs,
  hodgesLehmann,
  leastP,
  normalBelow,
  signFlipP,
  smallestEffect,
  standardError,
} from '../../../bench/regress/verdict/pair-statistics.ts';
import { deviates } from './made-up-noise.ts';

const LEVELS = { low: 0.025, high: 0.025 };

describe('the statistics of pairs', () => {
  it('estimate the middle by the median of means, which an outlier hardly moves', () => {
    expect(hodgesLehmann([1, 2, 4])).toBe(2.25);
    expect(hodgesLehmann([1, 2, 3, 4, 100])).toBe(3);
    expect(hodgesLehmann([])).toBeNaN();
  });

  it('give the interval of Wilcoxon tables: for 10 pairs at 2.5 % the 9th mean from each end', () => {
    const values = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    const means = values.flatMap((a, i) => values.slice(i).map((b) => (a + b) / 2)).toSorted((a, b) => a - b);
    const { low, high, pairs, estimate } = estimatePairs(values, LEVELS);
    expect([low, high]).toEqual([means[8], means.at(-9)]);
    expect([pairs, estimate]).toEqual([10, hodgesLehmann(values)]);
  });

  it('leave an end of the interval open if all pairs on one side are no proof at its level', () => {
    const some = (count: number) => Array.from({ length: count }, (_, i) => i);
    expect(estimatePairs(some(6), { low: leastP(6), high: leastP(7) })).toMatchObject({ low: 0, high: Infinity });
    expect(estimatePairs(some(6), { low: leastP(7), high: leastP(6) })).toMatchObject({ low: -Infinity, high: 5 });
  });

  it('move with the pairs, and not otherwise', () => {
    const pairs = Array.from({ length: 12 }, deviates(3));
    const before = estimatePairs(pairs, LEVELS);
    const moved = estimatePairs(
      pairs.map((pair) => pair + 1),
      LEVELS,
    );
    expect(moved.low).toBeCloseTo(before.low + 1, 12);
    expect(moved.high).toBeCloseTo(before.high + 1, 12);
    expect(estimatePairs(pairs.toReversed(), LEVELS)).toEqual(before);
  });

  it.each([8, 14])('give intervals of %d pairs that contain the true value as often as they promise', (count) => {
    const deviate = deviates(count);
    let covered = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const { low, high } = estimatePairs(Array.from({ length: count }, deviate), LEVELS);
      covered += Number(low <= 0 && high >= 0);
    }
    expect(covered / 2000).toBeGreaterThan(0.94);
    expect(covered / 2000).toBeLessThan(0.975);
  });

  it('give the normal distribution', () => {
    expect(normalBelow(-1.959964)).toBeCloseTo(0.025, 6);
    expect(normalBelow(1)).toBeCloseTo(0.8413447, 6);
  });

  it('count sign flips exactly, as in Wilcoxon tables, also with ties and at the limit', () => {
    /* If all n values are above, 1 flip of 2^n. If all of 6 but the smallest are, 2 flips of 64. */
    expect(signFlipP([1, 2, 3, 4, 5, 6], 0)).toBe(1 / 64);
    expect(signFlipP([-1, 2, 3, 4, 5, 6], 0)).toBe(2 / 64);
    /* W+ >= 47 of n = 10 (tables: 0.024). */
    expect(signFlipP([-1, -7, 2, 3, 4, 5, 6, 8, 9, 10], 0)).toBeCloseTo(0.0244, 4);
    expect(signFlipP([1, 1, -1], 0)).toBe(4 / 8);
    expect(signFlipP([1, 2, 3, 4, 5, 6], 3.4)).toBeGreaterThan(0.3);
    expect(signFlipP([], 0)).toBe(1);
  });

  it('agree with each other: the interval excludes what the test rejects', () => {
    const deviate = deviates(11);
    for (let trial = 0; trial < 200; trial++) {
      const pairs = Array.from({ length: 11 }, () => 0.8 + deviate());
      const { low } = estimatePairs(pairs, LEVELS);
      expect(signFlipP(pairs, low - 1e-9)).toBeLessThanOrEqual(LEVELS.low);
      expect(signFlipP(pairs, low + 1e-9)).toBeGreaterThan(LEVELS.low);
    }
  });

  it('know their own scatter', () => {
    const deviate = deviates(5);
    const estimate = estimatePairs(
      Array.from({ length: 80 }, () => 0.02 * deviate()),
      LEVELS,
    );
    expect(standardError(estimate, LEVELS)).toBeGreaterThan((0.8 * 0.02) / Math.sqrt(80));
    expect(standardError(estimate, LEVELS)).toBeLessThan((1.25 * 0.02) / Math.sqrt(80));
  });

  it('give the smallest effect that simulated pairs show in 8 of 10 trials', () => {
    const deviate = deviates(6);
    const draw = (middle: number) => Array.from({ length: 16 }, () => middle + 0.02 * deviate());
    let effects = 0;
    for (let trial = 0; trial < 300; trial++) {
      effects += smallestEffect(estimatePairs(draw(0), LEVELS), LEVELS, 0.005, 0.01) / 300;
    }
    let seen = 0;
    for (let trial = 0; trial < 300; trial++) {
      seen += Number(estimatePairs(draw(effects), LEVELS).low > 0.005);
    }
    expect(seen / 300).toBeGreaterThan(0.72);
    expect(seen / 300).toBeLessThan(0.9);
  });
});

/** Verdicts of `regress` on made-up pairs, and the statistics behind them, compared with known values. */

import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../bench/statistics/statistics.ts';
import {
  deviationOf,
  estimatePairs,
  hodgesLehmann,
  holmAdjust,
  normalBelow,
  pairsFor,
  signFlipP,
  smallestEffect,
  studentQuantile,
} from '../../../bench/regress/pair-statistics.ts';
import { medianInPlace } from '../../../bench/regress/select.ts';
import { judge, overallVerdict, suspectsOf, type Figure, type FigurePairs } from '../../../bench/regress/verdict.ts';

/** Normal deviates (Box and Muller), seeded. */
function deviates(seed: number): (deviation: number) => number {
  const random = seededRandom(seed);
  return (deviation) => deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function pairsAround(percent: number, deviation: number, count: number, seed: number): number[] {
  const deviate = deviates(seed);
  return Array.from({ length: count }, () => Math.log1p(percent / 100) + deviate(deviation));
}

const figure: Figure = { case: 'insert', gate: 'time', name: 'udp-insert', tolerancePercent: 2 };

function made(change: Partial<FigurePairs>): FigurePairs {
  return { figure, same: pairsAround(0, 0.01, 8, 1), first: [], confirming: [], ...change };
}

describe('the statistics of pairs', () => {
  it('estimate the middle by the median of means, which an outlier hardly moves', () => {
    expect(hodgesLehmann([1, 2, 4])).toBe(2.25);
    expect(hodgesLehmann([1, 2, 3, 4, 100])).toBe(3);
    expect(hodgesLehmann([])).toBeNaN();
  });

  it('find the same median as sorting does', () => {
    const random = seededRandom(3);
    for (let count = 1; count <= 60; count++) {
      for (const values of [
        Float64Array.from({ length: count }, random),
        Float64Array.from({ length: count }, () => Math.floor(random() * 3)),
        Float64Array.from({ length: count }, (_, i) => i),
        Float64Array.from({ length: count }, (_, i) => -i),
      ]) {
        const sorted = values.toSorted();
        expect(medianInPlace(values, count)).toBe((sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2);
      }
    }
  });

  it('give the same interval for the same pairs, also shifted', () => {
    const pairs = pairsAround(5, 0.02, 12, 3);
    expect(estimatePairs(pairs)).toEqual(estimatePairs(pairs));
    const moved = estimatePairs(pairs.map((pair) => pair + 1));
    expect(moved.low).toBeCloseTo(estimatePairs(pairs).low + 1, 12);
    expect(moved.high - moved.low).toBeGreaterThan(0.015);
  });

  it('give intervals that contain the true value in 19 of 20 trials, even with few pairs', () => {
    for (const pairs of [8, 14]) {
      let covered = 0;
      for (let trial = 0; trial < 600; trial++) {
        const { low, high } = estimatePairs(pairsAround(0, 0.02, pairs, 1000 * pairs + trial), 600);
        covered += Number(low <= 0 && high >= 0);
      }
      expect(covered / 600).toBeGreaterThan(0.93);
      expect(covered / 600).toBeLessThan(0.985);
    }
  });

  it("give the quantiles of Student's and the normal distribution", () => {
    expect(studentQuantile(7)).toBeCloseTo(2.3646, 2);
    expect(studentQuantile(20)).toBeCloseTo(2.086, 3);
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

  it('adjust p values by Holm: never lower, in the same order, at most 1', () => {
    const adjusted = holmAdjust([0.01, 0.04, 0.03, 0.9]);
    expect(adjusted[0]).toBeCloseTo(0.04, 12);
    expect(adjusted[1]).toBeCloseTo(0.09, 12);
    expect(adjusted[2]).toBeCloseTo(0.09, 12);
    expect(adjusted[3]).toBe(0.9);
    expect(holmAdjust([0.8, 0.7])).toEqual([1, 1]);
  });

  it('give the smallest effect that simulated verdicts find in 8 of 10 trials', () => {
    const limit = Math.log1p(0.02);
    const effect = smallestEffect(0.02, 12, limit);
    let seen = 0;
    for (let trial = 0; trial < 200; trial++) {
      const pairs = pairsAround(Math.expm1(effect) * 100, 0.02, 12, 77_000 + trial);
      seen += Number(estimatePairs(pairs, 300).low > limit);
    }
    expect(seen / 200).toBeGreaterThan(0.74);
    expect(seen / 200).toBeLessThan(0.88);
  });

  it('ask for more pairs on a noisier machine, up to the limit', () => {
    const [limit, effect] = [Math.log1p(0.02), Math.log1p(0.05)];
    expect(pairsFor(0.001, effect, limit, 40)).toBe(6);
    const some = pairsFor(0.03, effect, limit, 40);
    expect(some).toBeGreaterThan(8);
    expect(smallestEffect(0.03, some, limit)).toBeLessThanOrEqual(effect);
    expect(smallestEffect(0.03, some - 1, limit)).toBeGreaterThan(effect);
    expect(pairsFor(0.3, effect, limit, 40)).toBe(40);
    expect(deviationOf(estimatePairs(pairsAround(3, 0.02, 40, 2)))).toBeCloseTo(0.02, 2);
  });
});

describe('the verdict on a figure', () => {
  it('is fine only if the whole interval lies below the tolerance', () => {
    const [fine] = judge([made({ first: pairsAround(0, 0.01, 12, 5) })]);
    expect(fine!.verdict).toBe('fine');
    expect(fine!.intervalPercent.high).toBeLessThan(2);
    const [wide] = judge([made({ first: pairsAround(0, 0.08, 12, 5) })]);
    expect(wide).toMatchObject({ verdict: 'inconclusive', reason: 'the interval spans the tolerance' });
    expect(wide!.smallestEffectPercent).toBeGreaterThan(6);
  });

  it('is regressed only if fresh pairs confirm it', () => {
    const first = pairsAround(6, 0.02, 12, 6);
    expect(suspectsOf([made({ first })])).toHaveLength(1);
    const verdictWith = (confirming: number[]) => judge([made({ first, confirming })])[0]!;
    expect(verdictWith(pairsAround(6, 0.02, 8, 7)).verdict).toBe('regressed');
    expect(verdictWith([])).toMatchObject({
      verdict: 'inconclusive',
      reason: 'suspected, not confirmed: no fresh pairs',
    });
    expect(verdictWith(pairsAround(0, 0.02, 8, 8))).toMatchObject({
      verdict: 'inconclusive',
      reason: 'suspected, not confirmed by fresh pairs',
    });
  });

  it('is fine for a significant change within the tolerance', () => {
    const [verdict] = judge([made({ first: pairsAround(1, 0.001, 20, 9) })]);
    expect(verdict).toMatchObject({ verdict: 'fine' });
    expect(verdict!.changePercent).toBeCloseTo(1, 0);
  });

  it('is regressed only if its pairs are enough for the number of figures', () => {
    const beyond = [0.03, 0.04, 0.05, 0.06, 0.05, 0.04];
    const others = Array.from({ length: 4 }, (_, i) => made({ first: pairsAround(0, 0.01, 12, 20 + i) }));
    const among = (change: Partial<FigurePairs>) => judge([made({ first: beyond, ...change }), ...others])[0]!;
    expect(suspectsOf([made({ first: beyond }), ...others])).toHaveLength(1);
    expect(among({}).holmP).toBeCloseTo(5 / 64, 12);
    expect(among({})).toMatchObject({ verdict: 'inconclusive', reason: 'suspected, not confirmed: no fresh pairs' });
    expect(among({ confirming: beyond }).holmP).toBeCloseTo(5 / 4096, 12);
    expect(among({ confirming: beyond }).verdict).toBe('regressed');
    /* Among 300 figures, 12 pairs are always too few. */
    const crowd = Array.from({ length: 299 }, () => made({ same: [] }));
    expect(judge([made({ first: beyond, confirming: beyond }), ...crowd])[0]).toMatchObject({
      verdict: 'inconclusive',
      reason: 'confirmed, but too few pairs for so many figures',
    });
  });

  it('is regressed only by a slowdown larger than the difference of A from itself', () => {
    const same = pairsAround(5, 0.005, 8, 10);
    const verdictAt = (percent: number) =>
      judge([
        made({ same, first: pairsAround(percent, 0.005, 8, 30), confirming: pairsAround(percent, 0.005, 8, 31) }),
      ])[0]!;
    expect(verdictAt(6)).toMatchObject({
      verdict: 'inconclusive',
      reason: 'A differs from itself by more than is tolerated',
    });
    expect(verdictAt(200).verdict).toBe('regressed');
  });

  it('is inconclusive if A differs from itself, or with too few pairs', () => {
    const unsteady = made({ same: pairsAround(5, 0.005, 8, 10), first: pairsAround(0, 0.01, 12, 11) });
    expect(judge([unsteady])[0]).toMatchObject({
      verdict: 'inconclusive',
      reason: 'A differs from itself by more than is tolerated',
    });
    expect(judge([made({ first: [0, 0, 0] })])[0]).toMatchObject({ verdict: 'inconclusive' });
  });

  it('is fine for a speed-up', () => {
    expect(judge([made({ first: pairsAround(-8, 0.02, 12, 12) })])[0]!.verdict).toBe('fine');
  });

  it('is summed up as the worst of all figures, or as inconclusive without any', () => {
    expect(overallVerdict([{ verdict: 'fine' }, { verdict: 'inconclusive' }, { verdict: 'regressed' }])).toBe(
      'regressed',
    );
    expect(overallVerdict([{ verdict: 'fine' }, { verdict: 'inconclusive' }])).toBe('inconclusive');
    expect(overallVerdict([{ verdict: 'fine' }])).toBe('fine');
    expect(overallVerdict([])).toBe('inconclusive');
  });
});

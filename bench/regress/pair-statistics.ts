/**
 * Statistics of paired samples. The figure of a pair is ln(B/A). Drift slower than a pair cancels, and the scale of the times
 * does not matter. All random draws are seeded: equal samples give equal numbers.
 */

import { RESAMPLES, seededRandom, sortedQuantile, type Interval } from '../statistics/statistics.ts';
import { medianInPlace } from './select.ts';

/**
 * Fewest pairs for an interval. With 5 pairs, equal signs still happen by chance 1 time of 32. With 6 pairs, p reaches 0.05
 * even if one pair contradicts, provided that it is the closest to the limit.
 */
export const FEWEST_PAIRS = 6;
/** Level of significance of one figure, and, after adjustment for all figures, of a verdict. */
export const SIGNIFICANT = 0.05;
const SEED = 0x9e37;
/** 97.5 % quantile of the normal distribution, for two-sided intervals of 95 %. */
const Z95 = 1.959964;
/**
 * Extra distance, in standard errors, for detection 8 times of 10. The interval of the first pairs and as many fresh pairs
 * must both show the slowdown. The value comes from a simulation of 6 to 20 pairs.
 */
const Z_BOTH = 1.2;
/** Standard error of a Hodges-Lehmann estimate / that of a mean, for normal values: 1/sqrt(0.955). */
const EFFICIENCY = 1.023;

/** An estimate with its interval, in ln(B/A). */
export interface PairEstimate extends Interval {
  pairs: number;
  estimate: number;
}

/**
 * Hodges-Lehmann estimate: the median of the means of all pairs of values, each value with itself included. It tolerates
 * outliers nearly like a median (29 % of the values) and is nearly as precise as a mean (95 % for a normal distribution).
 * NaN without values.
 */
export function hodgesLehmann(values: ArrayLike<number>, scratch?: Float64Array): number {
  const count = (values.length * (values.length + 1)) / 2;
  if (count === 0) {
    return Number.NaN;
  }
  const means = scratch ?? new Float64Array(count);
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    for (let j = i; j < values.length; j++) {
      means[at++] = (values[i]! + values[j]!) / 2;
    }
  }
  return medianInPlace(means, count);
}

/**
 * Hodges-Lehmann estimate with its 95 % interval by bootstrap over pairs. A percentile interval of few values is too narrow.
 * So its ends lie further out, by the ratio of Student's t to a normal (Hesterberg, 2015, "expanded").
 */
export function estimatePairs(logRatios: readonly number[], resamples = RESAMPLES): PairEstimate {
  const n = logRatios.length;
  const estimate = hodgesLehmann(logRatios);
  if (n < 2) {
    return { pairs: n, estimate, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  }
  const random = seededRandom(SEED);
  const drawn = new Float64Array(n);
  const scratch = new Float64Array((n * (n + 1)) / 2);
  const estimates = new Float64Array(resamples);
  for (let sample = 0; sample < resamples; sample++) {
    for (let i = 0; i < n; i++) {
      drawn[i] = logRatios[Math.floor(random() * n)]!;
    }
    estimates[sample] = hodgesLehmann(drawn, scratch);
  }
  estimates.sort();
  const tail = expandedTail(n);
  return { pairs: n, estimate, low: sortedQuantile(estimates, tail), high: sortedQuantile(estimates, 1 - tail) };
}

/** The share outside each end of an expanded percentile interval of 95 %. */
export function expandedTail(n: number): number {
  return normalBelow(-Math.sqrt(n / (n - 1)) * studentQuantile(n - 1));
}

/** 97.5 % quantile of Student's t, by the Cornish-Fisher expansion (Abramowitz and Stegun, 26.7.5): 1 % off at 3 degrees. */
export function studentQuantile(degrees: number, z = Z95): number {
  const z2 = z * z;
  return (
    z *
    (1 +
      (z2 + 1) / (4 * degrees) +
      ((5 * z2 + 16) * z2 + 3) / (96 * degrees ** 2) +
      (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * degrees ** 3))
  );
}

/** Distribution function of the standard normal (Abramowitz and Stegun, 26.2.17), to 1e-7. */
export function normalBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
  return z > 0 ? 1 - tail : tail;
}

/**
 * One-sided p of "the middle of the values is not above `limit`" by Wilcoxon's signed-rank test (1945). Of all ways to flip
 * the signs of the distances from the limit, p is the share with at least the observed sum of ranks above it. Ranks keep one
 * outlier from deciding. All 2^n ways are counted, so p is exact. Equal distances share their mean rank.
 */
export function signFlipP(logRatios: readonly number[], limit: number): number {
  const distances = logRatios.map((value) => value - limit).filter((distance) => distance !== 0);
  const ranks = doubledRanks(distances.map(Math.abs));
  const observed = ranks.reduce((sum, rank, i) => sum + (distances[i]! > 0 ? rank : 0), 0);
  const most = ranks.reduce((sum, rank) => sum + rank, 0);
  /* shares[s]: the share of the sign flips of the ranks so far whose sum of ranks above the limit is s. */
  let shares = new Float64Array(most + 1);
  shares[0] = 1;
  for (const rank of ranks) {
    const next = new Float64Array(most + 1);
    for (let sum = 0; sum <= most; sum++) {
      next[sum] = (shares[sum]! + (sum >= rank ? shares[sum - rank]! : 0)) / 2;
    }
    shares = next;
  }
  return Math.min(
    1,
    shares.subarray(observed).reduce((sum, share) => sum + share, 0),
  );
}

/** Doubled ranks, from 2. Equal values share their mean rank, which is whole when doubled. */
function doubledRanks(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return values.map((value) => sorted.indexOf(value) + sorted.lastIndexOf(value) + 2);
}

/** The least p of signFlipP: all pairs are above the limit, which is 1 of 2^pairs flips. */
export function leastP(pairs: number): number {
  return 2 ** -pairs;
}

/**
 * The fewest pairs that can be significant among this many figures, if every pair is above the limit. Holm multiplies the
 * least p by the number of figures.
 */
export function fewestPairsAmong(figures: number): number {
  let pairs = FEWEST_PAIRS;
  while (leastP(pairs) * figures > SIGNIFICANT) {
    pairs++;
  }
  return pairs;
}

/** Holm's adjustment (1979), in the given order: `adjusted <= 0.05` is wrong in at most 5 % of families. */
export function holmAdjust(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).toSorted((a, b) => pValues[a]! - pValues[b]!);
  const adjusted: number[] = pValues.map(() => 1);
  let highest = 0;
  for (const [place, i] of order.entries()) {
    highest = Math.max(highest, Math.min(1, pValues[i]! * (pValues.length - place)));
    adjusted[i] = highest;
  }
  return adjusted;
}

/** Standard deviation of ln(B/A) of one pair, computed from the interval of several. A few outliers move it little. */
export function deviationOf({ pairs, low, high }: PairEstimate): number {
  return ((high - low) / 2 / studentQuantile(pairs - 1)) * (Math.sqrt(pairs) / EFFICIENCY);
}

/**
 * The smallest true effect, ln(B/A), that this many pairs detect 8 times of 10.
 *
 * @param deviation standard deviation of ln(B/A) of one pair
 */
export function smallestEffect(deviation: number, pairs: number, limit: number): number {
  return limit + (studentQuantile(pairs - 1) + Z_BOTH) * standardError(deviation, pairs);
}

/** Standard deviation of the values. It is cheap, but an outlier makes it large. */
function plainDeviation(values: readonly number[]): number {
  const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / Math.max(1, values.length - 1));
}

/** A large effect, in deviations of one pair. Six fresh pairs then all lie beyond the limit 99 times of 100. */
const LARGE = 3;

/**
 * Whether the slowdown is so large that more first pairs would only take time. May be called after every pair: without a
 * slowdown this is true less than once in 2000 times, and fresh pairs do not confirm it.
 */
export function isLarge(first: readonly number[], same: readonly number[], limit: number): boolean {
  return (
    first.length >= FEWEST_PAIRS &&
    first.every((value) => value > limit) &&
    hodgesLehmann(first) - limit >= LARGE * Math.max(plainDeviation(first), plainDeviation(same))
  );
}

/** Standard error of the Hodges-Lehmann estimate. */
function standardError(deviation: number, pairs: number): number {
  return (EFFICIENCY * deviation) / Math.sqrt(pairs);
}

/** The fewest pairs from FEWEST_PAIRS to `most` that detect `effect`. `most` if none do. */
export function pairsFor(deviation: number, effect: number, limit: number, most: number): number {
  for (let pairs = FEWEST_PAIRS; pairs < most; pairs++) {
    if (smallestEffect(deviation, pairs, limit) <= effect) {
      return pairs;
    }
  }
  return most;
}

/**
 * Change points of a series: places where its level changes for good. Binary segmentation finds the cuts. A cut is kept if a
 * permutation test of the difference between both means shows that the order of the values matters, as in Otava. So noise
 * without a step gives no change point.
 */

import { median, seededRandom } from '../../statistics/statistics.ts';

export interface ChangePoint {
  /** Index of the first value of the new level. */
  at: number;
  before: number;
  after: number;
  /** Level after / level before, minus one, in percent. */
  changePercent: number;
  p: number;
}

const PERMUTATIONS = 999;
const SIGNIFICANT = 0.01;
/** Fewest values on either side of a cut. */
const FEWEST = 4;
const SEED = 0xc4a5;

/** The cut with the largest step, in logarithms. The weight keeps cuts near the ends from winning by chance (CUSUM). */
function bestCut(values: readonly number[]): { at: number; weight: number } {
  const total = values.reduce((sum, value) => sum + value, 0);
  let best = { at: -1, weight: 0 };
  let left = 0;
  for (let at = 1; at <= values.length - FEWEST; at++) {
    left += values[at - 1]!;
    const step = Math.abs((total - left) / (values.length - at) - left / at);
    const weight = step * Math.sqrt((at * (values.length - at)) / values.length);
    if (at >= FEWEST && weight > best.weight) {
      best = { at, weight };
    }
  }
  return best;
}

/** @param values positive, in order of time. @returns change points in order */
export function changePoints(values: readonly number[], offset = 0): ChangePoint[] {
  const logs = values.map(Math.log);
  const { at, weight } = bestCut(logs);
  if (at < 0) {
    return [];
  }
  const random = seededRandom(SEED);
  let asLarge = 0;
  for (let i = 0; i < PERMUTATIONS; i++) {
    const mixed = [...logs];
    for (let j = mixed.length - 1; j > 0; j--) {
      const other = Math.floor(random() * (j + 1));
      [mixed[j], mixed[other]] = [mixed[other]!, mixed[j]!];
    }
    asLarge += bestCut(mixed).weight >= weight ? 1 : 0;
  }
  const p = (asLarge + 1) / (PERMUTATIONS + 1);
  if (p > SIGNIFICANT) {
    return [];
  }
  const left = values.slice(0, at);
  const right = values.slice(at);
  const [before, after] = [median(left), median(right)];
  return [
    ...changePoints(left, offset),
    { at: offset + at, before, after, changePercent: (after / before - 1) * 100, p },
    ...changePoints(right, offset + at),
  ];
}

/**
 * When the pairs are judged, and how strictly each time. Pairs are taken until the verdict is certain. Each look at them is a
 * chance to err, so the looks are planned beforehand, and each may spend a part of the tolerated errors. The parts add up
 * (Bonferroni), so no assumption about the pairs is needed.
 *
 * The number of pairs follows from the arithmetic. With n pairs the least p is 2^-n. So the first look comes with as many
 * pairs as its own part of the errors needs, divided among all figures. What is huge does not wait for that look: see `hugePairs`.
 */

import { leastP, type Levels } from './pair-statistics.ts';

/** Probability that a verdict on equal builds calls any figure a regression. */
export const FALSE_ALARMS = 0.05;
/** Probability that a figure whose true change is `alarm` is called fine. Each figure has its own. */
export const MISSES = 0.05;
/** The part of FALSE_ALARMS that the rule for huge slowdowns may spend. */
const HUGE_ALARMS = 0.002;
/** A pair of equal builds shows a huge slowdown at most this often. The pairs of a verdict are independent of each other. */
export const HUGE_CHANCE = 1 / 50;
/** The first look spends this part of the errors. The other looks share the rest evenly. */
const FIRST_PART = 1 / 2;
const LOOKS = 8;
/** Each look has this many times the pairs of the one before. More frequent looks would find little new. */
const GROWTH = 1.4;

export interface Look extends Levels {
  /** Pairs of the figure at this look. */
  pairs: number;
}

export interface LookPlan {
  /** If so many first pairs are all hugely slower, the figure has regressed. */
  hugePairs: number;
  /** Planned looks in order. The first has the fewest pairs that an interval needs. */
  looks: Look[];
}

/** The fewest pairs for which `isEnough` holds. */
function fewest(isEnough: (pairs: number) => boolean): number {
  let pairs = 1;
  while (!isEnough(pairs)) {
    pairs++;
  }
  return pairs;
}

/** @param family the number of figures that are judged together */
export function planLooks(family: number): LookPlan {
  const alarms = (FALSE_ALARMS - HUGE_ALARMS) / family;
  const levelsOf = (part: number): Levels => ({ low: alarms * part, high: MISSES * part });
  const first = levelsOf(FIRST_PART);
  const later = levelsOf((1 - FIRST_PART) / (LOOKS - 1));
  const looks: Look[] = [{ pairs: fewest((pairs) => leastP(pairs) <= Math.min(first.low, first.high)), ...first }];
  while (looks.length < LOOKS) {
    looks.push({ pairs: Math.ceil(looks.at(-1)!.pairs * GROWTH), ...later });
  }
  return { hugePairs: fewest((pairs) => family * HUGE_CHANCE ** pairs <= HUGE_ALARMS), looks };
}

/** The looks at a figure with this many pairs, in order. @param isEnd all pairs are taken: they get a look of their own */
export function looksAt({ looks }: LookPlan, pairs: number, isEnd: boolean): Look[] {
  const past = looks.filter((look) => look.pairs <= pairs);
  const next = looks[past.length];
  return isEnd && past.length > 0 && next !== undefined && past.at(-1)!.pairs < pairs
    ? [...past, { ...next, pairs }]
    : past;
}

/**
 * Verdicts from pairs. A figure is one number of a case that is gated: a time, memory, contention, scaling. Each is held
 * as ln(B/A), positive for worse.
 *
 * A figure regressed only if its whole interval lies beyond what is tolerated, its p holds among all figures, and fresh
 * pairs confirm it; it is fine only if the whole interval lies below. All else is inconclusive.
 */

import type { Interval } from '../statistics.ts';
import { deviationOf, estimatePairs, FEWEST_PAIRS, holmAdjust, signFlipP, smallestEffect } from './pair-statistics.ts';

export type Verdict = 'fine' | 'regressed' | 'inconclusive';

/** The gate that a figure belongs to. */
export type Gate = 'time' | 'memory' | 'contention' | 'scaling';

export interface Figure {
  case: string;
  gate: Gate;
  name: string;
  tolerancePercent: number;
}

/** Pairs of a figure, ln(B/A) of each, in the order in which they were taken. */
export interface FigurePairs {
  figure: Figure;
  /** A against A. */
  same: number[];
  /** B against A. */
  first: number[];
  /** Fresh ones, of a suspect. */
  confirming: number[];
}

export interface FigureVerdict extends Figure {
  verdict: Verdict;
  /** Why, where the verdict does not say it. */
  reason?: string;
  /** Change of B against A with its 95 % interval, %; of all pairs. */
  changePercent: number;
  intervalPercent: Interval;
  /** One-sided, of "not beyond the tolerance", by the first pairs; alone, and among all figures (Holm). */
  p: number;
  holmP: number;
  /** Of the fresh pairs of a suspect. */
  confirmingP?: number;
  pairs: number;
  /** A against A, with its 95 % interval, %. */
  samePercent: number;
  sameIntervalPercent: Interval;
  samePairs: number;
  /** The slowdown that these pairs would have called 8 times of 10, %: from the scatter of the pairs themselves. */
  smallestEffectPercent: number;
}

export const SIGNIFICANT = 0.05;

export function percentOf(logRatio: number): number {
  return Math.expm1(logRatio) * 100;
}

export function limitOf({ tolerancePercent }: Figure): number {
  return Math.log1p(tolerancePercent / 100);
}

/** Figures that the first pairs call beyond their tolerance: these need confirmation. */
export function suspectsOf(all: readonly FigurePairs[]): FigurePairs[] {
  const adjusted = holmPs(all);
  return all.filter(({ figure, first }, i) => isBeyond(figure, first) && adjusted[i]! <= SIGNIFICANT);
}

export function judge(all: readonly FigurePairs[]): FigureVerdict[] {
  const adjusted = holmPs(all);
  return all.map((pairs, i) => judgeFigure(pairs, adjusted[i]!));
}

function holmPs(all: readonly FigurePairs[]): number[] {
  return holmAdjust(all.map(({ figure, first }) => signFlipP(first, limitOf(figure))));
}

function isBeyond(figure: Figure, logRatios: readonly number[]): boolean {
  return logRatios.length >= FEWEST_PAIRS && estimatePairs(logRatios).low > limitOf(figure);
}

function judgeFigure({ figure, same, first, confirming }: FigurePairs, holmP: number): FigureVerdict {
  const limit = limitOf(figure);
  const together = [...first, ...confirming];
  const all = estimatePairs(together);
  const sameAll = estimatePairs(same);
  const confirmingP = confirming.length > 0 ? signFlipP(confirming, limit) : undefined;
  return {
    ...figure,
    ...decide(),
    changePercent: percentOf(all.estimate),
    intervalPercent: { low: percentOf(all.low), high: percentOf(all.high) },
    p: signFlipP(first, limit),
    holmP,
    ...(confirmingP === undefined ? {} : { confirmingP }),
    pairs: all.pairs,
    samePercent: percentOf(sameAll.estimate),
    sameIntervalPercent: { low: percentOf(sameAll.low), high: percentOf(sameAll.high) },
    samePairs: same.length,
    smallestEffectPercent: percentOf(smallestEffect(deviationOf(all), all.pairs, limit)),
  };

  function decide(): { verdict: Verdict; reason?: string } {
    if (first.length < FEWEST_PAIRS) {
      return { verdict: 'inconclusive', reason: `${first.length} pairs are too few` };
    }
    if (same.length >= FEWEST_PAIRS && Math.max(sameAll.low, -sameAll.high) > limit) {
      return { verdict: 'inconclusive', reason: 'A differs from itself by more than is tolerated' };
    }
    const isSuspect = isBeyond(figure, first) && holmP <= SIGNIFICANT;
    if (isSuspect && confirmingP === undefined) {
      return { verdict: 'inconclusive', reason: 'suspected, not confirmed: no fresh pairs' };
    }
    if (isSuspect && confirmingP! <= SIGNIFICANT && all.low > limit) {
      return { verdict: 'regressed' };
    }
    /* The larger sample, not the luckier one: fresh pairs do not turn a suspect into a pass on their own. */
    if (all.high < limit) {
      return { verdict: 'fine' };
    }
    if (isSuspect) {
      return { verdict: 'inconclusive', reason: 'suspected, not confirmed by fresh pairs' };
    }
    return {
      verdict: 'inconclusive',
      reason:
        all.low > limit ? 'beyond the tolerance, but not among so many figures' : 'the interval spans the tolerance',
    };
  }
}

/** One bad figure makes the whole bad; one open figure leaves it open. No figures at all leave it open too. */
export function overallVerdict(verdicts: readonly { verdict: Verdict }[]): Verdict {
  if (verdicts.some(({ verdict }) => verdict === 'regressed')) {
    return 'regressed';
  }
  return verdicts.length > 0 && verdicts.every(({ verdict }) => verdict === 'fine') ? 'fine' : 'inconclusive';
}

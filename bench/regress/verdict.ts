/**
 * Verdicts from pairs. A figure is one number of a case that is gated: a time, memory, contention, scaling. Each is held
 * as ln(B/A), positive for worse.
 *
 * A figure is suspected if the interval of its first pairs lies beyond what is tolerated, at p <= 0.05 of its own. It
 * regressed only if fresh pairs confirm that (their p alone), and all pairs together hold among all figures (Holm). So one
 * figure of k errs with a probability of 0.05 * 0.05, and all together of 0.05; and the correction meets the p of
 * at least twelve pairs, which can be as small as 1/4096: six pairs, with 1/64, could call nothing among four figures.
 * A figure is fine only if its whole interval lies below. All else is inconclusive.
 */

import type { Interval } from '../statistics/statistics.ts';
import {
  deviationOf,
  estimatePairs,
  FEWEST_PAIRS,
  holmAdjust,
  SIGNIFICANT,
  signFlipP,
  smallestEffect,
} from './pair-statistics.ts';

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
  /** One-sided, of "not beyond the tolerance": by the first pairs alone, and by all pairs among all figures (Holm). */
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

export function percentOf(logRatio: number): number {
  return Math.expm1(logRatio) * 100;
}

export function limitOf({ tolerancePercent }: Figure): number {
  return Math.log1p(tolerancePercent / 100);
}

/** Figures that the first pairs call beyond their tolerance: these need confirmation. */
export function suspectsOf(all: readonly FigurePairs[]): FigurePairs[] {
  return all.filter(({ figure, first }) => isSuspect(figure, first));
}

export function judge(all: readonly FigurePairs[]): FigureVerdict[] {
  const adjusted = holmPs(all);
  return all.map((pairs, i) => judgeFigure(pairs, adjusted[i]!));
}

/**
 * Of all pairs. That only suspects have fresh ones makes no p too small: had all figures fresh pairs, these p would be
 * right, and fewer of them are called.
 */
function holmPs(all: readonly FigurePairs[]): number[] {
  return holmAdjust(all.map(({ figure, first, confirming }) => signFlipP([...first, ...confirming], limitOf(figure))));
}

function isSuspect(figure: Figure, first: readonly number[]): boolean {
  const limit = limitOf(figure);
  return first.length >= FEWEST_PAIRS && signFlipP(first, limit) <= SIGNIFICANT && estimatePairs(first).low > limit;
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
    /* A machine that makes A differ from itself makes B differ by as much: what is called must be beyond that too. */
    const isUnsteady = same.length >= FEWEST_PAIRS && Math.max(sameAll.low, -sameAll.high) > limit;
    const drift = isUnsteady ? Math.max(Math.abs(sameAll.low), Math.abs(sameAll.high)) : 0;
    const isSuspected = isSuspect(figure, first);
    const isConfirmed = isSuspected && confirmingP !== undefined && confirmingP <= SIGNIFICANT;
    if (isConfirmed && holmP <= SIGNIFICANT && all.low > limit + drift) {
      return { verdict: 'regressed' };
    }
    if (isUnsteady) {
      return { verdict: 'inconclusive', reason: 'A differs from itself by more than is tolerated' };
    }
    if (isSuspected && confirmingP === undefined) {
      return { verdict: 'inconclusive', reason: 'suspected, not confirmed: no fresh pairs' };
    }
    /* The larger sample, not the luckier one: fresh pairs do not turn a suspect into a pass on their own. */
    if (all.high < limit) {
      return { verdict: 'fine' };
    }
    if (isConfirmed && all.low > limit) {
      return { verdict: 'inconclusive', reason: 'confirmed, but too few pairs for so many figures' };
    }
    if (isSuspected) {
      return { verdict: 'inconclusive', reason: 'suspected, not confirmed by fresh pairs' };
    }
    return {
      verdict: 'inconclusive',
      reason:
        all.low > limit
          ? 'beyond the tolerance, but the first pairs do not show it'
          : 'the interval spans the tolerance',
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

/**
 * Verdicts from pairs. A figure is one gated number of a case: a time, memory, contention or scaling. It is kept as ln(B/A),
 * and positive means worse.
 *
 * - A figure is suspected if the interval of its first pairs lies beyond the tolerance, at p <= 0.05.
 * - It regressed only if fresh pairs confirm that by their own p, and if all its pairs are significant among all figures (Holm).
 *   One figure alone then errs with a probability of 0.05 * 0.05, and all figures together with at most 0.05. Holm's correction
 *   applies to at least twelve pairs, whose p can be 1/4096. Six pairs reach only 1/64, too much among four figures.
 * - It is fine only if its whole interval lies below the tolerance.
 * - Otherwise it is inconclusive.
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

/** The kind of a figure. Each kind has a tolerance of its own. */
export type Gate = 'time' | 'memory' | 'contention' | 'scaling';

export interface Figure {
  case: string;
  gate: Gate;
  name: string;
  tolerancePercent: number;
}

/** The pairs of a figure as ln(B/A), in the order of measurement. */
export interface FigurePairs {
  figure: Figure;
  /** Pairs of A and A. */
  same: number[];
  /** First pairs of B and A. */
  first: number[];
  /** Fresh pairs of B and A, for a suspect. */
  confirming: number[];
}

export interface FigureVerdict extends Figure {
  verdict: Verdict;
  /** The reason, if the verdict alone does not tell it. */
  reason?: string;
  /** Change of B against A over all pairs, in percent, with its 95 % interval. */
  changePercent: number;
  intervalPercent: Interval;
  /** One-sided p of "not beyond the tolerance": of the first pairs, and of all pairs among all figures (Holm). */
  p: number;
  holmP: number;
  /** p of a suspect's fresh pairs. */
  confirmingP?: number;
  pairs: number;
  /** Change of A against A, in percent, with its 95 % interval. */
  samePercent: number;
  sameIntervalPercent: Interval;
  samePairs: number;
  /** The slowdown, in percent, that these pairs would detect 8 times of 10, judged by their own scatter. */
  smallestEffectPercent: number;
}

export function percentOf(logRatio: number): number {
  return Math.expm1(logRatio) * 100;
}

export function limitOf({ tolerancePercent }: Figure): number {
  return Math.log1p(tolerancePercent / 100);
}

/** The figures whose first pairs lie beyond the tolerance. They need confirmation. */
export function suspectsOf(all: readonly FigurePairs[]): FigurePairs[] {
  return all.filter(({ figure, first }) => isSuspect(figure, first));
}

export function judge(all: readonly FigurePairs[]): FigureVerdict[] {
  const adjusted = holmPs(all);
  return all.map((pairs, i) => judgeFigure(pairs, adjusted[i]!));
}

/**
 * p of all pairs, adjusted by Holm. Only suspects have fresh pairs, but this makes no p too small: with fresh pairs for all
 * figures these p would be right, and leaving some out only calls fewer figures.
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
      return { verdict: 'inconclusive', reason: `only ${first.length} pairs, at least ${FEWEST_PAIRS} are needed` };
    }
    /* If A differs from itself on this machine, B may differ by as much. A regression must be beyond that too. */
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
    /* Judge by all pairs: fresh pairs alone must not turn a suspect into a pass. */
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

/** One regressed figure makes the whole regressed. Else one inconclusive figure, or no figure at all, makes it inconclusive. */
export function overallVerdict(verdicts: readonly { verdict: Verdict }[]): Verdict {
  if (verdicts.some(({ verdict }) => verdict === 'regressed')) {
    return 'regressed';
  }
  return verdicts.length > 0 && verdicts.every(({ verdict }) => verdict === 'fine') ? 'fine' : 'inconclusive';
}

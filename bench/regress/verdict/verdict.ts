/**
 * Verdicts from pairs. A figure is one gated number of a case: a time, memory, contention or scaling. It is kept as ln(B/A),
 * and positive means worse.
 *
 * - A figure regressed if its interval lies above the noise floor, and its estimate above `tolerate`.
 * - It is fine if its interval lies below `alarm`.
 * - Otherwise it is inconclusive. An interval that is narrower than `alarm` minus the noise floor is never inconclusive.
 *
 * looks.ts says when the pairs are judged. A figure whose first pairs are all hugely slower regressed at once.
 */

import type { Interval } from '../../statistics/statistics.ts';
import { looksAt, planLooks, type Look, type LookPlan } from './looks.ts';
import { estimatePairs, hodgesLehmann, signFlipP, smallestEffect, type PairEstimate } from './pair-statistics.ts';

export type Verdict = 'fine' | 'regressed' | 'inconclusive';

/** The kind of a figure. Each kind has thresholds of its own. */
export type Gate = 'time' | 'memory' | 'contention' | 'scaling';

/** In percent. */
export interface Thresholds {
  /** A smaller change is no regression, however certain it is. */
  tolerate: number;
  /** A change as large as this is never fine. */
  alarm: number;
}

export interface Figure extends Thresholds {
  case: string;
  gate: Gate;
  name: string;
}

/** The pairs of a figure as ln(B/A), in the order of measurement. */
export interface FigurePairs {
  figure: Figure;
  logRatios: number[];
  /** The number of figures that share the tolerated errors. */
  family: number;
}

export interface FigureVerdict extends Figure {
  verdict: Verdict;
  /** The reason, if the verdict alone does not tell it. */
  reason?: string;
  /** Why the regression is accepted (accepted.ts). */
  accepted?: string;
  /** Change of B against A in percent, with its interval. The ends are null if there are too few pairs. */
  changePercent: number;
  intervalPercent: { low: number | null; high: number | null };
  /** One-sided p of "not above the noise floor", by these pairs alone. */
  p: number;
  /** The pairs that the verdict rests on. */
  pairs: number;
  /** Fewest pairs that can show a change that is not huge. */
  fewestPairs: number;
  /** The slowdown, in percent, that pairs like these call a regression 8 times of 10. null if there are too few pairs. */
  smallestEffectPercent: number | null;
}

/**
 * Builds of equal code may differ by this much, in percent: their files, and what lies where in memory, are not the same. Nothing
 * below it is called.
 */
const NOISE_FLOOR_PERCENT = 0.5;
/** A huge slowdown, as a factor. Contention has none: it may double by chance. */
const HUGE: Record<Gate, number> = { time: 2, memory: 2, scaling: 2, contention: Number.POSITIVE_INFINITY };

export function percentOf(logRatio: number): number {
  return Math.expm1(logRatio) * 100;
}

function logOf(percent: number): number {
  return Math.log1p(percent / 100);
}

function floorOf({ tolerate }: Thresholds): number {
  return logOf(Math.min(NOISE_FLOOR_PERCENT, tolerate));
}

/** @returns a verdict on each figure. With `isEnd` no more pairs will come; else it looks only where a look is planned. */
export function judge(all: readonly FigurePairs[], isEnd = true): FigureVerdict[] {
  const plans = new Map<number, LookPlan>();
  return all.map((of) => {
    const plan = plans.get(of.family) ?? planLooks(of.family);
    plans.set(of.family, plan);
    const judged = judgeFigure(of, plan, isEnd);
    return { ...judged, p: signFlipP(of.logRatios.slice(0, judged.pairs), floorOf(of.figure)) };
  });
}

type Judged = Omit<FigureVerdict, 'p'>;

/** A regression counts, at whichever look it is seen. Else the first look that is fine does, else the last one. */
function judgeFigure({ figure, logRatios }: FigurePairs, plan: LookPlan, isEnd: boolean): Judged {
  const fewestPairs = plan.looks[0]!.pairs;
  if (isHuge(figure, logRatios, plan)) {
    const reason = `each of the first ${plan.hugePairs} pairs shows a huge slowdown`;
    const first = logRatios.slice(0, plan.hugePairs);
    return { ...withoutInterval(figure, first, fewestPairs), verdict: 'regressed', reason };
  }
  const looks = looksAt(plan, logRatios.length, isEnd).map((look) => lookAt(figure, logRatios, look, fewestPairs));
  const decided =
    looks.find(({ verdict }) => verdict === 'regressed') ?? looks.find(({ verdict }) => verdict === 'fine');
  if (decided !== undefined || looks.length > 0) {
    return decided ?? looks.at(-1)!;
  }
  const reason = `only ${logRatios.length} pairs; what is not huge needs ${fewestPairs}`;
  return { ...withoutInterval(figure, logRatios, fewestPairs), verdict: 'inconclusive', reason };
}

function isHuge(figure: Figure, logRatios: readonly number[], { hugePairs }: LookPlan): boolean {
  const limit = Math.log(HUGE[figure.gate]) + logOf(figure.tolerate);
  return logRatios.length >= hugePairs && logRatios.slice(0, hugePairs).every((value) => value > limit);
}

function withoutInterval(figure: Figure, logRatios: readonly number[], fewestPairs: number): Omit<Judged, 'verdict'> {
  return {
    ...figure,
    changePercent: percentOf(hodgesLehmann(logRatios)),
    intervalPercent: { low: null, high: null },
    pairs: logRatios.length,
    fewestPairs,
    smallestEffectPercent: null,
  };
}

function lookAt(figure: Figure, all: readonly number[], look: Look, fewestPairs: number): Judged {
  const logRatios = all.slice(0, look.pairs);
  const floor = floorOf(figure);
  const limit = logOf(figure.tolerate);
  const estimate = estimatePairs(logRatios, look);
  return {
    ...withoutInterval(figure, logRatios, fewestPairs),
    ...decide(figure, estimate, floor),
    intervalPercent: intervalPercentOf(estimate),
    smallestEffectPercent: percentOf(smallestEffect(estimate, look, floor, limit)),
  };
}

function intervalPercentOf({ low, high }: Interval): FigureVerdict['intervalPercent'] {
  return { low: percentOf(low), high: percentOf(high) };
}

function decide(
  { tolerate, alarm }: Thresholds,
  { estimate, low, high }: PairEstimate,
  floor: number,
): { verdict: Verdict; reason?: string } {
  const isBeyond = estimate > logOf(tolerate);
  if (low > floor && isBeyond) {
    return { verdict: 'regressed' };
  }
  if (high < logOf(alarm)) {
    return { verdict: 'fine' };
  }
  return {
    verdict: 'inconclusive',
    reason: isBeyond
      ? 'beyond the tolerance, but the interval reaches the noise floor'
      : 'within the tolerance, but the interval reaches the alarm',
  };
}

/** One regressed figure makes the whole regressed. Else one inconclusive figure, or no figure at all, makes it inconclusive. */
export function overallVerdict(verdicts: readonly { verdict: Verdict }[]): Verdict {
  if (verdicts.some(({ verdict }) => verdict === 'regressed')) {
    return 'regressed';
  }
  return verdicts.length > 0 && verdicts.every(({ verdict }) => verdict === 'fine') ? 'fine' : 'inconclusive';
}

/** What moved, beside a verdict that is not fine: lock sites, and functions. The counters of the verdict are a cause of their own. */

import { showProgress } from '../samples/samples.ts';
import type { Build } from './builds.ts';
import type { CaseFinding } from './counter-findings.ts';
import type { RegressCase, RegressConfig } from './config.ts';
import { lockCauses, type SiteCause } from './lock-causes.ts';
import { profileSlices } from './slice-samples.ts';
import type { FigureVerdict } from './verdict.ts';

/** A function that takes more time. */
export interface FunctionCause {
  name: string;
  /** Rise of the time in the function itself, in percent of the base's whole time. */
  percent: number;
}

export interface CaseCauses {
  case: string;
  sites: SiteCause[];
  functions: FunctionCause[];
}

/** Time for all causes together. What has begun may take a little longer. */
const LIMIT_MS = 15_000;
const PROFILE_MS = 2000;
/** The part of the time of a case for its lock sites. */
const LOCK_PART = 0.6;
const MOST_FUNCTIONS = 5;
/** A function that takes fewer samples more than before is not named: as many standard errors of a count. */
const STANDARD_ERRORS = 4;
const LEAST_PERCENT = 0.5;

/** The functions that take more samples in the second build, the largest rise first. */
export function slowerFunctions([before, after]: readonly Record<string, number>[]): FunctionCause[] {
  const whole = Object.values(before!).reduce((sum, samples) => sum + samples, 0);
  return [...new Set([...Object.keys(before!), ...Object.keys(after!)])]
    .map((name) => ({ name, a: before![name] ?? 0, b: after![name] ?? 0 }))
    .filter(({ a, b }) => b - a > STANDARD_ERRORS * Math.sqrt(a + b))
    .map(({ name, a, b }) => ({ name, percent: (100 * (b - a)) / Math.max(1, whole) }))
    .filter(({ percent }) => percent >= LEAST_PERCENT)
    .toSorted((a, b) => b.percent - a.percent)
    .slice(0, MOST_FUNCTIONS);
}

/** The cases that are not fine. */
function suspects(
  { cases }: RegressConfig,
  figures: readonly FigureVerdict[],
  findings: readonly CaseFinding[],
): RegressCase[] {
  const regressed = (name: string) =>
    findings.some((each) => each.case === name && each.verdict === 'regressed') ||
    figures.some((each) => each.case === name && each.verdict === 'regressed' && each.accepted === undefined);
  return cases.filter(({ name }) => regressed(name));
}

/** Collects causes of the regressions. A sample that fails leaves a cause out: the verdict stands without it. */
export async function causesOf(
  a: Build,
  b: Build,
  config: RegressConfig,
  verdict: { figures: readonly FigureVerdict[]; counters?: { cases: readonly CaseFinding[] } },
): Promise<CaseCauses[]> {
  const cases = suspects(config, verdict.figures, verdict.counters?.cases ?? []);
  const caseMs = LIMIT_MS / Math.max(1, cases.length);
  const causes: CaseCauses[] = [];
  for (const each of cases) {
    showProgress(`looking for the cause: ${each.name}`);
    const sites = await unlessFailed(() => lockCauses(a, b, each, LOCK_PART * caseMs));
    const functions = await unlessFailed(async () => slowerFunctions(await profileSlices(a, b, each, PROFILE_MS)));
    causes.push({ case: each.name, sites, functions });
  }
  showProgress('');
  return causes;
}

async function unlessFailed<Item>(action: () => Promise<Item[]>): Promise<Item[]> {
  try {
    return await action();
  } catch {
    return [];
  }
}

/** A line for each cause. */
export function causeLines(causes: readonly CaseCauses[] = []): string[] {
  return causes.flatMap(({ case: name, sites, functions }) => [
    ...sites.map(
      ({ site, lock, before, after, changePercent }) =>
        `cause in ${name}: the ${lock} lock is held longer by ${site}: ${before.toFixed(0)} -> ${after.toFixed(0)} ns (+${changePercent.toFixed(1)} %)`,
    ),
    ...functions.map(
      ({ name: of, percent }) => `cause in ${name}: function ${of} takes ${percent.toFixed(1)} % of the time more`,
    ),
  ]);
}

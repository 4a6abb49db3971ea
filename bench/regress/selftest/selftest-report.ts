/** What `regress selftest` reports: shares of detected slowdowns against what is required. */

import Table from 'cli-table3';
import { median } from '../../statistics/statistics.ts';
import type { BisectOutcome } from '../bisect/bisect-run.ts';
import type { Verdict } from '../verdict/verdict.ts';

export interface SelftestLine {
  slowdownPercent: number;
  run: number;
  verdict: Verdict;
  /** Measured change of each time figure. */
  changePercent: number[];
  /** Without a figure if there were too few pairs. */
  smallestEffectPercent: number[];
  tookSeconds: number;
  /** Whether the causes name the site of a planted hold. */
  namesSite?: boolean;
  /** Processes that computed beside the verdict. Absent: none */
  busy?: number;
}

interface Requirement {
  text: string;
  isMet(share: (verdict: Verdict) => number, longestSeconds: number): boolean;
}

/** Time limit of a verdict, after the builds. */
const VERDICT_SECONDS = 60;
const HUGE_SECONDS = 10;

function detected(share: number): Requirement {
  return {
    text: share === 1 ? 'all regressed' : `${Math.round(100 * share)} % regressed`,
    isMet: (of, longestSeconds) => of('regressed') >= share && longestSeconds <= VERDICT_SECONDS,
  };
}

const HUGE: Requirement = {
  text: `all regressed, within ${HUGE_SECONDS} s`,
  isMet: (share, longestSeconds) => share('regressed') === 1 && longestSeconds <= HUGE_SECONDS,
};

/** What verdicts on a slowdown must be, by the slowdown in percent. Shares are of all verdicts on it. */
const REQUIRED: Record<number, Requirement> = {
  0: {
    text: 'no regression, 90 % fine',
    isMet: (share, longestSeconds) =>
      share('regressed') === 0 && share('fine') >= 0.9 && longestSeconds <= VERDICT_SECONDS,
  },
  3: detected(0.8),
  5: detected(0.95),
  10: detected(1),
  900: HUGE,
};

/** The same beside busy processes. */
const REQUIRED_IF_BUSY: Record<number, Requirement> = {
  0: {
    text: 'no regression',
    isMet: (share, longestSeconds) => share('regressed') === 0 && longestSeconds <= VERDICT_SECONDS,
  },
  5: detected(0.8),
  900: HUGE,
};

/** How many of the regressions name the site of a planted hold. */
function namedText(lines: readonly SelftestLine[]): string {
  const asked = lines.filter(({ namesSite }) => namesSite !== undefined);
  return asked.length === 0 ? '' : `${asked.filter(({ namesSite }) => namesSite).length} of ${asked.length}`;
}

/** Prints the table. @returns whether every share is as required */
export function reportVerdicts(lines: readonly SelftestLine[]): boolean {
  const table = new Table({
    head: [
      'slowdown',
      'verdicts',
      'regressed',
      'inconclusive',
      'fine',
      'required',
      'met',
      'detectable',
      'longest',
      'site named',
    ],
    style: { head: [], border: [] },
  });
  let isRight = true;
  for (const percent of [...new Set(lines.map(({ slowdownPercent }) => slowdownPercent))].toSorted((a, b) => a - b)) {
    const of = lines.filter(({ slowdownPercent }) => slowdownPercent === percent);
    const count = (verdict: Verdict) => of.filter((line) => line.verdict === verdict).length;
    const longestSeconds = Math.max(...of.map(({ tookSeconds }) => tookSeconds));
    const required = (of.some(({ busy }) => busy !== undefined) ? REQUIRED_IF_BUSY : REQUIRED)[percent];
    const isMet = required?.isMet((verdict) => count(verdict) / of.length, longestSeconds);
    isRight &&= isMet ?? true;
    const detectable = of.flatMap((line) => line.smallestEffectPercent);
    table.push([
      `${percent} %`,
      of.length,
      count('regressed'),
      count('inconclusive'),
      count('fine'),
      required?.text ?? '',
      isMet === undefined ? '' : isMet ? 'yes' : 'NO',
      detectable.length === 0 ? '' : `${median(detectable).toFixed(1)} %`,
      `${longestSeconds.toFixed(0)} s`,
      namedText(of),
    ]);
  }
  console.log(table.toString());
  return isRight;
}

export interface BisectionLine {
  bisection: number;
  slowdownPercent: number;
  commits: number;
  /** How many of them change the code that is measured. */
  changes: number;
  /** Number of the slow commit, from 1. */
  place: number;
  planted: string;
  outcome: BisectOutcome;
  found?: string;
  isRight: boolean;
  tookSeconds: number;
  buildSeconds: number;
  builds: number;
  /** All pairs, with those of the bad commit against the good one. */
  pairs: number;
  /** The found commit against the one before it. */
  changePercent?: number;
  /** Why no commit was found. */
  why?: string;
}

/** Time limit of a search: what it must not exceed. */
export const BISECTION_SECONDS = 600;
/** This share of the searches must name the slow commit. */
const RIGHT_SHARE = 0.9;

/** Prints the table and the judgement. @returns whether enough searches were right, and none took too long */
export function reportBisections(lines: readonly BisectionLine[]): boolean {
  const table = new Table({
    head: [
      'slowdown',
      'commits',
      'bisections',
      'right',
      'wrong',
      'not to be told',
      'builds',
      'pairs',
      'building',
      'longest',
    ],
    style: { head: [], border: [] },
  });
  for (const percent of [...new Set(lines.map(({ slowdownPercent }) => slowdownPercent))].toSorted((a, b) => a - b)) {
    const of = lines.filter(({ slowdownPercent }) => slowdownPercent === percent);
    const right = of.filter(({ isRight }) => isRight).length;
    const wrong = of.filter(({ isRight, found }) => !isRight && found !== undefined).length;
    table.push([
      `${percent} %`,
      [...new Set(of.map(({ commits }) => commits))].join(', '),
      of.length,
      right,
      wrong,
      of.length - right - wrong,
      median(of.map(({ builds }) => builds)),
      median(of.map(({ pairs }) => pairs)),
      `${median(of.map(({ buildSeconds }) => buildSeconds)).toFixed(0)} s`,
      `${Math.max(...of.map(({ tookSeconds }) => tookSeconds)).toFixed(0)} s`,
    ]);
  }
  const right = lines.filter(({ isRight }) => isRight).length;
  const longest = Math.max(...lines.map(({ tookSeconds }) => tookSeconds));
  const isEnough = right >= RIGHT_SHARE * lines.length;
  const isSoon = longest <= BISECTION_SECONDS;
  console.log(table.toString());
  console.log(
    `right ${right} of ${lines.length}${isEnough ? '' : ` (required: ${100 * RIGHT_SHARE} %)`}, ` +
      `longest ${longest.toFixed(0)} s${isSoon ? '' : ` (required: at most ${BISECTION_SECONDS} s)`}`,
  );
  return isEnough && isSoon;
}

/** What moved, beside a verdict that is not fine: lock sites, and functions. The counters of the verdict are a cause of their own. */

import type { FlameFrame } from '../../report/page/flame-graph.ts';
import { IN_JAVASCRIPT, showProgress } from '../../samples/samples.ts';
import type { Build } from '../builds/builds.ts';
import type { CaseFinding } from '../counters/counter-findings.ts';
import type { RegressCase, RegressConfig } from '../config.ts';
import { lockCauses, type SiteCause } from './lock-causes.ts';
import { keptFrames, ownSamples } from '../samples/profile-frames.ts';
import { profileSlices } from '../samples/slice-samples.ts';
import type { FigureVerdict } from '../verdict/verdict.ts';

/** A function that takes more time. */
export interface FunctionCause {
  name: string;
  /** Rise of the time in the function itself, in percent of the base's whole time. */
  percent: number;
}

/** A CPU profile of both builds. */
export interface ProfileCause {
  /** What was profiled, in a sentence. */
  what: string;
  frames: FlameFrame[];
}

export interface CaseCauses {
  case: string;
  sites: SiteCause[];
  functions: FunctionCause[];
  /** Older verdicts have none. */
  profile?: ProfileCause;
  /** What was not looked at, and why. */
  leftOut?: string[];
}

/** Time for all causes together. What runs at its end is killed. */
export const CAUSES_LIMIT_MS = 15_000;
/** Processor time of a profile. */
const PROFILE_MS = 1500;
/** The part of the time of a case for its lock sites. */
const LOCK_PART = 0.55;
const MOST_FUNCTIONS = 5;
/** A function that takes fewer samples more than before is not named: as many standard errors of a count. */
const STANDARD_ERRORS = 4;
/** The same in a second profile. */
const CONFIRMING_ERRORS = 2;
const LEAST_PERCENT = 0.5;

/** The functions that take more samples in the second build, the largest rise first. @param errors see STANDARD_ERRORS */
export function slowerFunctions(
  [before, after]: readonly Record<string, number>[],
  errors = STANDARD_ERRORS,
): FunctionCause[] {
  const whole = Object.values(before!).reduce((sum, samples) => sum + samples, 0);
  return [...new Set([...Object.keys(before!), ...Object.keys(after!)])]
    .map((name) => ({ name, a: before![name] ?? 0, b: after![name] ?? 0 }))
    .filter(({ a, b }) => b - a > errors * Math.sqrt(a + b))
    .map(({ name, a, b }) => ({ name, percent: (100 * (b - a)) / Math.max(1, whole) }))
    .filter(({ percent }) => percent >= LEAST_PERCENT)
    .toSorted((a, b) => b.percent - a.percent);
}

/** The functions that both profiles show slower. V8 may compile one function better in one process, by chance. */
export function confirmedFunctions(first: readonly FlameFrame[], again?: readonly FlameFrame[]): FunctionCause[] {
  const confirmed = again && slowerFunctions(ownSamples(again), CONFIRMING_ERRORS).map(({ name }) => name);
  return slowerFunctions(ownSamples(first))
    .filter(({ name }) => confirmed === undefined || confirmed.includes(name))
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

/** Finds the functions of a case, and says what was profiled. @throws Error if it cannot, or there is no time */
export type FunctionProfiler = (each: RegressCase, durationMs: number, limitMs: number) => Promise<FoundProfile>;

interface FoundProfile extends ProfileCause {
  /** A second profile. Only functions that it shows slower too are named. A text: why there is none. */
  again?: FlameFrame[] | string;
}

/** What causes are sought for. */
type Judged = { figures: readonly FigureVerdict[]; counters?: { cases: readonly CaseFinding[] } };

/** Time that is left, shared by the cases that are still to come. */
class Clock {
  readonly #endMs: number;
  #cases: number;

  constructor(limitMs: number, cases: number) {
    this.#endMs = performance.now() + limitMs;
    this.#cases = cases;
  }

  /** End of the next case, by performance.now. */
  nextEndMs(): number {
    const now = performance.now();
    return now + Math.max(0, this.#endMs - now) / this.#cases--;
  }
}

/**
 * Collects causes of the regressions: lock sites, then functions. What fails, or has no time, is left out, and a line says so. The
 * verdict stands without it.
 */
export async function causesOf(
  a: Build,
  b: Build,
  config: RegressConfig,
  verdict: Judged,
  limitMs = CAUSES_LIMIT_MS,
): Promise<CaseCauses[]> {
  const cases = suspects(config, verdict.figures, verdict.counters?.cases ?? []);
  const clock = new Clock(limitMs, cases.length);
  const causes: CaseCauses[] = [];
  for (const each of cases) {
    showProgress(`looking for the cause: ${each.name}`);
    const endMs = clock.nextEndMs();
    const locks = await attempt('lock sites', endMs, () =>
      lockCauses(a, b, each, LOCK_PART * (endMs - performance.now())),
    );
    const found = await functionsOf(each, endMs, (of, durationMs, left) => sliceProfile(a, b, of, durationMs, left));
    const notes = [
      ...(locks.note ?? []),
      ...(locks.result?.note === undefined ? [] : [`lock sites: ${locks.result.note}`]),
    ];
    causes.push({ case: each.name, sites: locks.result?.sites ?? [], ...withNotes(found, notes) });
  }
  showProgress('');
  return causes;
}

/** Causes of regressions in another project: its functions. */
export async function functionCausesOf(
  config: RegressConfig,
  verdict: Judged,
  profiler: FunctionProfiler,
  limitMs = CAUSES_LIMIT_MS,
): Promise<CaseCauses[]> {
  const cases = suspects(config, verdict.figures, []);
  const clock = new Clock(limitMs, cases.length);
  const causes: CaseCauses[] = [];
  for (const each of cases) {
    showProgress(`looking for the cause: ${each.name}`);
    const found = await functionsOf(each, clock.nextEndMs(), profiler);
    causes.push({ case: each.name, sites: [], ...withNotes(found, []) });
  }
  showProgress('');
  return causes;
}

type Functions = Pick<CaseCauses, 'functions' | 'profile' | 'leftOut'>;

async function functionsOf(each: RegressCase, endMs: number, profiler: FunctionProfiler): Promise<Functions> {
  const { result: profile, note } = await attempt('functions', endMs, () =>
    profiler(each, PROFILE_MS, endMs - performance.now()),
  );
  if (profile === undefined) {
    return { functions: [], leftOut: note! };
  }
  const { what, frames, again } = profile;
  const isMissing = typeof again === 'string';
  return {
    functions: confirmedFunctions(frames, isMissing ? undefined : again),
    profile: { what, frames: keptFrames(frames) },
    ...(isMissing ? { leftOut: [again] } : {}),
  };
}

function withNotes({ leftOut = [], ...found }: Functions, notes: readonly string[]): Functions {
  const all = [...notes, ...leftOut];
  return { ...found, ...(all.length === 0 ? {} : { leftOut: all }) };
}

/**
 * JavaScript first: in the packet module the compiler has put nearly all functions into one. The module is profiled if JavaScript shows
 * nothing, since a fault may be in the module only.
 */
async function sliceProfile(
  a: Build,
  b: Build,
  each: RegressCase,
  durationMs: number,
  limitMs: number,
): Promise<FoundProfile> {
  const endMs = performance.now() + limitMs;
  const leftMs = (): number => Math.max(1, endMs - performance.now());
  const what =
    'The packet path in JavaScript, without inlining: in the WebAssembly module, which has the same sources, the compiler has put ' +
    'nearly all functions into one. What is slower in the module only cannot be seen here.';
  const inJavaScript = await profiledTwice(limitMs, (isSwapped, left) => {
    const [first, second] = isSwapped ? [b, a] : [a, b];
    return profileSlices(first, second, each, { durationMs, limitMs: left }, IN_JAVASCRIPT);
  });
  if (slowerFunctions(ownSamples(inJavaScript.frames)).length > 0) {
    return { what, ...inJavaScript };
  }
  try {
    const frames = await profileSlices(a, b, each, { durationMs, limitMs: leftMs() }, {});
    return { what: IN_MODULE, frames };
  } catch {
    return { what, ...inJavaScript };
  }
}

const IN_MODULE =
  'The packet path as it runs, mostly in a WebAssembly module, in which nearly all functions are one. In JavaScript no function ' +
  'takes more time than before.';

/**
 * A profile, and a second one with the head loaded first if a function is slower.
 * @param profile profiles both builds, swapped or not @throws Error if the first profile fails
 */
export async function profiledTwice(
  limitMs: number,
  profile: (isSwapped: boolean, limitMs: number) => Promise<FlameFrame[]>,
): Promise<Pick<FoundProfile, 'frames' | 'again'>> {
  const endMs = performance.now() + limitMs;
  const leftMs = (): number => Math.max(1, endMs - performance.now());
  const frames = await profile(false, leftMs());
  if (slowerFunctions(ownSamples(frames)).length === 0) {
    return { frames };
  }
  const { result, note } = await attempt('a second profile of the functions', endMs, () => profile(true, leftMs()));
  return { frames, again: result === undefined ? note![0]! : swapped(result) };
}

function swapped(frames: readonly FlameFrame[]): FlameFrame[] {
  return frames.map(({ before, after, ownBefore, ownAfter, ...rest }) => ({
    ...rest,
    before: after,
    after: before,
    ownBefore: ownAfter,
    ownAfter: ownBefore,
  }));
}

/** @returns the result, or why there is none */
async function attempt<Result>(
  what: string,
  endMs: number,
  action: () => Promise<Result>,
): Promise<{ result?: Result; note?: string[] }> {
  const late = { note: [`${what}: there was no time`] };
  if (performance.now() >= endMs) {
    return late;
  }
  try {
    return { result: await action() };
  } catch (error) {
    return performance.now() >= endMs ? late : { note: [`${what}: ${(error as Error).message.split('\n')[0]}`] };
  }
}

/** A line for each cause. */
export function causeLines(causes: readonly CaseCauses[] = []): string[] {
  return causes.flatMap(({ case: name, sites, functions, leftOut = [] }) => [
    ...sites.map(
      ({ site, lock, before, after, changePercent }) =>
        `cause in ${name}: the ${lock} lock is held longer by ${site}: ${before.toFixed(0)} -> ${after.toFixed(0)} ns (+${changePercent.toFixed(1)} %)`,
    ),
    ...functions.map(
      ({ name: of, percent }) => `cause in ${name}: function ${of} takes ${percent.toFixed(1)} % of the time more`,
    ),
    ...leftOut.map((line) => `cause in ${name}: left out: ${line}`),
  ]);
}

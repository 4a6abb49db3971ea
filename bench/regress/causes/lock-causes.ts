/** Lock sites whose hold times differ between two builds: pairs of profiles. */

import type { LockProfile, Times } from '../../../src/core/inspect/lock-records.ts';
import { binStart } from '../../../src/shared/sync/lock-profile.ts';
import { sumOfFigures } from '../../profile/model.ts';
import { sampleOn } from '../../samples/samples.ts';
import { median } from '../../statistics/statistics.ts';
import type { Build } from '../builds/builds.ts';
import type { RegressCase } from '../config.ts';
import { NODE_FLAGS, pathOf } from '../samples/process-samples.ts';
import { lockSlices, withoutSlices } from '../samples/slice-samples.ts';
import { leastP, signFlipP } from '../verdict/pair-statistics.ts';

/** One lock site, in ns. */
export interface SiteCause {
  site: string;
  lock: string;
  /** Middle hold time in ns. */
  before: number;
  after: number;
  changePercent: number;
}

/** Times one acquisition in this many. */
const SAMPLE_EVERY = '8';
/** Sites with fewer timed holds tell nothing. */
const FEWEST_HOLDS = 300;
/** Fewer pairs of profiles tell nothing. */
const FEWEST_PAIRS = 3;
/** Most pairs from fresh processes, and from one process that runs both builds. */
const MOST_PAIRS = 6;
const MOST_SLICED_PAIRS = 16;
/** Probability that the pairs call a site slower that is not. With few pairs all must agree. */
const LEVEL = 0.005;
const REPETITIONS = 3;
/** Connections of a profile. */
const MOST_CONNECTIONS = 8000;
/** A smaller change is not named, in percent. */
const LEAST_PERCENT = 2;
/** The same where a second process confirms the first one. */
const CONFIRMING_PERCENT = 0.5;
/** The part of the holds that is left out at each end: a holder that lost its core tells nothing. */
const TRIMMED = 0.1;

/** The mean of the middle holds, by their bins. It moves continuously, unlike a quantile of bins. */
export function middleMean({ count, bins }: Times): number {
  const [from, to] = [count * TRIMMED, count * (1 - TRIMMED)];
  let seen = 0;
  let sum = 0;
  for (const [bin, inBin] of bins) {
    const part = Math.max(0, Math.min(to, seen + inBin) - Math.max(from, seen));
    sum += (part * (binStart(bin) + binStart(bin + 1))) / 2;
    seen += inBin;
  }
  return sum / (to - from);
}

/** Middle hold time by `lock\nsite`. */
function holdsOf({ sites, threads }: LockProfile): Map<string, number> {
  const holds = sites.flatMap(({ name, lock }, index): [string, number][] => {
    const records = threads.flatMap((thread) => thread.sites.filter(({ site }) => site === index));
    const { hold } = sumOfFigures(records);
    return hold.count < FEWEST_HOLDS ? [] : [[`${lock}\n${name}`, middleMean(hold)]];
  });
  return new Map(holds);
}

/** The sites that the pairs of profiles show slower, the largest change first. */
export function slowerSites(
  pairs: readonly (readonly [LockProfile, LockProfile])[],
  leastPercent = LEAST_PERCENT,
): SiteCause[] {
  const holds = pairs.map(([a, b]) => [holdsOf(a), holdsOf(b)] as const);
  return [...(holds[0]?.[0].keys() ?? [])]
    .flatMap((key): SiteCause[] => {
      const both = holds.flatMap(([a, b]) => (a.has(key) && b.has(key) ? [[a.get(key)!, b.get(key)!] as const] : []));
      const changePercent = (median(both.map(([a, b]) => b / a)) - 1) * 100;
      const chance = signFlipP(
        both.map(([a, b]) => Math.log(b / a)),
        0,
      );
      const isCertain = both.length >= FEWEST_PAIRS && chance <= Math.max(LEVEL, leastP(both.length));
      const isSlower = isCertain && changePercent >= leastPercent;
      const [lock, site] = key.split('\n') as [string, string];
      const before = median(both.map(([a]) => a));
      return isSlower ? [{ site, lock, before, after: before * (1 + changePercent / 100), changePercent }] : [];
    })
    .toSorted((a, b) => b.after - b.before - (a.after - a.before));
}

/** The case, made smaller: a profile needs some thousand holds, and more profiles tell more than longer ones. */
function shortened({ workload, threads, connections, batchSize, buckets, rehearsalConnections }: RegressCase): object {
  const shape = { workload, threads, connections: Math.min(connections, MOST_CONNECTIONS), batchSize, buckets };
  const warmUp = { repetitions: REPETITIONS, rehearsals: 1, rehearsalConnections };
  return { ...shape, engine: 'ct-bucket', prefaulted: true, ...warmUp, perThread: false, separateTables: false };
}

async function profileOf(build: Build, each: RegressCase, limitMs: number): Promise<LockProfile> {
  const path = pathOf(build, 'workload-sample.js');
  const runner = { program: process.execPath, args: NODE_FLAGS };
  const environment = { CT_PROFILE: SAMPLE_EVERY };
  const { profile } =
    path === undefined
      ? {}
      : await sampleOn<{ profile?: LockProfile }>(runner, path, shortened(each), environment, Math.max(1, limitMs));
  if (profile === undefined) {
    throw new Error(`${build.label} has no lock profiler`);
  }
  return profile;
}

export interface LockCauses {
  sites: SiteCause[];
  /** Why sites may be missing. */
  note?: string;
}

type Pairs = [LockProfile, LockProfile][];

/** Pairs from processes: of cases with several threads, and of builds that cannot profile their slices. */
async function processPairs(a: Build, b: Build, each: RegressCase, limitMs: number): Promise<Pairs> {
  const endMs = performance.now() + limitMs;
  const leftMs = () => endMs - performance.now();
  const pairs: Pairs = [];
  while (pairs.length < MOST_PAIRS && leftMs() > 0) {
    const isSwapped = pairs.length % 2 === 1;
    try {
      const first = await profileOf(isSwapped ? b : a, each, leftMs());
      const second = await profileOf(isSwapped ? a : b, each, leftMs());
      pairs.push(isSwapped ? [second, first] : [first, second]);
    } catch (error) {
      if (leftMs() > 0) {
        throw error;
      }
    }
  }
  return pairs;
}

/**
 * Sites by one process that runs both builds in turn. V8 may compile one of them better, by chance. So a second process loads the
 * head first, and must agree.
 */
async function slicedCauses(a: Build, b: Build, each: RegressCase, limitMs: number): Promise<LockCauses | undefined> {
  const endMs = performance.now() + limitMs;
  const options = { mostPairs: MOST_SLICED_PAIRS, sampleEvery: SAMPLE_EVERY };
  const pairs = await lockSlices(a, b, each, { ...options, limitMs: limitMs / 2 });
  if (pairs.length === 0) {
    return undefined;
  }
  const found = causesFrom(pairs);
  if (found.sites.length === 0) {
    return found;
  }
  const leftMs = Math.max(1, endMs - performance.now());
  const again = await lockSlices(b, a, each, { ...options, limitMs: leftMs }).catch(() => []);
  if (again.length < FEWEST_PAIRS) {
    return { ...found, note: 'there was no time for a second profile of locks' };
  }
  const confirmed = slowerSites(
    again.map(([head, base]) => [base, head] as const),
    CONFIRMING_PERCENT,
  );
  const isConfirmed = ({ site, lock }: SiteCause) => confirmed.some((one) => one.site === site && one.lock === lock);
  return { sites: found.sites.filter(isConfirmed) };
}

function causesFrom(pairs: Pairs): LockCauses {
  const taken = pairs.length === 1 ? '1 pair of profiles' : `${pairs.length} pairs of profiles`;
  return pairs.length < FEWEST_PAIRS
    ? { sites: [], note: `there was time for ${taken} of locks, and ${FEWEST_PAIRS} are needed` }
    : { sites: slowerSites(pairs) };
}

/** @param limitMs a profile that has not ended by then is killed. @throws Error if a build cannot be profiled */
export async function lockCauses(a: Build, b: Build, each: RegressCase, limitMs: number): Promise<LockCauses> {
  const endMs = performance.now() + limitMs;
  const isSliced = each.threads === 1 && withoutSlices([a, b]) === undefined;
  const sliced = isSliced ? await slicedCauses(a, b, each, limitMs) : undefined;
  return sliced ?? causesFrom(await processPairs(a, b, each, endMs - performance.now()));
}

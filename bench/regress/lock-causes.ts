/** Lock sites whose hold or wait times differ between two builds: profiles of both, in turn. */

import type { LockProfile, Times } from '../../src/core/inspect/lock-records.ts';
import { binStart } from '../../src/shared/sync/lock-profile.ts';
import { sumOfFigures } from '../profile/model.ts';
import { sampleOf } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';
import type { Build } from './builds.ts';
import type { RegressCase } from './config.ts';
import { NODE_FLAGS, pathOf } from './process-samples.ts';

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
/** Each of so many pairs must agree that a site became slower. */
const FEWEST_PAIRS = 3;
const MOST_PAIRS = 6;
const REPETITIONS = 3;
/** A smaller change is not named, in percent. */
const LEAST_PERCENT = 2;
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

/** The sites that every pair of profiles shows slower, the largest change first. */
export function slowerSites(pairs: readonly (readonly [LockProfile, LockProfile])[]): SiteCause[] {
  const holds = pairs.map(([a, b]) => [holdsOf(a), holdsOf(b)] as const);
  return [...(holds[0]?.[0].keys() ?? [])]
    .flatMap((key): SiteCause[] => {
      const both = holds.flatMap(([a, b]) => (a.has(key) && b.has(key) ? [[a.get(key)!, b.get(key)!] as const] : []));
      const changePercent = (median(both.map(([a, b]) => b / a)) - 1) * 100;
      const isSlower = both.length >= FEWEST_PAIRS && both.every(([a, b]) => b > a) && changePercent >= LEAST_PERCENT;
      const [lock, site] = key.split('\n') as [string, string];
      const before = median(both.map(([a]) => a));
      return isSlower ? [{ site, lock, before, after: before * (1 + changePercent / 100), changePercent }] : [];
    })
    .toSorted((a, b) => b.after - b.before - (a.after - a.before));
}

async function profileOf(build: Build, each: RegressCase): Promise<LockProfile | undefined> {
  const { workload, threads, connections, batchSize, buckets, rehearsals, rehearsalConnections } = each;
  const path = pathOf(build, 'workload-sample.js');
  const shape = { workload, threads, connections, batchSize, buckets, engine: 'ct-bucket', prefaulted: true };
  const warmUp = { repetitions: REPETITIONS, rehearsals, rehearsalConnections };
  const options = { ...shape, ...warmUp, perThread: false, separateTables: false };
  const environment = { CT_PROFILE: SAMPLE_EVERY };
  return path === undefined
    ? undefined
    : (await sampleOf<{ profile?: LockProfile }>(path, options, environment, NODE_FLAGS)).profile;
}

/** @param limitMs no pair of profiles begins after this time */
export async function lockCauses(a: Build, b: Build, each: RegressCase, limitMs: number): Promise<SiteCause[]> {
  const endMs = performance.now() + limitMs;
  const pairs: [LockProfile, LockProfile][] = [];
  while (pairs.length < MOST_PAIRS && performance.now() < endMs) {
    const isSwapped = pairs.length % 2 === 1;
    const first = await profileOf(isSwapped ? b : a, each);
    const second = await profileOf(isSwapped ? a : b, each);
    if (first === undefined || second === undefined) {
      return [];
    }
    pairs.push(isSwapped ? [second, first] : [first, second]);
  }
  return slowerSites(pairs);
}

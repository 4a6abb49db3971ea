/** The analysis of a profile: by lock, site, thread and bucket, and which thread waited for which. Times in ns. */

import type { Caused, LockFigures, LockProfile } from '../../src/core/inspect/lock-records.ts';
import { holdNsOf, meanOf, quantileOf, sumOfCaused, sumOfFigures } from './model.ts';

export interface NamedFigures {
  name: string;
  /** The lock that a site takes. */
  lock?: string;
  figures: LockFigures;
  /** Time that other threads waited while this site or thread held the lock. */
  caused: Caused;
}

export interface BucketLine {
  bucket: number;
  entries: number;
  lines: number;
  displaced: number;
  acquisitions: number;
  contended: number;
  waitNs: number;
}

export interface Skew {
  buckets: number;
  /** Share of acquisitions that found the lock held, over all sites that lock buckets. */
  observed: number;
  /** The same share for an even hash, with this rate of acquisitions and this hold time. */
  expected: number;
  /** Entries of the fullest bucket / mean. */
  entriesSkew: number;
  acquisitionsSkew: number;
  displacedShare: number;
}

export interface ProfileAnalysis {
  locks: NamedFigures[];
  sites: NamedFigures[];
  threads: NamedFigures[];
  /** waitNs[i][j]: time that thread i waited for thread j. */
  matrix: { threads: string[]; waitNs: number[][] };
  waitNs: number;
  /** Share of all waiting time during which the sweeper held the lock. */
  sweeperShare: number;
  /** Waits of 1 ms and more. The holder had probably lost its core. */
  suspected: { threads: string; waits: number; ns: number }[];
  buckets: BucketLine[];
  skew: Skew | undefined;
}

function threadName(profile: LockProfile, thread: number): string {
  const record = profile.threads.find((each) => each.thread === thread);
  return record === undefined || record.role === 'thread' ? `thread ${thread}` : `${record.role} ${thread}`;
}

/** The records of a thread at a site. */
type SiteRecord = LockProfile['threads'][number]['sites'][number] & { thread: number };

/** @param durationMs duration of all phases, for the skew */
export function analyseProfile(profile: LockProfile, durationMs: number): ProfileAnalysis {
  const records: SiteRecord[] = profile.threads.flatMap(({ thread, sites }) =>
    sites.map((record) => ({ ...record, thread })),
  );
  const sites = figuresOfSites(profile, records);
  const waitNs = records.reduce((sum, { wait }) => sum + wait.total, 0);
  const sweepers = profile.threads.filter(({ role }) => role === 'sweeper');
  const bySweepers = sweepers.reduce((sum, { thread }) => sum + causedByThread(records, thread).ns, 0);
  const ofBuckets = records.filter(({ site }) => profile.sites[site]!.lock === 'bucket');
  return {
    locks: figuresOfLocks(sites),
    sites,
    threads: figuresOfThreads(profile, records),
    matrix: waitMatrix(profile, records),
    waitNs,
    sweeperShare: waitNs === 0 ? 0 : bySweepers / waitNs,
    suspected: suspectedHolders(profile, records),
    buckets: bucketLines(profile),
    skew: skewOf(profile, ofBuckets, durationMs),
  };
}

/** Waits that the holds of a thread caused. */
function causedByThread(records: readonly SiteRecord[], holder: number): Caused {
  return sumOfCaused(records.flatMap(({ byThread }) => byThread.filter(({ thread }) => thread === holder)));
}

function causedBySite(records: readonly SiteRecord[], holding: number): Caused {
  return sumOfCaused(records.flatMap(({ bySite }) => bySite.filter(({ site }) => site === holding)));
}

function figuresOfSites(profile: LockProfile, records: readonly SiteRecord[]): NamedFigures[] {
  return profile.sites
    .map(
      ({ name, lock }, site): NamedFigures => ({
        name,
        lock,
        figures: sumOfFigures(records.filter((record) => record.site === site)),
        caused: causedBySite(records, site),
      }),
    )
    .filter(({ figures }) => figures.acquisitions + figures.triesFailed > 0)
    .toSorted(byWaitThenHold);
}

function figuresOfLocks(sites: readonly NamedFigures[]): NamedFigures[] {
  return [...new Set(sites.map(({ lock }) => lock!))]
    .map((name): NamedFigures => {
      const ofLock = sites.filter(({ lock }) => lock === name);
      return {
        name,
        figures: sumOfFigures(ofLock.map(({ figures }) => figures)),
        caused: sumOfCaused(ofLock.map(({ caused }) => caused)),
      };
    })
    .toSorted(byWaitThenHold);
}

function figuresOfThreads(profile: LockProfile, records: readonly SiteRecord[]): NamedFigures[] {
  return profile.threads.map(({ thread, sites }) => ({
    name: threadName(profile, thread),
    figures: sumOfFigures(sites),
    caused: causedByThread(records, thread),
  }));
}

function waitMatrix(profile: LockProfile, records: readonly SiteRecord[]): ProfileAnalysis['matrix'] {
  const ids = profile.threads.map(({ thread }) => thread);
  const waitOf = (waiter: number, holder: number) =>
    causedByThread(
      records.filter(({ thread }) => thread === waiter),
      holder,
    ).ns;
  return {
    threads: ids.map((thread) => threadName(profile, thread)),
    waitNs: ids.map((waiter) => ids.map((holder) => waitOf(waiter, holder))),
  };
}

function suspectedHolders(profile: LockProfile, records: readonly SiteRecord[]): ProfileAnalysis['suspected'] {
  return profile.threads
    .map(({ thread }) => ({ name: threadName(profile, thread), caused: causedByThread(records, thread) }))
    .filter(({ caused }) => caused.long > 0)
    .map(({ name, caused }) => ({ threads: name, waits: caused.long, ns: caused.longNs }))
    .toSorted((a, b) => b.ns - a.ns);
}

function byWaitThenHold(a: NamedFigures, b: NamedFigures): number {
  return b.figures.wait.total - a.figures.wait.total || holdNsOf(b.figures) - holdNsOf(a.figures);
}

/** Buckets with waits, in order of falling waiting time. */
function bucketLines({ buckets }: LockProfile): BucketLine[] {
  return (buckets?.entries ?? [])
    .map((entries, bucket) => ({
      bucket,
      entries,
      lines: buckets!.lines[bucket]!,
      displaced: buckets!.displaced[bucket]!,
      acquisitions: buckets!.acquisitions[bucket]!,
      contended: buckets!.contended[bucket]!,
      waitNs: buckets!.waitNs[bucket]!,
    }))
    .toSorted((a, b) => b.waitNs - a.waitNs || b.acquisitions - a.acquisitions || a.bucket - b.bucket);
}

/**
 * T threads each take one of B locks at rate r and hold it for h. A thread then finds its lock held by another with
 * probability (T - 1) r h / B, as long as that is small (the utilisation of the lock by others).
 */
function skewOf(
  { buckets, threads }: LockProfile,
  records: readonly LockFigures[],
  durationMs: number,
): Skew | undefined {
  const count = buckets?.entries.length ?? 0;
  const figures = sumOfFigures(records);
  if (buckets === undefined || count === 0 || figures.acquisitions === 0 || !(durationMs > 0)) {
    return undefined;
  }
  const takers = threads.filter(({ sites }) => sites.some(({ acquisitions }) => acquisitions > 0)).length;
  /* Use the median, since the hash is not to blame for a holder that lost its core. */
  const heldByOthers = ((takers - 1) / takers) * figures.acquisitions * quantileOf(figures.hold, 0.5);
  const skew = (values: readonly number[]) => {
    const sum = values.reduce((all, value) => all + value, 0);
    return sum === 0 ? 1 : (Math.max(...values) * values.length) / sum;
  };
  const entries = buckets.entries.reduce((all, value) => all + value, 0);
  return {
    buckets: count,
    observed: figures.contended / figures.acquisitions,
    expected: Math.min(1, heldByOthers / (durationMs * 1e6) / count),
    entriesSkew: skew(buckets.entries),
    acquisitionsSkew: skew(buckets.acquisitions),
    displacedShare: entries === 0 ? 0 : buckets.displaced.reduce((all, value) => all + value, 0) / entries,
  };
}

/** The columns by name: each computes its cell from a row. */
export const COLUMNS: Record<string, (row: NamedFigures) => number | string> = {
  acquisitions: ({ figures }) => figures.acquisitions,
  contended: ({ figures }) => figures.contended,
  'contended %': ({ figures }) => (figures.acquisitions === 0 ? 0 : (100 * figures.contended) / figures.acquisitions),
  spins: ({ figures }) => figures.spins,
  parks: ({ figures }) => figures.parks,
  notifies: ({ figures }) => figures.notifies,
  'wait min': ({ figures }) => figures.wait.min,
  'wait mean': ({ figures }) => meanOf(figures.wait),
  'wait p50': ({ figures }) => quantileOf(figures.wait, 0.5),
  'wait p99': ({ figures }) => quantileOf(figures.wait, 0.99),
  'wait max': ({ figures }) => figures.wait.max,
  'wait total': ({ figures }) => figures.wait.total,
  'caused total': ({ caused }) => caused.ns,
  'hold min': ({ figures }) => figures.hold.min,
  'hold mean': ({ figures }) => meanOf(figures.hold),
  'hold p50': ({ figures }) => quantileOf(figures.hold, 0.5),
  'hold p99': ({ figures }) => quantileOf(figures.hold, 0.99),
  'hold max': ({ figures }) => figures.hold.max,
  'hold total': ({ figures }) => holdNsOf(figures),
  'bounces %': ({ figures }) => (figures.predecessors === 0 ? 0 : (100 * figures.bounces) / figures.predecessors),
};

export const DEFAULT_COLUMNS = [
  'acquisitions',
  'contended',
  'contended %',
  'parks',
  'wait mean',
  'wait p99',
  'wait max',
  'wait total',
  'caused total',
  'hold mean',
  'hold p99',
  'bounces %',
] as const;

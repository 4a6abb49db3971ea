/**
 * The lock profiler's records as data. They are read from a table's memory when its threads have stopped. Times are in
 * ns unless their name says otherwise.
 */

import type { Conntrack } from '../conntrack.ts';
import { bucketFigures, contentionOf } from '../table/bucket-figures.ts';
import type { BucketTable } from '../table/bucket-table.ts';
import type { Words } from '../../shared/access.ts';
import {
  BlockWord,
  blockLayout,
  blockStart,
  HELD_FLOATS,
  HeldFloat,
  HISTOGRAM_BINS,
  ProfileWord,
  SITE_FLOATS,
  SiteFloat,
  ThreadRole,
} from '../../shared/sync/lock-profile.ts';
import { LOCK_SITES, MAX_LOCK_SITES } from '../../shared/sync/lock-sites.ts';

/** Version of the format of a profile in a file. */
export const PROFILE_VERSION = 1;

/** Times of one kind. `bins`: pairs of bin and count (lock-profile.ts). */
export interface Times {
  count: number;
  total: number;
  min: number;
  max: number;
  bins: [bin: number, count: number][];
}

/** Waiting that a holder caused. `long`: waits of 1 ms or more. */
export interface Caused {
  waits: number;
  ns: number;
  long: number;
  longNs: number;
}

/** Figures that can be added up: of a site in a thread, of a site, of a lock, of a thread. */
export interface LockFigures {
  acquisitions: number;
  contended: number;
  triesFailed: number;
  spins: number;
  parks: number;
  notifies: number;
  /** Acquisitions whose previous holder is known, and those of them where that was another thread. */
  predecessors: number;
  bounces: number;
  longWaits: number;
  longHolds: number;
  wait: Times;
  /** Of the holds that were timed: one in `sampleEvery`. */
  hold: Times;
}

export interface SiteRecord extends LockFigures {
  site: number;
  lockClass: number;
  /** The time span of the timed holds, in ms of the system's clock; 0 without any. */
  firstMs: number;
  lastMs: number;
  byThread: (Caused & { thread: number })[];
  bySite: (Caused & { site: number })[];
}

export interface ThreadRecord {
  thread: number;
  role: 'thread' | 'pmd' | 'sweeper';
  sites: SiteRecord[];
}

/** By bucket number. */
export interface BucketRecords {
  entries: number[];
  lines: number[];
  /** Entries outside their home line. */
  displaced: number[];
  acquisitions: number[];
  contended: number[];
  waitNs: number[];
}

export interface LockProfile {
  version: number;
  sampleEvery: number;
  /** By site number. */
  sites: { name: string; lock: string }[];
  threads: ThreadRecord[];
  buckets?: BucketRecords;
}

const ROLES = { [ThreadRole.thread]: 'thread', [ThreadRole.pmd]: 'pmd', [ThreadRole.sweeper]: 'sweeper' } as const;

/** `{ profile }`, to spread into a sample's line of JSON; `{}` if the process is not profiled (CT_PROFILE). */
export function profileOf(conntrack: Conntrack): { profile?: LockProfile } {
  const words = conntrack.memory.profile;
  return words === undefined ? {} : { profile: readProfile(words, conntrack.tracker.table) };
}

/** The records of a region, and the figures of the buckets if their table is given. The threads must have stopped. */
export function readProfile(words: Words, table?: BucketTable): LockProfile {
  const participants = words[ProfileWord.PARTICIPANTS]!;
  const threads: ThreadRecord[] = [];
  for (let thread = 0; thread < participants; thread++) {
    const role = words[blockStart(thread, participants) + BlockWord.ROLE]! as ThreadRole;
    if (role !== ThreadRole.unused) {
      const sites = sitesOf(words, participants, thread);
      if (sites.length > 0) {
        threads.push({ thread, role: ROLES[role], sites });
      }
    }
  }
  return {
    version: PROFILE_VERSION,
    sampleEvery: words[ProfileWord.SAMPLE_EVERY]!,
    sites: LOCK_SITES.map(({ name, lock }) => ({ name, lock })),
    threads,
    ...(table === undefined ? {} : { buckets: bucketsOf(table) }),
  };
}

/** The records of one thread by site, without the sites that it never reached. */
function sitesOf(words: Words, participants: number, thread: number): SiteRecord[] {
  const floats = new Float64Array(words.buffer);
  const block = blockStart(thread, participants);
  return LOCK_SITES.flatMap((_, site) => {
    const at = (block + blockLayout(participants).sites) / 2 + site * SITE_FLOATS;
    const float: ReadFloat = (offset) => floats[at + offset]!;
    const uses = float(SiteFloat.ACQUISITIONS) + float(SiteFloat.CONTENDED) + float(SiteFloat.TRIES_FAILED);
    return uses === 0
      ? []
      : [
          {
            site,
            ...countsOf(float),
            ...timesOf(words, float, { block, participants, site }),
            ...causesOf(floats, { block, participants, site }),
          },
        ];
  });
}

type ReadFloat = (offset: number) => number;

interface SitePlace {
  /** Start of the thread's block, in words. */
  block: number;
  participants: number;
  site: number;
}

function countsOf(float: ReadFloat): Omit<SiteRecord, 'site' | 'wait' | 'hold' | 'byThread' | 'bySite'> {
  return {
    lockClass: float(SiteFloat.LOCK_CLASS),
    /* Few acquisitions may mean that none was sampled. Those that waited are always counted. */
    acquisitions: Math.max(float(SiteFloat.ACQUISITIONS), float(SiteFloat.CONTENDED)),
    contended: float(SiteFloat.CONTENDED),
    triesFailed: float(SiteFloat.TRIES_FAILED),
    spins: float(SiteFloat.SPINS),
    parks: float(SiteFloat.PARKS),
    notifies: float(SiteFloat.NOTIFIES),
    predecessors: float(SiteFloat.PREDECESSORS),
    bounces: float(SiteFloat.BOUNCES),
    longWaits: float(SiteFloat.LONG_WAITS),
    longHolds: float(SiteFloat.LONG_HOLDS),
    firstMs: float(SiteFloat.FIRST_MS),
    lastMs: float(SiteFloat.LAST_MS),
  };
}

function timesOf(
  words: Words,
  float: ReadFloat,
  { block, participants, site }: SitePlace,
): { wait: Times; hold: Times } {
  const { waitBins, holdBins } = blockLayout(participants);
  return {
    wait: {
      count: float(SiteFloat.CONTENDED),
      total: float(SiteFloat.WAIT_TOTAL),
      min: float(SiteFloat.WAIT_MIN),
      max: float(SiteFloat.WAIT_MAX),
      bins: binsAt(words, block + waitBins + site * HISTOGRAM_BINS),
    },
    hold: {
      count: float(SiteFloat.HOLDS),
      total: float(SiteFloat.HOLD_TOTAL),
      min: float(SiteFloat.HOLD_MIN),
      max: float(SiteFloat.HOLD_MAX),
      bins: binsAt(words, block + holdBins + site * HISTOGRAM_BINS),
    },
  };
}

/** The threads that this thread waited for at a site, and the sites at which these held the lock. */
function causesOf(
  floats: Float64Array,
  { block, participants, site }: SitePlace,
): Pick<SiteRecord, 'byThread' | 'bySite'> {
  const layout = blockLayout(participants);
  const causedAt = (at: number): Caused => ({
    waits: floats[at + HeldFloat.WAITS]!,
    ns: floats[at + HeldFloat.NS]!,
    long: floats[at + HeldFloat.LONG]!,
    longNs: floats[at + HeldFloat.LONG_NS]!,
  });
  const byThread = (block + layout.byThread) / 2 + site * participants * HELD_FLOATS;
  const bySite = (block + layout.bySite) / 2 + site * MAX_LOCK_SITES * HELD_FLOATS;
  return {
    byThread: Array.from({ length: participants }, (_, thread) => ({
      thread,
      ...causedAt(byThread + thread * HELD_FLOATS),
    })).filter(({ waits }) => waits > 0),
    bySite: LOCK_SITES.map((_, holder) => ({ site: holder, ...causedAt(bySite + holder * HELD_FLOATS) })).filter(
      ({ waits }) => waits > 0,
    ),
  };
}

function binsAt(words: Words, at: number): Times['bins'] {
  const bins: Times['bins'] = [];
  for (let bin = 0; bin < HISTOGRAM_BINS; bin++) {
    if (words[at + bin] !== 0) {
      bins.push([bin, words[at + bin]!]);
    }
  }
  return bins;
}

function bucketsOf(table: BucketTable): BucketRecords {
  const buckets: BucketRecords = { entries: [], lines: [], displaced: [], acquisitions: [], contended: [], waitNs: [] };
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const { lines, displaced } = bucketFigures(table, bucket);
    const { acquisitions, contended, waitNs } = contentionOf(table, bucket);
    buckets.entries.push(table.entriesIn(bucket));
    buckets.lines.push(lines);
    buckets.displaced.push(displaced);
    buckets.acquisitions.push(acquisitions);
    buckets.contended.push(contended);
    buckets.waitNs.push(waitNs);
  }
  return buckets;
}

/** For the process that runs a workload: reads what its threads recorded, when they are done. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { bucketFigures, contentionOf } from '../../src/core/table/bucket-figures.ts';
import type { BucketTable } from '../../src/core/table/bucket-table.ts';
import type { Words } from '../../src/shared/access.ts';
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
} from '../../src/shared/lock-profile.ts';
import { LOCK_SITES, MAX_LOCK_SITES } from '../../src/shared/lock-sites.ts';
import {
  type BucketRecords,
  type Caused,
  type LockProfile,
  PROFILE_VERSION,
  type SiteRecord,
  type ThreadRecord,
  type Times,
} from './model.ts';

const ROLES = { [ThreadRole.thread]: 'thread', [ThreadRole.pmd]: 'pmd', [ThreadRole.sweeper]: 'sweeper' } as const;

/** `{ profile }` to spread into a sample's line of JSON; `{}` in a process that is not profiled (CT_PROFILE). */
export function profileOf(conntrack: Conntrack): { profile?: LockProfile } {
  const words = conntrack.memory.profile;
  return words === undefined ? {} : { profile: readProfile(words, conntrack.tracker.table) };
}

/** What a region holds; the buckets' figures too if their table is given. The threads stand still. */
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

function sitesOf(words: Words, participants: number, thread: number): SiteRecord[] {
  const block = blockStart(thread, participants);
  const layout = blockLayout(participants);
  const floats = new Float64Array(words.buffer);
  const causedAt = (at: number): Caused => ({
    waits: floats[at + HeldFloat.WAITS]!,
    ns: floats[at + HeldFloat.NS]!,
    long: floats[at + HeldFloat.LONG]!,
    longNs: floats[at + HeldFloat.LONG_NS]!,
  });
  const records: SiteRecord[] = [];
  for (let site = 0; site < LOCK_SITES.length; site++) {
    const at = (block + layout.sites) / 2 + site * SITE_FLOATS;
    const float = (offset: number) => floats[at + offset]!;
    if (float(SiteFloat.ACQUISITIONS) + float(SiteFloat.CONTENDED) + float(SiteFloat.TRIES_FAILED) === 0) {
      continue;
    }
    const byThread = (block + layout.byThread) / 2 + site * participants * HELD_FLOATS;
    const bySite = (block + layout.bySite) / 2 + site * MAX_LOCK_SITES * HELD_FLOATS;
    records.push({
      site,
      lockClass: float(SiteFloat.LOCK_CLASS),
      /* Of few acquisitions perhaps none was looked at: those that waited are known all the same. */
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
      wait: {
        count: float(SiteFloat.CONTENDED),
        total: float(SiteFloat.WAIT_TOTAL),
        min: float(SiteFloat.WAIT_MIN),
        max: float(SiteFloat.WAIT_MAX),
        bins: binsAt(words, block + layout.waitBins + site * HISTOGRAM_BINS),
      },
      hold: {
        count: float(SiteFloat.HOLDS),
        total: float(SiteFloat.HOLD_TOTAL),
        min: float(SiteFloat.HOLD_MIN),
        max: float(SiteFloat.HOLD_MAX),
        bins: binsAt(words, block + layout.holdBins + site * HISTOGRAM_BINS),
      },
      byThread: Array.from({ length: participants }, (_, holder) => ({
        thread: holder,
        ...causedAt(byThread + holder * HELD_FLOATS),
      })).filter(({ waits }) => waits > 0),
      bySite: LOCK_SITES.map((_, holder) => ({ site: holder, ...causedAt(bySite + holder * HELD_FLOATS) })).filter(
        ({ waits }) => waits > 0,
      ),
    });
  }
  return records;
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

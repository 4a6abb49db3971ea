/** The schema of a profile file: the fields that tables and differences need. */

import * as v from 'valibot';
import { count, faultOf, isMembers, list, object, oneOf, optional, text, whole } from '../../src/host/file-schema.ts';
import { probeFields } from '../machine/probe-fields.ts';
import type { ProfileFile } from './run.ts';

const pair = v.strictTuple([count, count], 'a bin and its count');
const times = object({ count, total: count, min: count, max: count, bins: list(pair) });
const caused = { waits: count, ns: count, long: count, longNs: count };
const site = object({
  site: count,
  acquisitions: count,
  contended: count,
  triesFailed: count,
  spins: count,
  parks: count,
  notifies: count,
  predecessors: count,
  bounces: count,
  longWaits: count,
  longHolds: count,
  wait: times,
  hold: times,
  byThread: list(object({ thread: whole, ...caused })),
  bySite: list(object({ site: whole, ...caused })),
});
const bucketNumbers = {
  entries: list(count),
  lines: list(count),
  displaced: list(count),
  acquisitions: list(count),
  contended: list(count),
  waitNs: list(count),
};
const file = object({
  what: text,
  machine: optional(object(probeFields)),
  durationMs: count,
  profile: object({
    sites: list(object({ name: text, lock: text })),
    threads: list(object({ thread: whole, role: oneOf('thread', 'pmd', 'sweeper'), sites: list(site) })),
    buckets: optional(object(bucketNumbers)),
  }),
});

/** @returns the first error, or undefined */
export function profileFault(content: unknown): string | undefined {
  if (!isMembers(content) || content['format'] !== 'ct-bucket profile') {
    return 'its format is not "ct-bucket profile"';
  }
  const fault = faultOf(content, file);
  if (fault !== undefined) {
    return fault;
  }
  const { profile } = content as unknown as ProfileFile;
  const { sites, threads, buckets } = profile;
  const isKnown = threads.every((thread) => thread.sites.every((each) => sites[each.site] !== undefined));
  if (!isKnown) {
    return `a record is of a site that is not among its ${sites.length}`;
  }
  const lengths = new Set(
    buckets === undefined ? [] : Object.keys(bucketNumbers).map((name) => lengthOf(buckets, name)),
  );
  return lengths.size > 1 ? 'its lists of buckets differ in length' : undefined;
}

function lengthOf(buckets: object, name: string): number {
  return (buckets as Record<string, unknown[]>)[name]!.length;
}

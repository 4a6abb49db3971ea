/**
 * The three tables of the review, to be held against each other. All share records, index, locks and protocol; they differ
 * in how the table is locked, and in how what has expired is found:
 *
 *   ct-bucket   ours: many buckets, each with a lock; no lists, the sweeper walks the buckets
 *   baseline    Open vSwitch as the review measured it: one table under one global lock, and lists of connections by
 *               timeout, in order of expiry, so that every packet moves its connection to the end of a list under that
 *               lock (baseline.ts)
 *   ct-scale    one table; the global lock is taken for linking and unlinking only, expiry is a word of the record, and
 *               connections get to the sweeper's lists through queues of many producers (ct-scale.ts)
 *
 * The one table of the last two is a bucket table with one bucket: its lock is the global one.
 */

import { shown, UsageError } from '../errors.ts';

export const ENGINES = ['ct-bucket', 'baseline', 'ct-scale'] as const;
export type EngineName = (typeof ENGINES)[number];

/** As the packet path tests it: one field, compared with a constant. */
export const Engine = { BUCKET: 0, BASELINE: 1, SCALE: 2 } as const;

/** @returns an Engine. @throws UsageError if there is none of that name */
export function engineNumber(name: EngineName): number {
  const number = ENGINES.indexOf(name);
  if (number < 0) {
    throw new UsageError(`engine must be one of ${ENGINES.join(', ')}, not ${shown(name)}`);
  }
  return number;
}

/**
 * The engines by name: the three tables of the review, to be held against each other. All share records, index, locks and
 * protocol; they differ in how the table is locked, and in how what has expired is found:
 *
 *   ct-bucket   ours: many buckets, each with a lock; no lists, the sweeper walks the buckets (bucket-sweep/)
 *   baseline    Open vSwitch as the review measured it: one table under one global lock, and lists of connections by
 *               timeout, in order of expiry, so that every packet moves its connection to the end of a list under that
 *               lock (expiration-lists/)
 *   ct-scale    one table; the global lock is taken for linking and unlinking only, expiry is a word of the record, and
 *               connections get to the sweeper's lists through queues of many producers (queues/)
 *
 * The one table of the last two is a bucket table with one bucket: its lock is the global one. registry.ts has what stands
 * behind each name.
 */

export const ENGINES = ['ct-bucket', 'baseline', 'ct-scale'] as const;
export type EngineName = 'ct-bucket' | 'baseline' | 'ct-scale';

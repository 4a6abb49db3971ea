/**
 * The engines by name: table implementations to compare. All share records, index, locks and protocol code. They differ in
 * the locks of the table, and in the way the sweeper finds expired connections:
 *
 *   ct-bucket   ours: many buckets, each with a lock; no lists, the sweeper walks the buckets (bucket-sweep/)
 *   baseline    Open vSwitch as the review measured it: one table under one global lock, and lists of connections by
 *               timeout, in order of expiry. Every packet moves its connection to the end of a list, under the global
 *               lock (expiration-lists/)
 *   ct-scale    one table; only linking and unlinking take the global lock. The expiry is a word of the record.
 *               Connections get into the sweeper's lists through multi-producer queues (queues/)
 *   wheel       our buckets; the sweeper has a hierarchical timer wheel instead of the walk (wheel/)
 *   zones       a map and a lock for each zone, as Open vSwitch 3.4 splits its map, and its newer series the lock (zones/)
 *   shards      a table for each PMD. The datapath hands each packet to the PMD of its flow, as VPP does (shards/)
 *
 * The table of baseline and ct-scale is a bucket table with one bucket, whose lock is the global one.
 */

export const ENGINES = ['ct-bucket', 'baseline', 'ct-scale', 'wheel', 'zones', 'shards'] as const;
/** Those that the review compared. */
export const REVIEWED_ENGINES = ['ct-bucket', 'baseline', 'ct-scale'] as const satisfies readonly EngineName[];
export type EngineName = 'ct-bucket' | 'baseline' | 'ct-scale' | 'wheel' | 'zones' | 'shards';

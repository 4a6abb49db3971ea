/** Bounds that several attacks share. */

import type { Bound } from './attack.ts';
import type { Figures } from './figures.ts';

/**
 * Limit of the longest search (index lines) and of the longest chain of fragmented datagrams, if the attacker does not know
 * the key. In a bucket that is three quarters full, runs of 12 lines are rare, and only chance produces one.
 */
const MOST_LINES = 40;
export const MOST_CHAIN = 16;
/** Standard deviations above the mean. A random spread exceeds this less than once in many millions of buckets. */
const DEVIATIONS = 8;

export function searchBound({ longestSearch }: Figures): Bound {
  return { what: 'lines of the longest search', value: longestSearch, limit: MOST_LINES };
}

/** The fullest bucket must be no fuller than random tuples would make it. */
export function bucketBound({ fullestBucket, meanBucket }: Figures): Bound {
  const limit = Math.ceil(meanBucket + DEVIATIONS * Math.sqrt(meanBucket) + DEVIATIONS);
  return { what: 'entries of the fullest bucket', value: fullestBucket, limit };
}

/** The bounds that are broken. */
export function brokenBounds(bounds: readonly Bound[]): Bound[] {
  return bounds.filter(({ value, limit }) => !(value <= limit));
}

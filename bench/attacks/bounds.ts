/** Bounds that several attacks share. */

import type { Bound } from './attack.ts';
import type { Figures } from './figures.ts';

/**
 * The longest search (index lines), and the longest chain of fragments' datagrams, where nobody knows the key. In a bucket that
 * is three quarters full rows of 12 lines are rare, and nothing but chance makes one.
 */
const MOST_LINES = 40;
export const MOST_CHAIN = 16;
/** Standard deviations of a random spread: not once in many millions of buckets. */
const DEVIATIONS = 8;

export function searchBound({ longestSearch }: Figures): Bound {
  return { what: 'lines of the longest search', value: longestSearch, limit: MOST_LINES };
}

/** The fullest bucket, as full as that of random tuples. */
export function bucketBound({ fullestBucket, meanBucket }: Figures): Bound {
  const limit = Math.ceil(meanBucket + DEVIATIONS * Math.sqrt(meanBucket) + DEVIATIONS);
  return { what: 'entries of the fullest bucket', value: fullestBucket, limit };
}

/** Those that are broken. */
export function brokenBounds(bounds: readonly Bound[]): Bound[] {
  return bounds.filter(({ value, limit }) => !(value <= limit));
}

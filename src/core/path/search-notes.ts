/** What the last search under a lock has met besides its match (findConnLocked in lookup.ts). */

/** Stale records that one search remembers for removal afterwards. */
const MAX_STALE = 8;

export class SearchNotes {
  /** Stale records; the first `staleCount`. */
  readonly stale: Int32Array = new Int32Array(MAX_STALE);
  staleCount = 0;
  /** Connections of other keys, not dead, under the same hash. */
  othersMet = 0;
}

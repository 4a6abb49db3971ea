/** What the last search under a lock met besides its match (findConnLocked in lookup.ts). */

/** Stale records that one search notes for removal afterwards. The sweeper finds the rest. */
const MAX_STALE = 8;

export class SearchNotes {
  /** Stale records; the first `staleCount`. */
  readonly stale: Int32Array = new Int32Array(MAX_STALE);
  staleCount = 0;
  /** Connections under the same hash that have other keys and are not dead. */
  othersMet = 0;
}

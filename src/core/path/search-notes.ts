/** What the last search under a lock met besides its match (findConnLocked in lookup.ts). */

/** Stale records that one search notes for removal afterwards. The sweeper finds the rest. */
const MAX_STALE = 8;

export class SearchNotes {
  /** Stale records; the first NoteWord.STALE_COUNT. */
  readonly stale: Int32Array = new Int32Array(MAX_STALE);
}

/**
 * The earliest expiry of an index line. The sweeper visits a line only if one of its connections may have expired or was killed.
 * At the end of a visit it writes the time of the next one.
 *
 *   EXPIRY_UNKNOWN (0)     the sweeper must visit the line
 *   odd                    a sweeper is visiting the line; this is its token
 *   any other value        low 32 bits of ms: nothing in the line expires before this time
 *
 *                        an entry was placed, or expires earlier than the word says
 *              +-----------------------------------------------------------------------+
 *              v                                      |                                |
 *        EXPIRY_UNKNOWN ------ beginVisit ------> token ------ endVisit ------> earliest expiry
 *                                                     ^                                |
 *                                                     +---------- beginVisit ----------+  (once that time has come)
 *
 * The word may be too early, never too late. Three writers set it to EXPIRY_UNKNOWN:
 *   - a thread that places an entry, under the bucket's lock
 *   - a thread that shortens an expiry or kills a connection (BucketIndex.requestVisit)
 *   - the prefetch stage, by a plain write at any time (BucketIndex.prefetchForWrite)
 *
 * `beginVisit` writes the sweeper's token before it reads any slot. `endVisit` replaces the token by the time, only if the token
 * still stands there. If a thread held the bucket's lock when the token was written, it may be placing an entry: then `endVisit`
 * writes nothing. A thread that takes the lock later writes EXPIRY_UNKNOWN later, over the token or over the time.
 */

import { compareExchange, load, peek, store, type Words } from '../../shared/access.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import { EARLIEST_EXPIRY } from './bucket-layout.ts';

/** The sweeper must visit the line. */
export const EXPIRY_UNKNOWN = 0;

/** Written for a time that would read as EXPIRY_UNKNOWN: 2 ms earlier. */
const IN_PLACE_OF_UNKNOWN = -2;

/** @param lock word index of the bucket's lock; @param line word index; @returns a token for endVisit */
export function beginVisit(words: Words, lock: number, line: number, participant: Participant): number {
  const token = participant.lockTag | 1;
  store(words, line + EARLIEST_EXPIRY, token);
  return load(words, lock) === 0 ? token : EXPIRY_UNKNOWN;
}

/** @param earliest low 32 bits of ms: the earliest expiry of the connections in the line */
export function endVisit(words: Words, line: number, token: number, earliest: number): void {
  if (token !== EXPIRY_UNKNOWN) {
    const time = (earliest & ~1) === EXPIRY_UNKNOWN ? IN_PLACE_OF_UNKNOWN : earliest & ~1;
    compareExchange(words, line + EARLIEST_EXPIRY, token, time);
  }
}

/** May a connection in the line at word `line` have expired? A line that a sweeper is visiting counts as well. */
export function mayHaveExpired(words: Words, line: number, now: number): boolean {
  const earliest = peek(words, line + EARLIEST_EXPIRY);
  return earliest === EXPIRY_UNKNOWN || (earliest & 1) !== 0 || ((now - earliest) | 0) >= 0;
}

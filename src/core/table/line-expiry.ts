/**
 * The due time of an index line. A sweeper looks at a line only when something of it may have expired: whoever looks leaves the
 * time at which that will be.
 *
 *   LOOK (0)     to be looked at
 *   odd          the token of a sweeper that is looking
 *   else         low 32 bits of ms: before this time nothing of the line has to be swept
 *
 *                    placed in the line, or to expire earlier than thought
 *          +-----------------------------------------------------------------+
 *          v                                  |                              |
 *        LOOK ------- beginLook ---------> token ------- endLook ---------> due
 *          |                                  ^                              |
 *          |                                  +---------- beginLook ---------+  (when it is due)
 *
 * What is placed in the line later is written under the bucket's lock, and makes it LOOK again; so does what is to expire earlier
 * than its last packet said (BucketTable.lookAgain), and a plain LOOK by anyone at any time (BucketTable.prefetchForWrite).
 *
 * `beginLook` marks the line with a token of the thread's own before any slot is read. `endLook` writes the time only if the token
 * still stands there, and no one was about to place something when it was written: whoever took the lock later writes LOOK later.
 */

import { compareExchange, load, peek, store, type Words } from '../../shared/access.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import { LINE_DUE } from './bucket-layout.ts';

/** The line is to be looked at. */
export const LOOK = 0;

/** In place of a due time that would read as LOOK. */
const NOT_LOOK = -2;

/** @param lock word index of the bucket's lock; @param line word index; @returns a token for endLook */
export function beginLook(words: Words, lock: number, line: number, participant: Participant): number {
  const token = participant.lockTag | 1;
  store(words, line + LINE_DUE, token);
  return load(words, lock) === 0 ? token : LOOK;
}

/** @param due low 32 bits of ms: the first expiry of what stands in the line */
export function endLook(words: Words, line: number, token: number, due: number): void {
  if (token !== LOOK) {
    compareExchange(words, line + LINE_DUE, token, (due & ~1) === LOOK ? NOT_LOOK : due & ~1);
  }
}

/** May something of the line at word `line` have expired? */
export function isDue(words: Words, line: number, now: number): boolean {
  const due = peek(words, line + LINE_DUE);
  return due === LOOK || (due & 1) !== 0 || ((now - due) | 0) >= 0;
}

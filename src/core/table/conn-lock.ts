/**
 * The lock of a connection. There are too many records to search them for a dead thread's locks, so each thread notes
 * the lock that it takes.
 */

import type { Words } from '../../shared/access.ts';
import type { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, unlock } from '../../shared/sync/mutex.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { ConnWord } from './conn.ts';

/** Locks the connection at word `r`. */
export function lockConn(records: Words, r: number, participant: Participant, site: LockSite): void {
  participant.words[participant.base + ParticipantWord.CONNECTION_LOCK] = r + ConnWord.LOCK;
  lock(records, r + ConnWord.LOCK, participant, LockClass.connection, site);
}

export function unlockConn(records: Words, r: number): void {
  unlock(records, r + ConnWord.LOCK);
}

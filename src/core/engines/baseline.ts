/**
 * The engine `baseline`: connections stand in lists by timeout, in order of expiry. The sweeper looks at the first of each
 * list only; for that, every packet that extends a connection moves it to the end of its list, under the global lock,
 * which is the lock of the only bucket.
 *
 * The global lock goes before a connection's lock, so a packet that has moved a TCP connection on gives that up, takes
 * both, and sets the expiry only if nobody has moved the connection on meanwhile: whoever did sets its own.
 */

import { CHECKED, peek, poke } from '../../shared/access.ts';
import { LockSite } from '../../shared/lock-sites.ts';
import { obtain } from '../checks.ts';
import { lockConn, unlockConn } from '../table/conn-lock.ts';
import { ConnWord, isStale, LIFE_FLAGS, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { collectAnywhere, isOutOfOrder } from './disorder.ts';
import { EngineIntent, ExpirationLists, FRONT, LISTS } from './lists.ts';

/** The only bucket. */
const GLOBAL = 0;

function listOf(tracker: Tracker, r: number, timeout: number): number {
  return ExpirationLists.listOf(timeout, tracker.words[r + ConnWord.TIMEOUT_POLICY]!);
}

/** A connection was linked. */
export function listLocked(tracker: Tracker, record: number, timeout: number): void {
  tracker.lists.appendLocked(listOf(tracker, record << UNIT_SHIFT, timeout), record);
}

/** A packet extends a connection. The caller holds no lock. @param state what the packet has left in STATE */
export function moveExpiration(tracker: Tracker, record: number, timeout: number, state: number, now: number): void {
  const { lists, participant, table, words: records } = tracker;
  const r = record << UNIT_SHIFT;
  const expires = (now + tracker.timeouts.timeoutMs(records[r + ConnWord.TIMEOUT_POLICY]!, timeout)) | 0;
  table.lockBucket(GLOBAL, participant, LockSite.globalLock);
  lockConn(records, r, participant, LockSite.update);
  /* Not listed: somebody is removing it. */
  if (lists.isListedLocked(record) && (peek(records, r + ConnWord.LIFE) & LIFE_FLAGS) === 0) {
    if (peek(records, r + ConnWord.STATE) === state) {
      poke(records, r + ConnWord.EXPIRES, expires);
      const list = listOf(tracker, r, timeout);
      lists.intents[lists.intentBase + EngineIntent.MOVE_LIST] = list;
      lists.intents[lists.intentBase + EngineIntent.MOVE_RECORD] = record;
      lists.removeLocked(record);
      lists.appendLocked(list, record);
      lists.intents[lists.intentBase + EngineIntent.MOVE_RECORD] = 0;
    }
  }
  unlockConn(records, r);
  table.unlockBucket(GLOBAL);
}

/** A connection was killed, and stays until the sweeper comes by: let it be the first that it sees. */
export function listFirst(tracker: Tracker, record: number): void {
  const { lists, participant, table } = tracker;
  table.lockBucket(GLOBAL, participant, LockSite.globalLock);
  if (lists.isListedLocked(record)) {
    lists.intents[lists.intentBase + EngineIntent.MOVE_LIST] = FRONT;
    lists.intents[lists.intentBase + EngineIntent.MOVE_RECORD] = record;
    lists.removeLocked(record);
    lists.prependLocked(0, record);
    lists.intents[lists.intentBase + EngineIntent.MOVE_RECORD] = 0;
  }
  table.unlockBucket(GLOBAL);
}

/**
 * The stale ones among the first records of a list, or of all of one that is out of order, into `tracker.sweepFound`; they stay where they are until they are removed.
 * @returns how many
 */
export function collectBaseline(tracker: Tracker, list: number, now: number): number {
  const { lists, participant, sweepFound, table, words } = tracker;
  /* A list that looks empty gets its turn the next time. */
  lists.walk.isWhole = false;
  if (list >= LISTS || lists.firstOf(list) === 0) {
    lists.walk.next = 0;
    return 0;
  }
  if (isOutOfOrder(tracker, list)) {
    lists.walk.isWhole = true;
    return collectAnywhere(tracker, list, now);
  }
  let found = 0;
  table.lockBucket(GLOBAL, participant, LockSite.globalLock);
  let record = lists.firstOf(list);
  while (record !== 0 && found < sweepFound.length && isStale(words, record << UNIT_SHIFT, now)) {
    if (CHECKED) {
      obtain(tracker.checks, record);
    }
    sweepFound[found++] = record;
    record = lists.nextLocked(record);
  }
  table.unlockBucket(GLOBAL);
  return found;
}

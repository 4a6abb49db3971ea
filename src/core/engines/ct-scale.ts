/**
 * The engine `ct-scale`: expiry is a word of the record, which packets write without a lock, as in ct-bucket. The sweeper
 * has lists by timeout, in order of the time at which it has to look at a connection; what comes into them (a
 * new connection, or one whose timeout has become another) is handed over in queues. Where it finds that a connection was
 * extended meanwhile, it puts it where its new time belongs, near the end.
 *
 * Whoever removes a connection leaves the lists alone: the sweeper drops what it finds removed. Since records are used again,
 * a node says which generation was linked, and only that is removed.
 */

import { CHECKED, load, peek, poke, store } from '../../shared/access.ts';
import { LockSite } from '../../shared/lock-sites.ts';
import { LockClass } from '../../shared/lockdep.ts';
import { lock, unlock } from '../../shared/mutex.ts';
import { obtain } from '../checks.ts';
import { ConnWord, isExpired, LIFE_CLEANED, LIFE_FLAGS, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { EngineIntent, ExpirationLists, KINDS, LISTS, LISTS_LOCK, NodeWord } from './lists.ts';
import { dequeueLocked, enqueue } from './queue.ts';

/** Records taken from the queues, or looked at in a list, under one hold of the lock. */
const MOST_LOOKS = 256;

/** A connection was linked: from now on this generation may be removed. */
export function scheduleLinked(tracker: Tracker, record: number, timeout: number): void {
  const { lists, words } = tracker;
  const node = lists.nodeOf(record);
  poke(lists.words, node + NodeWord.KIND, timeout);
  const life = peek(words, (record << UNIT_SHIFT) + ConnWord.LIFE);
  store(lists.words, node + NodeWord.GENERATION, life >>> LIFE_GENERATION_SHIFT);
  enqueue(lists, timeout, record);
  lists.intents[lists.intentBase + EngineIntent.SCHEDULE_RECORD] = 0;
}

/** A connection's timeout has become another one, or it was killed. */
export function reschedule(tracker: Tracker, record: number, timeout: number): void {
  const { lists } = tracker;
  poke(lists.words, lists.nodeOf(record) + NodeWord.KIND, timeout);
  enqueue(lists, timeout, record);
}

/** The sweeper is to look at a connection at once, whose timeout is what it was. */
export function rescheduleAsIs(tracker: Tracker, record: number): void {
  enqueue(tracker.lists, 0, record);
}

/** Is the connection that was linked last in this record still there? */
function isLinked(tracker: Tracker, record: number): boolean {
  const { lists } = tracker;
  const generation = load(lists.words, lists.nodeOf(record) + NodeWord.GENERATION);
  const life = load(tracker.words, (record << UNIT_SHIFT) + ConnWord.LIFE);
  return (life & LIFE_CLEANED) === 0 && life >>> LIFE_GENERATION_SHIFT === generation;
}

/** Puts a linked record where it belongs, or says that it has to go. @returns true: it is stale, and in no list */
function placeLocked(tracker: Tracker, record: number, now: number): boolean {
  const { lists, words } = tracker;
  const r = record << UNIT_SHIFT;
  lists.removeLocked(record);
  const expires = peek(words, r + ConnWord.EXPIRES);
  if ((peek(words, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
    return true;
  }
  const node = lists.nodeOf(record);
  poke(lists.words, node + NodeWord.DUE, expires);
  const kind = peek(lists.words, node + NodeWord.KIND);
  lists.insertByDueLocked(ExpirationLists.listOf(kind, words[r + ConnWord.TIMEOUT_POLICY]!), record);
  return false;
}

/** Steps of a sweep: first the queues, then the lists. */
export const SCALE_STEPS: number = KINDS + LISTS;

/**
 * One hold of the lists' lock: takes records from a queue (step < KINDS) or looks at the first of a list; stale ones go to
 * `tracker.sweepFound`, out of the lists.
 * @returns how many it found, or -1 when there is nothing more to do in this step
 */
export function collectScale(tracker: Tracker, step: number, now: number): number {
  const { lists, participant, sweepFound } = tracker;
  const { intents, intentBase } = lists;
  const list = step - KINDS;
  if (list >= 0 && lists.firstOf(list) === 0) {
    return -1;
  }
  let found = 0;
  let looks = 0;
  lock(lists.words, LISTS_LOCK, participant, LockClass.leaf, LockSite.globalLists);
  while (found < sweepFound.length && looks < MOST_LOOKS) {
    const record = list < 0 ? dequeueLocked(lists, step) : lists.firstOf(list);
    if (record === 0 || (list >= 0 && !isExpired(peek(lists.words, lists.nodeOf(record) + NodeWord.DUE), now))) {
      break;
    }
    looks++;
    intents[intentBase + EngineIntent.MOVE_RECORD] = record;
    if (!isLinked(tracker, record)) {
      lists.removeLocked(record);
    } else if (placeLocked(tracker, record, now)) {
      if (CHECKED) {
        obtain(tracker.checks, record);
      }
      sweepFound[found++] = record;
      intents[intentBase + EngineIntent.SWEEP_LEFT] = found;
    }
    intents[intentBase + EngineIntent.MOVE_RECORD] = 0;
  }
  unlock(lists.words, LISTS_LOCK);
  return found === 0 && looks < MOST_LOOKS ? -1 : found;
}

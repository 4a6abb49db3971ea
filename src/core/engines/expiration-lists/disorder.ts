/**
 * The engine `baseline`, lists that are not in order of expiry: a timeout policy was changed while connections of it live, so that one
 * of a short new time stands behind one of a long old one. The sweeper walks such lists whole, as Open vSwitch walks all of
 * its lists, until it has found them in order again.
 */

import { CHECKED, peek, poke } from '../../../shared/access.ts';
import { LockSite } from '../../../shared/sync/lock-sites.ts';
import { obtain } from '../../table/reference-checks.ts';
import { ConnWord, isExpired, LIFE_FLAGS, UNIT_SHIFT } from '../../table/conn.ts';
import type { ExpiryParts } from '../expiry.ts';
import { ExpirationLists, FIRST_DISORDER, KINDS, NodeWord } from '../lists.ts';

/** The only bucket. */
export const GLOBAL = 0;
/** So many whole walks must find a list in order: a packet may have read the old time before the change, and come late. */
const WALKS = 2;
/**
 * Of a policy with an id: other ids may share its lists, so these may be out of order again at any time. And while a policy
 * changes.
 */
const FOR_EVER = -1;
/** Threads whose clocks differ by this, ms, append a little out of order. */
const CLOCKS_DIFFER_MS = 20;
/** Connections that are looked at before the lock is given back. */
const STEPS = 256;

/** Where a walk through a whole list stands, between two of its steps. */
export class ListWalk {
  /** The last step was one of such a walk. */
  isWhole = false;
  list = 0;
  /** The record to go on with, 0: it is at its end; and when that expires, to know whether it has been moved since. */
  next = 0;
  nextExpires = 0;
  /** What was passed so far is in order, and expires no later than this (low 32 bits of ms). */
  isInOrder = true;
  lastExpires = 0;
}

/** What a walk works with: the engine. */
interface DisorderedLists {
  readonly lists: ExpirationLists;
  readonly walk: ListWalk;
  readonly parts: ExpiryParts;
}

/**
 * Gives a timeout policy other times, or deletes it. Its lists count as out of order from before the change on, so that whoever
 * dies or gives up on the way leaves them walked whole.
 */
export function changeWithDisorder<T>(engine: DisorderedLists, policyId: number, change: () => T): T {
  noteDisorder(engine, policyId, FOR_EVER);
  try {
    return change();
  } finally {
    if (policyId === 0) {
      noteDisorder(engine, policyId, WALKS);
    }
  }
}

function noteDisorder(engine: DisorderedLists, policyId: number, walks: number): void {
  const { lists } = engine;
  const { participant, table } = engine.parts;
  const first = ExpirationLists.listOf(0, policyId);
  table.lockBucket(GLOBAL, participant, LockSite.globalLock);
  for (let list = first; list < first + KINDS; list++) {
    poke(lists.words, FIRST_DISORDER + list, walks);
  }
  table.unlockBucket(GLOBAL);
}

/** Must this list be walked whole? A hint. */
export function isOutOfOrder(engine: DisorderedLists, list: number): boolean {
  return peek(engine.lists.words, FIRST_DISORDER + list) !== 0;
}

/**
 * One step of a walk through a whole list: as the engine's own steps. `walk.next` says where the next one begins. What
 * is moved between two steps ends the walk for this round of the sweep.
 */
export function collectAnywhere(engine: DisorderedLists, list: number, now: number): number {
  const { lists, walk } = engine;
  const { checks, participant, table, words } = engine.parts;
  table.lockBucket(GLOBAL, participant, LockSite.globalLock);
  let record = walk.next;
  if (record === 0 || walk.list !== list) {
    record = lists.firstOf(list);
    walk.list = list;
    walk.isInOrder = true;
    walk.lastExpires = now;
  } else if (
    peek(lists.words, lists.nodeOf(record) + NodeWord.LIST) !== list + 1 ||
    peek(words, (record << UNIT_SHIFT) + ConnWord.EXPIRES) !== walk.nextExpires
  ) {
    walk.isInOrder = false;
    record = 0;
  }
  let found = 0;
  for (let steps = 0; record !== 0 && steps < STEPS && found < lists.found.length; steps++) {
    const r = record << UNIT_SHIFT;
    const expires = peek(words, r + ConnWord.EXPIRES);
    if ((peek(words, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
      if (CHECKED) {
        obtain(checks, record);
      }
      lists.found[found++] = record;
    } else {
      const laterMs = (expires - walk.lastExpires) | 0;
      walk.isInOrder &&= laterMs >= -CLOCKS_DIFFER_MS;
      walk.lastExpires = laterMs > 0 ? expires : walk.lastExpires;
    }
    record = lists.nextLocked(record);
  }
  walk.next = record;
  if (record !== 0) {
    walk.nextExpires = peek(words, (record << UNIT_SHIFT) + ConnWord.EXPIRES);
  } else {
    noteWalk(engine, list, now);
  }
  table.unlockBucket(GLOBAL);
  return found;
}

/**
 * A walk has come to the end of the list. It stays in order only if what is appended from now on does not expire before what
 * stands there.
 */
function noteWalk(engine: DisorderedLists, list: number, now: number): void {
  const { walk } = engine;
  const { words } = engine.lists;
  const left = peek(words, FIRST_DISORDER + list);
  if (left > 0) {
    /* Only lists of policy 0 are ever in order again: of the first KINDS. */
    const nextExpires = (now + engine.parts.timeouts.timeoutMs(0, list)) | 0;
    const isInOrder = walk.isInOrder && ((nextExpires - walk.lastExpires) | 0) >= -CLOCKS_DIFFER_MS;
    poke(words, FIRST_DISORDER + list, isInOrder ? left - 1 : WALKS);
  }
}

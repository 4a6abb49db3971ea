/**
 * Lists of the engine `baseline` that are out of order. After a change of a timeout policy, a connection with a short new timeout
 * may stand behind one with a long old timeout. The sweeper walks such a list to its end, as Open vSwitch walks all its lists, until
 * it finds the list in order again.
 */

import { CHECKED, peek, poke } from '../../../shared/access.ts';
import { LockSite } from '../../../shared/sync/lock-sites.ts';
import { obtain } from '../../table/reference-checks.ts';
import { ConnWord, isExpired, LIFE_FLAGS, UNIT_SHIFT } from '../../table/conn.ts';
import type { ExpiryParts } from '../expiry.ts';
import { ExpirationLists, FIRST_DISORDER, KINDS, NodeWord } from '../lists.ts';

/** The only bucket. */
export const GLOBAL = 0;
/**
 * Number of whole walks that must find a list in order. One is not enough: a packet may have read the old timeout
 * before the change, and append its connection afterwards.
 */
const WALKS = 2;
/**
 * Always walk the list whole. For lists of policies other than 0, because other policy ids may share them and disorder
 * them at any time; and for all lists of a policy while it changes.
 */
const FOR_EVER = -1;
/** Clocks of threads may differ by this much, ms, so appended connections may be out of order by as much. */
const CLOCKS_DIFFER_MS = 20;
/** Connections to read before the lock is released. */
const STEPS = 256;

/** The position of a whole walk between two of its steps. */
export class ListWalk {
  /** The last step was part of a whole walk. */
  isWhole = false;
  list = 0;
  /** The next record, 0: at the end. Its expiry tells whether it was moved since. */
  next = 0;
  nextExpires = 0;
  /** The records so far are in order, and expire no later than `lastExpires` (low 32 bits of ms). */
  isInOrder = true;
  lastExpires = 0;
}

/** The part of the engine that a walk uses. */
interface DisorderedLists {
  readonly lists: ExpirationLists;
  readonly walk: ListWalk;
  readonly parts: ExpiryParts;
}

/**
 * Changes or deletes a timeout policy. Its lists count as out of order before the change begins. So if the thread dies
 * or gives up in between, they are still walked whole.
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

/** Must the sweeper walk this list whole? A hint. */
export function isOutOfOrder(engine: DisorderedLists, list: number): boolean {
  return peek(engine.lists.words, FIRST_DISORDER + list) !== 0;
}

/**
 * One step of a whole walk, as a step of the engine. `walk.next` is where the next step begins. If that record is moved
 * between two steps, the walk ends for this round of the sweep.
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
 * Counts a walk that reached the end of the list. The list stays in order only if a connection appended from now on
 * expires no earlier than those in the list.
 */
function noteWalk(engine: DisorderedLists, list: number, now: number): void {
  const { walk } = engine;
  const { words } = engine.lists;
  const left = peek(words, FIRST_DISORDER + list);
  if (left > 0) {
    /* Only lists of policy 0 ever count as in order again: the first KINDS lists. */
    const nextExpires = (now + engine.parts.timeouts.timeoutMs(0, list)) | 0;
    const isInOrder = walk.isInOrder && ((nextExpires - walk.lastExpires) | 0) >= -CLOCKS_DIFFER_MS;
    poke(words, FIRST_DISORDER + list, isInOrder ? left - 1 : WALKS);
  }
}

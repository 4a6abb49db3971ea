/** Lists and queues of the engines `baseline` and `ct-scale` after a participant has died. */

import { store } from '../../shared/access.ts';
import { LockClass } from '../../shared/lockdep.ts';
import { inheritLock, unlock, wakeWaiters } from '../../shared/mutex.ts';
import { metaProtocol } from '../packet/key.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import { firstTimeout } from '../timeouts.ts';
import type { Tracker } from '../tracker.ts';
import { listLocked } from './baseline.ts';
import { rescheduleAsIs, scheduleLinked } from './ct-scale.ts';
import { Engine } from './engine.ts';
import { DEQUEUED, EngineIntent, FRONT, LISTS_LOCK, NodeWord } from './lists.ts';
import { redoAppend } from './queue.ts';

/**
 * baseline: what the dead was doing to the lists under the global lock, which is held if it was the dead's. Before what it was linking
 * or unlinking is looked at.
 */
export function repairBaselineLocked(dead: Tracker): void {
  const { lists } = dead;
  const { intents, intentBase } = lists;
  lists.redoLocked();
  const record = intents[intentBase + EngineIntent.MOVE_RECORD]!;
  if (record !== 0 && !lists.isListedLocked(record)) {
    const list = intents[intentBase + EngineIntent.MOVE_LIST]!;
    if (list === FRONT) {
      lists.prependLocked(0, record);
    } else {
      lists.appendLocked(list, record);
    }
  }
  intents[intentBase + EngineIntent.MOVE_RECORD] = 0;
}

/** baseline: a connection whose linking is finished by the repair stands in a list. */
export function listIfAbsentLocked(dead: Tracker, record: number): void {
  if (!dead.lists.isListedLocked(record)) {
    listLocked(dead, record, firstTimeout(metaProtocol(dead.words[(record << UNIT_SHIFT) + ConnWord.META]!)));
  }
}

/**
 * ct-scale: whatever the dead had between lists and queues is put into a queue, where the next sweep finds it.
 * @returns whether it held the lists' lock
 */
export function repairScale(dead: Tracker): boolean {
  if (dead.engine !== Engine.SCALE) {
    return false;
  }
  const { lists, participant, words } = dead;
  const { intents, intentBase } = lists;
  const heldIt = inheritLock(lists.words, LISTS_LOCK, participant, LockClass.leaf);
  if (heldIt) {
    lists.redoLocked();
    redoAppend(lists);
    unlock(lists.words, LISTS_LOCK);
  }
  wakeWaiters(lists.words, LISTS_LOCK);
  redoAppend(lists);
  const moved = intents[intentBase + EngineIntent.MOVE_RECORD]!;
  if (moved !== 0) {
    if (intents[intentBase + EngineIntent.MOVE_LIST] === DEQUEUED) {
      store(lists.words, lists.nodeOf(moved) + NodeWord.QUEUED, 0);
      intents[intentBase + EngineIntent.MOVE_LIST] = 0;
    }
    rescheduleAsIs(dead, moved);
    intents[intentBase + EngineIntent.MOVE_RECORD] = 0;
  }
  for (let left = intents[intentBase + EngineIntent.SWEEP_LEFT]!; left > 0; left--) {
    rescheduleAsIs(dead, dead.sweepFound[left - 1]!);
    intents[intentBase + EngineIntent.SWEEP_LEFT] = left - 1;
  }
  const linked = intents[intentBase + EngineIntent.SCHEDULE_RECORD]!;
  if (linked !== 0) {
    scheduleLinked(dead, linked, firstTimeout(metaProtocol(words[(linked << UNIT_SHIFT) + ConnWord.META]!)));
  }
  return heldIt;
}

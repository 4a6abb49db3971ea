/**
 * The engine `ct-scale`: the expiry is a word of the record, which packets write without a lock, as in ct-bucket. The sweeper has
 * lists by timeout, in order of the expiry that it knows. New connections, and connections with a changed timeout, reach the sweeper
 * through queues. If a connection at the head was extended meanwhile, the sweeper moves it back to its new position, near the end.
 *
 * A thread that removes a connection does not touch the lists: the sweeper drops removed connections when it meets them. Records
 * are reused, so a node says which generation was linked, and the sweeper removes no other one.
 */

import { CHECKED, load, peek, poke, store } from '../../../shared/access.ts';
import { LockSite } from '../../../shared/sync/lock-sites.ts';
import { LockClass } from '../../../shared/sync/lockdep.ts';
import { inheritLock, lock, unlock, wakeWaiters } from '../../../shared/sync/mutex.ts';
import { ParticipantWord } from '../../../shared/memory/participant.ts';
import { obtain } from '../../table/reference-checks.ts';
import { Counter } from '../../counters.ts';
import { metaProtocol } from '../../packet/key.ts';
import { ConnWord, isExpired, LIFE_CLEANED, LIFE_FLAGS, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../table/conn.ts';
import { firstTimeout } from '../../expiry/timeouts.ts';
import type { ExpiryParts, Remover, SweepCursor } from '../expiry.ts';
import { DEQUEUED, EngineIntent, ExpirationLists, KINDS, LISTS, LISTS_LOCK, NodeWord } from '../lists.ts';
import { WordExpiry } from '../word-expiry.ts';
import { dequeueLocked, enqueue, initialiseQueues, redoAppend } from './queue.ts';

/** Records to take from a queue, or to visit in a list, under one hold of the lock. */
const MAX_VISITS = 256;

/** Steps of a sweep: first the queues, then the lists. */
const STEPS: number = KINDS + LISTS;

export class ListsByQueues extends WordExpiry {
  declare readonly lists: ExpirationLists;
  readonly #parts: ExpiryParts;

  constructor(parts: ExpiryParts) {
    const lists = new ExpirationLists(parts.region, parts.firstUnit, parts.participant);
    const linkedIntent = parts.participant.base + ParticipantWord.ENGINE + EngineIntent.SCHEDULE_RECORD;
    super(parts, { linkedIntent, sweepsAll: false, lists });
    this.#parts = parts;
  }

  override initialise(): void {
    initialiseQueues(this.lists);
  }

  /** From now on the sweeper may remove this generation. */
  override linked(record: number): void {
    const { lists, words } = this;
    const r = record << UNIT_SHIFT;
    const timeout = firstTimeout(metaProtocol(words[r + ConnWord.META]!));
    const node = lists.nodeOf(record);
    poke(lists.words, node + NodeWord.KIND, timeout);
    const life = peek(words, r + ConnWord.LIFE);
    store(lists.words, node + NodeWord.GENERATION, life >>> LIFE_GENERATION_SHIFT);
    enqueue(lists, timeout, record);
    lists.intents[lists.intentBase + EngineIntent.SCHEDULE_RECORD] = 0;
  }

  /** The connection has another timeout now. */
  override changed(record: number, timeout: number): void {
    const { lists } = this;
    poke(lists.words, lists.nodeOf(record) + NodeWord.KIND, timeout);
    enqueue(lists, timeout, record);
  }

  protected override shortened(r: number, timeout: number, _expires: number): void {
    this.changed(r >>> UNIT_SHIFT, timeout);
  }

  /** The sweeper must visit it at once. Its timeout is unchanged. */
  override killed(record: number): void {
    enqueue(this.lists, 0, record);
  }

  override expiredAtJump(record: number, _slot: number): void {
    this.killed(record);
  }

  /** Empties the queues, then removes stale connections from the head of each list. */
  override sweep(cursor: SweepCursor, now: number, endMs: number, remove: Remover): boolean {
    const { intents, intentBase, found } = this.lists;
    while (cursor.step < STEPS) {
      const count = this.#collect(cursor.step, now);
      for (let i = 0; i < count; i++) {
        remove(found[i]!);
      }
      intents[intentBase + EngineIntent.SWEEP_LEFT] = 0;
      this.#parts.counters[Counter.sweepVisited]! += Math.max(0, count);
      if (count < 0) {
        cursor.step++;
      }
      if (performance.now() >= endMs && cursor.step < STEPS) {
        return false;
      }
    }
    cursor.step = 0;
    return true;
  }

  /**
   * One hold of the lists' lock. Takes records from a queue (step < KINDS) or from the head of a list. Stale ones leave
   * the lists and go to `lists.found`.
   * @returns how many it found, or -1 when this step is done
   */
  #collect(step: number, now: number): number {
    const { lists } = this;
    const { checks, participant } = this.#parts;
    const { found, intents, intentBase } = lists;
    const list = step - KINDS;
    if (list >= 0 && lists.firstOf(list) === 0) {
      return -1;
    }
    let count = 0;
    let visits = 0;
    lock(lists.words, LISTS_LOCK, participant, LockClass.leaf, LockSite.globalLists);
    while (count < found.length && visits < MAX_VISITS) {
      const record = list < 0 ? dequeueLocked(lists, step) : lists.firstOf(list);
      if (record === 0 || (list >= 0 && !isExpired(peek(lists.words, lists.nodeOf(record) + NodeWord.EXPIRY), now))) {
        break;
      }
      visits++;
      intents[intentBase + EngineIntent.MOVE_RECORD] = record;
      if (!this.#isLinked(record)) {
        lists.removeLocked(record);
      } else if (this.#placeLocked(record, now)) {
        if (CHECKED) {
          obtain(checks, record);
        }
        found[count++] = record;
        intents[intentBase + EngineIntent.SWEEP_LEFT] = count;
      }
      intents[intentBase + EngineIntent.MOVE_RECORD] = 0;
    }
    unlock(lists.words, LISTS_LOCK);
    return count === 0 && visits < MAX_VISITS ? -1 : count;
  }

  /** Is the connection that was last linked in this record still linked? */
  #isLinked(record: number): boolean {
    const { lists, words } = this;
    const generation = load(lists.words, lists.nodeOf(record) + NodeWord.GENERATION);
    const life = load(words, (record << UNIT_SHIFT) + ConnWord.LIFE);
    return (life & LIFE_CLEANED) === 0 && life >>> LIFE_GENERATION_SHIFT === generation;
  }

  /** Puts a linked record into its list, unless it is stale. @returns true: it is stale, and in no list */
  #placeLocked(record: number, now: number): boolean {
    const { lists, words } = this;
    const r = record << UNIT_SHIFT;
    lists.removeLocked(record);
    const expires = peek(words, r + ConnWord.EXPIRES);
    if ((peek(words, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
      return true;
    }
    const node = lists.nodeOf(record);
    poke(lists.words, node + NodeWord.EXPIRY, expires);
    const kind = peek(lists.words, node + NodeWord.KIND);
    lists.insertByExpiryLocked(ExpirationLists.listOf(kind, words[r + ConnWord.TIMEOUT_POLICY]!), record);
    return false;
  }

  /**
   * Puts every record that the dead thread had between lists and queues into a queue, where the next sweep finds it.
   */
  override repair(): boolean {
    const { lists } = this;
    const { participant } = this.#parts;
    const { intents, intentBase, found } = lists;
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
      this.killed(moved);
      intents[intentBase + EngineIntent.MOVE_RECORD] = 0;
    }
    for (let left = intents[intentBase + EngineIntent.SWEEP_LEFT]!; left > 0; left--) {
      this.killed(found[left - 1]!);
      intents[intentBase + EngineIntent.SWEEP_LEFT] = left - 1;
    }
    const linked = intents[intentBase + EngineIntent.SCHEDULE_RECORD]!;
    if (linked !== 0) {
      this.linked(linked);
    }
    return heldIt;
  }
}

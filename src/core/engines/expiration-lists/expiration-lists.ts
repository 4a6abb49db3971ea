/**
 * The engine `baseline`: connections are in lists by timeout, in order of expiry. The sweeper reads the heads of the lists only. For
 * that, every packet that extends a connection moves it to the end of its list, under the global lock, which is the lock of the only
 * bucket.
 *
 * Lock order: the global lock comes before a connection's lock. So a packet that has updated a TCP connection releases that lock, and
 * takes both. It sets the expiry only if the state is still the one that it wrote. Otherwise another packet has updated the
 * connection meanwhile, and sets its own expiry.
 */

import { CHECKED, peek, poke } from '../../../shared/access.ts';
import { LockSite } from '../../../shared/sync/lock-sites.ts';
import { obtain } from '../../table/reference-checks.ts';
import { Counter } from '../../counters.ts';
import { metaProtocol } from '../../packet/key.ts';
import { lockConn, unlockConn } from '../../table/conn-lock.ts';
import { ConnWord, isStale, LIFE_FLAGS, UNIT_SHIFT } from '../../table/conn.ts';
import { firstTimeout } from '../../expiry/timeouts.ts';
import { type ExpiryParts, ExpiryStrategy, type Remover, type SweepCursor } from '../expiry.ts';
import { EngineIntent, ExpirationLists, FRONT, LISTS } from '../lists.ts';
import { changeWithDisorder, collectAnywhere, GLOBAL, isOutOfOrder, ListWalk } from './disorder.ts';

export class ListsByExpiry extends ExpiryStrategy {
  declare readonly lists: ExpirationLists;
  readonly parts: ExpiryParts;
  /** The calling thread's walk of a list that is out of order. */
  readonly walk: ListWalk = new ListWalk();

  constructor(parts: ExpiryParts) {
    const lists = new ExpirationLists(parts.region, parts.firstUnit, parts.participant);
    /* The order of a list is not strict enough to move the clock's mark by it. */
    super({ linkedIntent: 0, sweepsAll: false, lists });
    this.parts = parts;
  }

  #listOf(r: number, timeout: number): number {
    return ExpirationLists.listOf(timeout, this.parts.words[r + ConnWord.TIMEOUT_POLICY]!);
  }

  override linkedLocked(record: number): void {
    const r = record << UNIT_SHIFT;
    const timeout = firstTimeout(metaProtocol(this.parts.words[r + ConnWord.META]!));
    this.lists.appendLocked(this.#listOf(r, timeout), record);
  }

  override extend(r: number, timeout: number, now: number): void {
    this.extendUnlocked(r, timeout, peek(this.parts.words, r + ConnWord.STATE), now);
  }

  /**
   * The lists' lock comes before the connection's in the lock order, and the caller holds the latter: extendUnlocked
   * does the work.
   */
  override extendLocked(r: number, _timeout: number, _now: number): number {
    return peek(this.parts.words, r + ConnWord.STATE);
  }

  override extendUnlocked(r: number, timeout: number, state: number, now: number): void {
    const { lists } = this;
    const { participant, table, words: records, timeouts } = this.parts;
    const record = r >>> UNIT_SHIFT;
    const expires = (now + timeouts.timeoutMs(records[r + ConnWord.TIMEOUT_POLICY]!, timeout)) | 0;
    table.lockBucket(GLOBAL, participant, LockSite.globalLock);
    lockConn(records, r, participant, LockSite.update);
    /* Not listed: another thread is removing it. */
    if (lists.isListedLocked(record) && (peek(records, r + ConnWord.LIFE) & LIFE_FLAGS) === 0) {
      if (peek(records, r + ConnWord.STATE) === state) {
        poke(records, r + ConnWord.EXPIRES, expires);
        const list = this.#listOf(r, timeout);
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

  /** Moves the connection to the head of list 0, where the sweeper finds it first. */
  override killed(record: number): void {
    const { lists } = this;
    const { participant, table } = this.parts;
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

  override unlinkedLocked(record: number): void {
    this.lists.removeLocked(record);
  }

  /** Nothing to do: the jump has set expired connections to the same time, so the lists keep their order. */
  override expiredAtJump(_record: number, _slot: number): void {}

  override changePolicy<T>(policyId: number, change: () => T): T {
    return changeWithDisorder(this, policyId, change);
  }

  /** Removes stale connections from the head of each list, or anywhere in a list that is out of order. */
  override sweep(cursor: SweepCursor, now: number, endMs: number, remove: Remover): boolean {
    const { walk } = this;
    const { found } = this.lists;
    while (cursor.step < LISTS) {
      const count = this.#collect(cursor.step, now);
      let removed = 0;
      for (let i = 0; i < count; i++) {
        removed += remove(found[i]!) ? 1 : 0;
      }
      this.parts.counters[Counter.sweepVisited]! += count;
      /* Other threads may be removing all of them: do not wait. */
      if (walk.isWhole ? walk.next === 0 : removed === 0) {
        cursor.step++;
      }
      if (performance.now() >= endMs && cursor.step < LISTS) {
        return false;
      }
    }
    cursor.step = 0;
    return true;
  }

  /**
   * Copies stale records to `lists.found`: those at the head of a list, or all of a list that is out of order. They
   * stay in the list until they are removed.
   * @returns how many
   */
  #collect(list: number, now: number): number {
    const { lists, walk } = this;
    const { checks, participant, table, words } = this.parts;
    /* A list that seems empty waits for the next sweep. */
    walk.isWhole = false;
    if (lists.firstOf(list) === 0) {
      walk.next = 0;
      return 0;
    }
    if (isOutOfOrder(this, list)) {
      walk.isWhole = true;
      return collectAnywhere(this, list, now);
    }
    let count = 0;
    table.lockBucket(GLOBAL, participant, LockSite.globalLock);
    let record = lists.firstOf(list);
    while (record !== 0 && count < lists.found.length && isStale(words, record << UNIT_SHIFT, now)) {
      if (CHECKED) {
        obtain(checks, record);
      }
      lists.found[count++] = record;
      record = lists.nextLocked(record);
    }
    table.unlockBucket(GLOBAL);
    return count;
  }

  override repairBucketLocked(): void {
    const { lists } = this;
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

  override repairLinkedLocked(record: number): void {
    if (!this.lists.isListedLocked(record)) {
      this.linkedLocked(record);
    }
  }
}

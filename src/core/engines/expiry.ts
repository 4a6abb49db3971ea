/**
 * The interface between the tracker and its engines. The tracker reports the changes of a connection. The engine makes sure that
 * the sweeper finds the connection after it has expired.
 *
 *   a connection's life   linkedLocked, linked ... extend... and changed ... killed ... unlinkedLocked
 *   the sweeper           sweep; expiredAtJump when the clock has jumped
 *   a repair              repairBucketLocked, repairLinkedLocked, repair
 *
 * A thread creates its strategy once, with its tracker. A process normally uses one engine, so each call has one target: V8 checks
 * the object's class (a load and a compare) and inlines the body. An empty body below costs that check only. If several engines run
 * in one process (tests, comparisons), the check is one of several. The strategy is an object with class methods for that reason: a
 * record of functions would be read and compared at each call.
 *
 * A strategy does not know the tracker. `ExpiryParts` is all that it gets.
 */

import type { Words } from '../../shared/access.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { Checks } from '../table/reference-checks.ts';
import type { BucketTable } from '../table/bucket-table.ts';
import type { TimeoutPolicies } from '../expiry/timeouts.ts';
import type { ExpirationLists } from './lists.ts';

/** The parts of a thread's tracker that a strategy uses. */
export interface ExpiryParts {
  /** The table's shared memory, with the records and the participant's block. */
  readonly words: Words;
  /** The engine's own shared region, EngineKind.regionWords long. */
  readonly region: Words;
  /** The lowest record number that the slab allocates. */
  readonly firstUnit: number;
  readonly participant: Participant;
  readonly maxParticipants: number;
  readonly table: BucketTable;
  readonly timeouts: TimeoutPolicies;
  readonly counters: Float64Array;
  readonly checks: Checks | undefined;
}

/** Removes a connection that has expired or was killed. @returns false: another thread removes it */
export type Remover = (record: number) => boolean;

/** The position of a sweep. */
export class SweepCursor {
  bucket = 0;
  /** The block to which `line` belongs. If the bucket has another block by now, the sweep starts the bucket again. */
  block = 0;
  line = 0;
  /** For engines with lists: the current step. */
  step = 0;
}

/**
 * Not a STATE: nothing is left to do. A constant, so that V8 drops the call of extendUnlocked in engines that always
 * return it.
 */
export const EXTENDED = -1;

export abstract class ExpiryStrategy {
  /**
   * Word index at which noteLinked (finish-links.ts) writes the record that it counts, in the same step. So a repair
   * knows whether `linked` is still to be called. 0: the engine does not need it.
   */
  readonly linkedIntent: number;
  /**
   * True: when a sweep ends, every connection that had expired at its start is removed. Then the sweep may move the
   * clock's mark.
   */
  readonly sweepsAll: boolean;
  /** Only in engines with lists. */
  readonly lists: ExpirationLists | undefined;

  constructor(options: { linkedIntent: number; sweepsAll: boolean; lists: ExpirationLists | undefined }) {
    this.linkedIntent = options.linkedIntent;
    this.sweepsAll = options.sweepsAll;
    this.lists = options.lists;
  }

  /**
   * The thread that allocated the region calls this once, before any other thread maps it.
   * @param prefaultConnections for so many connections no page fault should happen later
   */
  initialise(_prefaultConnections: number): void {}

  /**
   * A record was linked and is about to count. The locks of its buckets are held. Its META, policy and EXPIRES are set.
   */
  linkedLocked(_record: number): void {}

  /** Called after linkedLocked, without locks. */
  linked(_record: number): void {}

  /**
   * A packet gives a new expiry to a connection whose state is one word (not TCP). The caller holds no lock.
   * @param r word index of the connection
   * @param timeout a Timeout
   * @param now low 32 bits of ms
   */
  abstract extend(r: number, timeout: number, now: number): void;

  /**
   * A TCP segment gives its connection a new expiry. The caller holds the connection's lock and has updated the state.
   * @returns EXTENDED, or the STATE to pass to `extendUnlocked`
   */
  abstract extendLocked(r: number, timeout: number, now: number): number;

  /** The rest of `extendLocked`, without locks, for engines that have one. @param state the result of extendLocked */
  extendUnlocked(_r: number, _timeout: number, _state: number, _now: number): void {}

  /** A packet that extends a connection has changed its state. The connection's lock may be held. */
  changed(_record: number, _timeout: number): void {}

  /** A connection was killed and waits for the sweeper: make the sweeper visit it soon. The caller holds no lock. */
  abstract killed(record: number): void;

  /** A removed record was unlinked from the index. The locks of its buckets are held. */
  unlinkedLocked(_record: number): void {}

  /**
   * Continues a sweep, inside an epoch.
   * @param now low 32 bits of ms
   * @param endMs when to pause, as a time of performance.now()
   * @returns true: the sweep is complete, and the cursor is at the start again
   */
  abstract sweep(cursor: SweepCursor, now: number, endMs: number, remove: Remover): boolean;

  /**
   * The clock has jumped past the expiry of the record in this index slot. The record now expires at once (clock.ts).
   */
  abstract expiredAtJump(record: number, slot: number): void;

  /** Changes or deletes a timeout policy by calling `change`. */
  changePolicy<T>(_policyId: number, change: () => T): T {
    return change();
  }

  /**
   * For the repair of the participant of this strategy: finishes changes of lists under a bucket's lock, which is held.
   * Called before the repair looks at links and removals.
   */
  repairBucketLocked(): void {}

  /**
   * The repair finishes the linking of this record, under the locks of its buckets: does the work of `linkedLocked` if
   * it was not done.
   */
  repairLinkedLocked(_record: number): void {}

  /**
   * For the repair: finishes all other changes. No lock is held. @returns whether the dead thread held the engine's own
   * lock
   */
  repair(): boolean {
    return false;
  }
}

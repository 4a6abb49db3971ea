/**
 * What happens to a connection's expiry: the interface between the tracker and its engines. The tracker says what has become of
 * a connection; the engine sees to it that the sweeper finds it when it has expired.
 *
 *   a connection's life   linkedLocked, linked ... extend... and changed ... killed ... unlinkedLocked
 *   the sweeper's turn    sweep; expiredAtJump when the clock has jumped
 *   after a death         repairBucketLocked, repairLinkedLocked, repair
 *
 * A thread makes its strategy once, with its tracker. A process works with one engine, so a call of these methods has one
 * target there: V8 checks the class of the object, a load and a compare, and inlines the body. What an engine leaves to the empty
 * bodies below costs that check and no more. Where several engines run in one process (tests, comparisons) the check is one of
 * three. That is why the strategy is an object with methods of its class, and not a record of functions: those would be read
 * and compared at each call.
 *
 * A strategy does not know the tracker: `ExpiryParts` is all that it gets.
 */

import type { Words } from '../../shared/access.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { Checks } from '../table/reference-checks.ts';
import type { BucketTable } from '../table/bucket-table.ts';
import type { TimeoutPolicies } from '../expiry/timeouts.ts';
import type { ExpirationLists } from './lists.ts';

/** A thread's parts of the tracker that a strategy works with. */
export interface ExpiryParts {
  /** The table's shared memory: records by their word indexes, and the participant's block. */
  readonly words: Words;
  /** The engine's own shared region, of EngineKind.regionWords. */
  readonly region: Words;
  /** The lowest record number that the slab hands out. */
  readonly firstUnit: number;
  readonly participant: Participant;
  readonly table: BucketTable;
  readonly timeouts: TimeoutPolicies;
  readonly counters: Float64Array;
  readonly checks: Checks | undefined;
}

/** Removes a connection that has expired or was killed. @returns false: another thread does so already */
export type Remover = (record: number) => boolean;

/** Where a sweep stands. */
export class SweepCursor {
  bucket = 0;
  /** Block that the line's number belongs to; if the bucket has another by now, it is walked anew. */
  block = 0;
  line = 0;
  /** Of the engines with lists: the step in turn. */
  step = 0;
}

/** No STATE: nothing is left to be done. A constant, so that V8 leaves the second call out where it never comes. */
export const EXTENDED = -1;

export abstract class ExpiryStrategy {
  /**
   * Word index at which noteLinked (linked.ts) writes the record that it counts, in the same step, so that a repair knows
   * whether `linked` is still to come; 0: this engine need not be told.
   */
  readonly linkedIntent: number;
  /** When a sweep ends, all that had expired when it began is gone: the clock's mark may go by it. */
  readonly sweepsAll: boolean;
  /** Of the engines that have lists. */
  readonly lists: ExpirationLists | undefined;

  constructor(options: { linkedIntent: number; sweepsAll: boolean; lists: ExpirationLists | undefined }) {
    this.linkedIntent = options.linkedIntent;
    this.sweepsAll = options.sweepsAll;
    this.lists = options.lists;
  }

  /** Once, by whoever made the region, before any other thread maps it. */
  initialise(): void {}

  /** A record was linked, and is about to count; the locks of its buckets are held. Its META, policy and EXPIRES are set. */
  linkedLocked(_record: number): void {}

  /** And after it, without locks. */
  linked(_record: number): void {}

  /**
   * A packet of a connection whose state is one word (not TCP) gives it a new expiry. The caller holds no lock.
   * @param r word index of the connection @param timeout a Timeout @param now low 32 bits of ms
   */
  abstract extend(r: number, timeout: number, now: number): void;

  /**
   * A TCP segment gives its connection a new expiry; the caller holds the connection's lock, and has moved the state on.
   * @returns EXTENDED, or the STATE with which `extendUnlocked` is to go on
   */
  abstract extendLocked(r: number, timeout: number, now: number): number;

  /** The rest of `extendLocked`, without locks, for engines that have one. @param state what extendLocked returned */
  extendUnlocked(_r: number, _timeout: number, _state: number, _now: number): void {}

  /** A packet that extends a connection has made its state another one. May come under the connection's lock. */
  changed(_record: number, _timeout: number): void {}

  /** A connection was killed, and stays until the sweeper comes by: let that be soon. The caller holds no lock. */
  abstract killed(record: number): void;

  /** A removed record is out of the index; the locks of its buckets are held. */
  unlinkedLocked(_record: number): void {}

  /**
   * Goes on with a sweep, inside an epoch.
   * @param now low 32 bits of ms @param endMs when to pause, as a time of performance.now()
   * @returns true: the sweep is at its end, and the cursor at the beginning again
   */
  abstract sweep(cursor: SweepCursor, now: number, endMs: number, remove: Remover): boolean;

  /** The clock has jumped past the expiry of the record in this slot of the index, which now expires at once (clock.ts). */
  abstract expiredAtJump(record: number, slot: number): void;

  /** Gives a timeout policy other times, or deletes it, by calling `change`. */
  changePolicy<T>(_policyId: number, change: () => T): T {
    return change();
  }

  /**
   * After the participant has died that this strategy is of: what it was doing to lists under a bucket's lock, which is held.
   * Before what it was linking or unlinking is looked at.
   */
  repairBucketLocked(): void {}

  /** The linking of this record is finished by the repair, under the locks of its buckets: `linkedLocked` if it has not come. */
  repairLinkedLocked(_record: number): void {}

  /** All else that the dead was in the middle of; no lock is held. @returns whether it held the engine's own lock */
  repair(): boolean {
    return false;
  }
}

/** The face of the library: a handle through which one thread uses a table. The work is done by `Tracker`. */

import { CHECKED } from '../shared/access.ts';
import type { CtAction } from './action.ts';
import { dumpExpectations, type ExpectationEntry } from './alg/dump.ts';
import {
  ATTACH_NAMES,
  type AttachOptions,
  CLOSE_NAMES,
  type CloseOptions,
  type DumpOptions,
  expectBatch,
  expectTime,
  FLUSH_NAMES,
  type FlushOptions,
  flushOptionsOf,
  type Selection,
  selectionOf,
  TIMED_ZONE_NAMES,
  timed,
  type TimedZoneOptions,
  ZONE_NAMES,
  zoneIfGiven,
  type ZoneOptions,
} from './call-options.ts';
import { clockMarkMs, sweptAt, updateClock } from './expiry/clock.ts';
import { ConntrackSettings } from './conntrack-settings.ts';
import { type Counters, countersOfAll, type ParticipantCounters, removalsBySweep, sumOfCounters } from './counters.ts';
import { type ConnEntry, dumpPiece } from './inspect/dump.ts';
import { expectFlag, expectObject, UsageError } from './errors.ts';
import { EventReader } from './events/event-reader.ts';
import { conntrackExecute } from './path/execute.ts';
import { flushPiece, flushTuple } from './lifecycle/flush.ts';
import { dumpFragmentLists, type FragmentListEntry } from './fragments/dump.ts';
import { checkMemory, type TrackerMemory } from './memory/memory.ts';
import type { ConntrackOptions } from './memory/table-options.ts';
import { trackerAt, trackerOfNewTable } from './open-table.ts';
import { expectConditions, expectOptions } from './options/option-names.ts';
import type { PacketBatch } from './packet/batch.ts';
import type { RepairOptions, RepairReport } from './repair/repair.ts';
import { repairInTurn } from './repair/repair-in-turn.ts';
import { type ConnStats, countPiece, emptyStats } from './inspect/stats.ts';
import { walkOf } from './inspect/table-walk.ts';
import { SweepCursor, sweepStep } from './expiry/sweep.ts';
import { type BucketFigures, bucketFigures } from './table/bucket-figures.ts';
import type { Tuple } from './inspect/tuple.ts';
import { expectZone } from './zones/zone.ts';

export type {
  AttachOptions,
  CloseOptions,
  DumpOptions,
  FlushOptions,
  TimedZoneOptions,
  ZoneOptions,
} from './call-options.ts';
export type { ParticipantCounters } from './counters.ts';
export type { BucketFigures } from './table/bucket-figures.ts';

/**
 * `sweep` pauses after this time to read the events that it caused: the ring of this thread would overflow otherwise.
 */
const SWEEP_STEP_MS = 1;

/**
 * A connection tracker.
 *
 * `new Conntrack(options)` creates a table. `Conntrack.attach(memory)` maps a table that another thread created; send
 * its `memory` by postMessage or workerData. Each thread has a handle of its own, and all threads use the table at the
 * same time. Times are in milliseconds. Their origin does not matter, but all threads must use the same one.
 *
 * `execute` is the packet path: it allocates nothing, and no packet makes it throw. All other calls allocate and are
 * meant for other threads.
 *
 * Every call throws a UsageError for wrong arguments and for a closed handle, and a LockTimeoutError if `lockTimeoutMs`
 * is set and exceeded. A call that throws has left its epoch, so it does not delay the reuse of memory.
 */
export class Conntrack extends ConntrackSettings {
  /**
   * @internal Names the datapath that uses this handle. The handle cannot be closed until that datapath has stopped.
   */
  usedBy: string | undefined;
  #events: EventReader | undefined;

  /**
   * Creates a table, or maps the table whose memory is given.
   * @throws UsageError for an option that is unknown or out of range, or when no participant slot is free
   */
  constructor(options: ConntrackOptions | TrackerMemory = {}, slot: AttachOptions = {}) {
    expectObject('the options of a table', options);
    const kept = expectOptions('the options of attach', slot, ATTACH_NAMES);
    super('words' in options ? trackerAt(options, kept) : trackerOfNewTable(options, kept));
  }

  /**
   * Maps, for the calling thread, a table that another thread created.
   * @throws UsageError if `memory` is not the memory of a table, if no participant slot is free, or if the slot is not
   * kept for this token
   */
  static attach(memory: TrackerMemory, options: AttachOptions = {}): Conntrack {
    checkMemory(memory);
    return new Conntrack(memory, options);
  }

  /** The participant slot of the calling thread. After `close`: the slot that it had. */
  get participant(): number {
    return this.tracker.participant.id;
  }

  /**
   * Repairs the table after another thread has died: finishes or undoes what that thread had begun, and releases its
   * locks.
   *
   * The slot of the dead thread is kept for its replacement: pass `participant` and `token` of the report to `attach`.
   * If no other slot is free, any thread may get it. Call again while the report says that the repair is not complete.
   *
   * Be sure that the thread has ended (the 'exit' event of its Worker): a live thread would go on using what the repair
   * has passed on. Where the system can tell (Linux), the repair of a live thread is refused. If two threads repair at
   * once, one of them waits for the other.
   * @param participant the `participant` of the dead thread
   * @param options `keepsSlot`: only the replacement may get the slot
   * @throws UsageError if there is no such participant, or if its thread is known to be alive
   */
  repair(participant: number, given: RepairOptions = {}): RepairReport {
    this.tracker.assertOpen();
    const report = repairInTurn(this.tracker, participant, given);
    this.calls.finish();
    return report;
  }

  /**
   * Releases the participant slot of this thread. Afterwards this handle, and the objects that it returned, refuse
   * every other call. Closing again does nothing. The table lives as long as any thread has its memory.
   * @throws UsageError while a datapath uses the handle
   */
  close(options: CloseOptions = {}): void {
    const given = expectOptions('the options of close', options, CLOSE_NAMES);
    const keepsSlot = expectFlag('keepsSlot', given.keepsSlot);
    if (this.tracker.isClosed) {
      return;
    }
    if (this.usedBy !== undefined) {
      throw new UsageError(`${this.usedBy} uses this handle: stop it first`);
    }
    this.#events?.close();
    this.calls.run(() => this.tracker.close(keepsSlot));
  }

  /**
   * Sends a batch through the tracker, and writes a verdict beside each packet. No packet makes it throw. An invalid
   * time (NaN, infinite, beyond 2^53) is replaced by the time of the previous call.
   * @throws UsageError if the handle is closed or an argument has the wrong type; nothing has happened then
   * @throws LockTimeoutError while an earlier call is unfinished because of `lockTimeoutMs`
   */
  execute(batch: PacketBatch, action: CtAction, nowMs: number): void {
    expectBatch(batch, action, nowMs);
    this.calls.assertFinished();
    const { tracker } = this;
    if (batch.table !== tracker.words) {
      batch.moveTo(tracker.words);
    }
    tracker.enter();
    try {
      conntrackExecute(tracker, batch, action, nowMs);
    } catch (error) {
      if (!CHECKED) {
        this.calls.recover(error);
        tracker.leave();
      }
      throw error;
    }
    tracker.leave();
  }

  /**
   * All unexpired connections, or those of a zone, or those that match a filter, in no particular order. Yields one
   * array for each bucket, or for each thousand connections of a zone. With a zone, its time depends on that zone alone.
   * It stops no other thread: a connection that is created or removed meanwhile may or may not be listed.
   */
  dump(options: DumpOptions): Generator<ConnEntry[], void, void> {
    this.tracker.assertOpen();
    const given = timed(options, FLUSH_NAMES);
    return this.#dump(selectionOf(given), given.nowMs);
  }

  *#dump({ zone, filter }: Selection, nowMs: number): Generator<ConnEntry[], void, void> {
    const walk = walkOf(this.tracker, zone);
    while (!walk.isDone) {
      yield this.calls.runInEpoch(() => dumpPiece(this.tracker, walk, updateClock(this.tracker, nowMs), filter));
    }
  }

  /** The expectations of all zones or of one, in no particular order. At most 65,536. */
  dumpExpectations(options: ZoneOptions = {}): ExpectationEntry[] {
    this.tracker.assertOpen();
    const given = expectConditions('options', options, ZONE_NAMES);
    const zone = zoneIfGiven(given.zone);
    return this.calls.runInEpoch(() => dumpExpectations(this.tracker, zone));
  }

  /**
   * Removes all connections, or those of a zone, or those that match a filter, also expired ones. It removes all only
   * if it is called without an argument: options that are undefined are refused, since a variable may have been
   * forgotten. With a zone, its time depends on that zone alone.
   * @param options.nowMs the time that the events carry; default: the last time that this handle was given
   * @returns the number of connections removed
   */
  flush(...args: [options?: FlushOptions]): number {
    this.tracker.assertOpen();
    const given = flushOptionsOf(args);
    const { zone, filter } = selectionOf(given);
    if (given.nowMs !== undefined) {
      this.tracker.time[0] = expectTime(given.nowMs);
    }
    let removed = 0;
    const walk = walkOf(this.tracker, zone);
    while (!walk.isDone) {
      removed += this.calls.runInEpoch(() => flushPiece(this.tracker, walk, filter));
      this.#collectEvents();
    }
    return removed;
  }

  /** Empties this thread's ring of events, so that a long call does not overflow it. */
  #collectEvents(): void {
    if (this.#events?.isOpen === true) {
      this.#events.collect();
    }
  }

  /** Removes the unexpired connection with this tuple, in either direction. @returns whether there was one */
  flushTuple(tuple: Tuple, options: TimedZoneOptions): boolean {
    this.tracker.assertOpen();
    const { zone = 0, nowMs } = timed(options, TIMED_ZONE_NAMES);
    expectZone('a zone', zone);
    return this.calls.runInEpoch(() => flushTuple(this.tracker, tuple, zone, updateClock(this.tracker, nowMs)));
  }

  /** Removes all dead and expired connections. @returns their number. See also the sweeper worker */
  sweep(nowMs: number): number {
    this.tracker.assertOpen();
    expectTime(nowMs);
    const before = this.tracker.counters.slice();
    const cursor = new SweepCursor();
    const markMs = clockMarkMs(this.tracker);
    let isDone = false;
    while (!isDone) {
      isDone = this.calls.runInEpoch(() =>
        sweepStep(this.tracker, cursor, updateClock(this.tracker, nowMs), SWEEP_STEP_MS),
      );
      this.#collectEvents();
    }
    this.calls.run(() => sweptAt(this.tracker, nowMs, markMs));
    return removalsBySweep(before, this.tracker.counters);
  }

  /**
   * Connections in the table, including expired ones that are not removed yet. Exact while no thread creates or removes
   * any. A thread that is creating connections may count up to 32 too many until its batch ends.
   */
  get connCount(): number {
    this.tracker.assertOpen();
    return this.tracker.quota.pools.used(this.tracker.quota.pool);
  }

  /** Sums of the counters of all threads (counters.ts explains each). They may lag behind by a few stores. */
  counters(): Counters {
    this.tracker.assertOpen();
    return sumOfCounters(this.tracker.participants);
  }

  /** Counters by participant, for every participant slot that has counted something. */
  participantCounters(): ParticipantCounters[] {
    this.tracker.assertOpen();
    return countersOfAll(this.tracker.participants);
  }

  /** The number of unexpired connections by protocol, TCP state and bucket: `ct-stats-show` and `ct-bkts`. */
  stats(options: TimedZoneOptions): ConnStats {
    this.tracker.assertOpen();
    const { zone: given, nowMs } = timed(options, TIMED_ZONE_NAMES);
    const zone = zoneIfGiven(given);
    const stats = emptyStats(this.tracker.table.bucketCount);
    const walk = walkOf(this.tracker, zone);
    while (!walk.isDone) {
      this.calls.runInEpoch(() => countPiece(this.tracker, stats, walk, updateClock(this.tracker, nowMs)));
    }
    return stats;
  }

  /**
   * Enables events in all threads, until the returned reader is closed.
   * @throws UsageError if the table has a reader already
   */
  events(): EventReader {
    this.tracker.assertOpen();
    this.#events = new EventReader(this.tracker);
    return this.#events;
  }

  /** The datagrams of which fragments are held: what `ipf-get-status -m` lists. */
  fragmentLists(): FragmentListEntry[] {
    this.tracker.assertOpen();
    return this.calls.run(() => dumpFragmentLists(this.tracker.fragments));
  }

  /** The figures of every bucket, by bucket number. */
  buckets(): BucketFigures[] {
    this.tracker.assertOpen();
    const { table } = this.tracker;
    return Array.from({ length: table.bucketCount }, (_, bucket) =>
      this.calls.runInEpoch(() => bucketFigures(table, bucket)),
    );
  }
}

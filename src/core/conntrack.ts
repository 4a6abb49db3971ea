/** The tracker as a library object: one per thread and table, around a Tracker. */

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
  filterOf,
  FLUSH_NAMES,
  type FlushOptions,
  flushOptionsOf,
  keptSlotOf,
  policyIdOf,
  TIMED_ZONE_NAMES,
  timed,
  type TimedZoneOptions,
  ZONE_NAMES,
  zoneIfGiven,
  type ZoneOptions,
} from './call-options.ts';
import { clockMarkMs, sweptAt, updateClock } from './expiry/clock.ts';
import { type Counters, countersOfAll, type ParticipantCounters, removalsBySweep, sumOfCounters } from './counters.ts';
import { dumpBucket, type ConnEntry } from './inspect/dump.ts';
import { expectFlag, expectObject, expectWhole, UsageError } from './errors.ts';
import { EventReader } from './events/event-reader.ts';
import { conntrackExecute } from './path/execute.ts';
import type { ConnFilter } from './inspect/filter.ts';
import { flushBucket, flushTuple } from './lifecycle/flush.ts';
import { dumpFragmentLists, type FragmentListEntry } from './fragments/dump.ts';
import { FragmentSettings } from './fragments/settings.ts';
import { GuardedCalls } from './guarded-calls.ts';
import { allocateMemory, checkMemory, type TrackerMemory } from './memory/memory.ts';
import { CONNTRACK_OPTIONS, type ConntrackOptions, type TableFull } from './memory/table-options.ts';
import { expectConditions, expectOptions } from './options/option-names.ts';
import type { PacketBatch } from './packet/batch.ts';
import type { RepairOptions, RepairReport } from './repair/repair.ts';
import { repairInTurn } from './repair/repair-in-turn.ts';
import { type ConnStats, countBucket, emptyStats } from './inspect/stats.ts';
import { SweepCursor, sweepStep } from './expiry/sweep.ts';
import { type BucketFigures, bucketFigures } from './table/bucket-figures.ts';
import { TableSettings } from './table-settings.ts';
import type { TimeoutPolicy } from './expiry/timeouts.ts';
import { Tracker } from './tracker.ts';
import type { Tuple } from './inspect/tuple.ts';
import { expectZone } from './zones/zone.ts';
import type { ZoneLimit } from './zones/zone-limits.ts';

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

/** A sweep of this thread's own comes up for air after this time, to take the events that it caused. */
const SWEEP_STEP_MS = 1;

function trackerAt(memory: TrackerMemory, options: AttachOptions): Tracker {
  checkMemory(memory);
  const place = keptSlotOf(options);
  try {
    return new Tracker(memory, place);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function trackerOfNewTable(options: ConntrackOptions, kept: AttachOptions): Tracker {
  const given = expectOptions('the options of a table', options, CONNTRACK_OPTIONS);
  if (kept.participant !== undefined || kept.token !== undefined) {
    throw new UsageError('a new table has no place to take over: give the memory of the table that was repaired');
  }
  const tracker = new Tracker(allocateMemory(given));
  tracker.initialise(given.prefaultConnections ?? 0);
  new TableSettings(tracker).tableFull = given.tableFull ?? 'refuse';
  return tracker;
}

function expectZoneOrDefault(zone: number | 'default'): number | 'default' {
  return zone === 'default' ? zone : expectZone('a zone', zone);
}

/**
 * A connection tracker.
 *
 * `new Conntrack(options)` makes a table; `Conntrack.attach(memory)` maps one that another thread made (its `memory`
 * goes through postMessage or workerData). Each thread has its own object, and all work on the table at once. Times
 * are milliseconds of any origin, the same for all threads.
 *
 * `execute` is made for the packet path: it allocates nothing, and nothing that a packet holds makes it throw. Everything else
 * allocates and is meant for other threads.
 *
 * Every call throws a UsageError on wrong arguments and on a closed handle, and with `lockTimeoutMs` a LockTimeoutError. Whatever
 * a call throws, it has left its epoch: the memory of what was removed is freed all the same.
 */
export class Conntrack {
  readonly memory: TrackerMemory;
  /** @internal For workers that stay inside an epoch over many batches. */
  readonly tracker: Tracker;
  /** @internal What works on this handle and must be stopped before it can be closed. */
  usedBy: string | undefined;
  readonly #calls: GuardedCalls;
  readonly #settings: TableSettings;
  #events: EventReader | undefined;
  /** Settings and statistics of the reassembly of fragments. */
  readonly fragments: FragmentSettings;

  /**
   * Makes a table; or maps one, given its memory.
   * @throws UsageError on an option that is unknown or out of range, or when there is no place left
   */
  constructor(options: ConntrackOptions | TrackerMemory = {}, place: AttachOptions = {}) {
    expectObject('the options of a table', options);
    const kept = expectOptions('the options of attach', place, ATTACH_NAMES);
    this.tracker = 'words' in options ? trackerAt(options, kept) : trackerOfNewTable(options, kept);
    this.memory = this.tracker.memory;
    this.#calls = new GuardedCalls(this.tracker);
    this.#settings = new TableSettings(this.tracker);
    this.fragments = new FragmentSettings(this.tracker);
  }

  /**
   * Maps a table that was made elsewhere, for the calling thread.
   * @throws UsageError on what is no table's memory, when there is no place left, or when the place is not kept for this token
   */
  static attach(memory: TrackerMemory, options: AttachOptions = {}): Conntrack {
    checkMemory(memory);
    return new Conntrack(memory, options);
  }

  /** The calling thread's place at the table; after `close` the one that it had. */
  get participant(): number {
    return this.tracker.participant.id;
  }

  /**
   * Repairs after another thread of this table that is gone for good: finishes or undoes what it was in the middle of, releases
   * its locks, and keeps its place for the thread that replaces it (`participant` and `token` of the report go to `attach`; where
   * no other place is left, anyone gets it). While the report says that it is not complete, call again. That the thread is gone
   * must be certain (the 'exit' event of its Worker): one that is alive would go on with what is not its own any more. Where the
   * system tells of threads (Linux), a thread that lives is refused. Of two threads that repair at once one waits for the other.
   * @param participant its `participant`
   * @param options `keepsSlot`: nobody but the replacement gets the place
   * @throws UsageError if there is no such place, or its thread lives as far as can be known
   */
  repair(participant: number, given: RepairOptions = {}): RepairReport {
    this.tracker.assertOpen();
    const report = repairInTurn(this.tracker, participant, given);
    this.#calls.finish();
    return report;
  }

  /**
   * Gives the thread's place up. From then on every other call on this handle, and on what it gave out, is refused; closing it
   * again does nothing. The table lives as long as some thread has its memory.
   * @throws UsageError while a datapath works on the handle
   */
  close(options: CloseOptions = {}): void {
    const given = expectOptions('the options of close', options, CLOSE_NAMES);
    const keepsSlot = expectFlag('keepsSlot', given.keepsSlot);
    if (this.tracker.isClosed) {
      return;
    }
    if (this.usedBy !== undefined) {
      throw new UsageError(`${this.usedBy} works on this handle: stop it first`);
    }
    this.#events?.close();
    this.#calls.run(() => this.tracker.close(keepsSlot));
  }

  /**
   * How long a call waits for a lock at most, in ms, before it throws a LockTimeoutError; 0: for ever. For the thread that
   * repairs after all others: while it waits for a lock of a dead one, nobody does. `execute` waits for ever.
   */
  get lockTimeoutMs(): number {
    this.tracker.assertOpen();
    return this.#calls.lockTimeoutMs;
  }

  /** @throws UsageError unless it is a whole number */
  set lockTimeoutMs(ms: number) {
    this.tracker.assertOpen();
    this.#calls.lockTimeoutMs = expectWhole('lockTimeoutMs', ms, 0, 0x7fffffff);
  }

  /**
   * Sends a batch through the tracker; the verdicts stand beside the packets. Nothing in a packet makes it throw. A time that is
   * none (NaN, infinite, beyond 2^53) counts as the time of the call before.
   * @throws UsageError when the handle is closed, or an argument is not what its type says: nothing has happened then
   * @throws LockTimeoutError while what a call before this one had begun is not finished (`lockTimeoutMs`)
   */
  execute(batch: PacketBatch, action: CtAction, nowMs: number): void {
    expectBatch(batch, action, nowMs);
    this.#calls.assertFinished();
    const { tracker } = this;
    if (batch.table !== tracker.words) {
      batch.moveTo(tracker.words);
    }
    tracker.enter();
    try {
      conntrackExecute(tracker, batch, action, nowMs);
    } catch (error) {
      if (!CHECKED) {
        this.#calls.recover(error);
        tracker.leave();
      }
      throw error;
    }
    tracker.leave();
  }

  /**
   * All unexpired connections, or those of a zone, or those that satisfy a filter, in no particular order. Reads bucket
   * by bucket without stopping anybody; what is created or removed meanwhile may or may not be there. Yields one array
   * per bucket.
   */
  dump(options: DumpOptions): Generator<ConnEntry[], void, void> {
    this.tracker.assertOpen();
    const given = timed(options, FLUSH_NAMES);
    return this.#dump(filterOf(given), given.nowMs);
  }

  *#dump(filter: ConnFilter, nowMs: number): Generator<ConnEntry[], void, void> {
    for (let bucket = 0; bucket < this.tracker.table.bucketCount; bucket++) {
      yield this.#calls.runInEpoch(() => dumpBucket(this.tracker, bucket, updateClock(this.tracker, nowMs), filter));
    }
  }

  /** The connections that helpers expect, of all zones or one, in no particular order. At most 65,536. */
  dumpExpectations(options: ZoneOptions = {}): ExpectationEntry[] {
    this.tracker.assertOpen();
    const given = expectConditions('options', options, ZONE_NAMES);
    const zone = zoneIfGiven(given.zone);
    return this.#calls.runInEpoch(() => dumpExpectations(this.tracker, zone));
  }

  /**
   * Removes all connections, or those of a zone, or those that satisfy a filter, expired ones included. All only if nothing is
   * given: a variable that was never set is refused.
   * @param options.nowMs the time that events of it bear; default: what this object was told last
   * @returns how many
   */
  flush(...args: [options?: FlushOptions]): number {
    this.tracker.assertOpen();
    const given = flushOptionsOf(args);
    const filter = filterOf(given);
    if (given.nowMs !== undefined) {
      this.tracker.time[0] = expectTime(given.nowMs);
    }
    let removed = 0;
    for (let bucket = 0; bucket < this.tracker.table.bucketCount; bucket++) {
      removed += this.#calls.runInEpoch(() => flushBucket(this.tracker, bucket, filter));
      this.#collectEvents();
    }
    return removed;
  }

  /** Makes room in the rings for the events of what this thread does in one go. */
  #collectEvents(): void {
    if (this.#events?.isOpen === true) {
      this.#events.collect();
    }
  }

  /** Removes the unexpired connection with this tuple in either direction. @returns whether there was one */
  flushTuple(tuple: Tuple, options: TimedZoneOptions): boolean {
    this.tracker.assertOpen();
    const { zone = 0, nowMs } = timed(options, TIMED_ZONE_NAMES);
    expectZone('a zone', zone);
    return this.#calls.runInEpoch(() => flushTuple(this.tracker, tuple, zone, updateClock(this.tracker, nowMs)));
  }

  /** Removes everything that is dead or expired. @returns how many; see also the sweeper worker */
  sweep(nowMs: number): number {
    this.tracker.assertOpen();
    expectTime(nowMs);
    const before = this.tracker.counters.slice();
    const cursor = new SweepCursor();
    const markMs = clockMarkMs(this.tracker);
    let isDone = false;
    while (!isDone) {
      isDone = this.#calls.runInEpoch(() =>
        sweepStep(this.tracker, cursor, updateClock(this.tracker, nowMs), SWEEP_STEP_MS),
      );
      this.#collectEvents();
    }
    this.#calls.run(() => sweptAt(this.tracker, nowMs, markMs));
    return removalsBySweep(before, this.tracker.counters);
  }

  /**
   * Connections held, expired ones that nobody has removed yet included. Exact while nobody opens or removes any; a batch of
   * another thread that opens connections may count for up to 32 of them until it ends.
   */
  get connCount(): number {
    this.tracker.assertOpen();
    return this.tracker.quota.pools.used(this.tracker.quota.pool);
  }

  /** No new connection while connCount has reached it. */
  get maxConnections(): number {
    return this.#settings.maxConnections;
  }

  /** @throws UsageError beyond what the table was made for. */
  set maxConnections(limit: number) {
    this.#settings.maxConnections = limit;
  }

  /** What becomes of a new connection when connCount has reached maxConnections: see ConntrackOptions.tableFull. */
  get tableFull(): TableFull {
    return this.#settings.tableFull;
  }

  /** Takes effect with the next connection, in every thread. @throws UsageError if it is neither. */
  set tableFull(tableFull: TableFull) {
    this.#settings.tableFull = tableFull;
  }

  /** Are TCP sequence numbers checked? */
  get tcpSeqChk(): boolean {
    return this.#settings.tcpSeqChk;
  }

  /** @throws UsageError if it is neither true nor false */
  set tcpSeqChk(isOn: boolean) {
    this.#settings.tcpSeqChk = isOn;
  }

  /** Time between the starts of two sweeps of the sweeper worker. */
  get sweepIntervalMs(): number {
    return this.#settings.sweepIntervalMs;
  }

  set sweepIntervalMs(ms: number) {
    this.#settings.sweepIntervalMs = ms;
  }

  zoneLimit(zone: number | 'default'): ZoneLimit {
    this.tracker.assertOpen();
    return this.tracker.zoneLimits.get(zone);
  }

  setZoneLimit(zone: number | 'default', limit: number): void {
    this.tracker.assertOpen();
    const { zoneLimits, participant } = this.tracker;
    this.#calls.run(() => zoneLimits.set(expectZoneOrDefault(zone), limit, participant));
  }

  /** The default limit, then every zone with a limit of its own: what `ct-get-limits` shows. */
  zoneLimits(): ZoneLimit[] {
    this.tracker.assertOpen();
    return this.tracker.zoneLimits.all();
  }

  deleteZoneLimit(zone: number | 'default'): void {
    this.tracker.assertOpen();
    const { zoneLimits, participant } = this.tracker;
    this.#calls.run(() => zoneLimits.delete(expectZoneOrDefault(zone), participant));
  }

  setTimeoutPolicy(id: number, policy: TimeoutPolicy): void {
    this.tracker.assertOpen();
    const { timeouts, participant } = this.tracker;
    const policyId = policyIdOf(id);
    this.#changePolicy(policyId, () => timeouts.set(policyId, policy, participant));
  }

  /** Seconds by attribute name; undefined: there is no such policy. */
  timeoutPolicy(id: number): TimeoutPolicy | undefined {
    this.tracker.assertOpen();
    return this.tracker.timeouts.get(policyIdOf(id));
  }

  /** All policies that are set. */
  timeoutPolicies(): { id: number; timeouts: TimeoutPolicy }[] {
    this.tracker.assertOpen();
    return this.tracker.timeouts.all();
  }

  /** @returns false if there was none */
  deleteTimeoutPolicy(id: number): boolean {
    this.tracker.assertOpen();
    const { timeouts, participant } = this.tracker;
    const policyId = policyIdOf(id);
    return this.#changePolicy(policyId, () => timeouts.delete(policyId, participant));
  }

  #changePolicy<T>(policyId: number, change: () => T): T {
    return this.#calls.run(() => this.tracker.expiry.changePolicy(policyId, change));
  }

  /**
   * Lets connections that are created in a zone from now on, by a pass that names no timeout policy, use this one. The
   * policy of a pass goes before that of the zone, and that before the default policy (id 0). A connection keeps the
   * policy that it was created with. Id 0 is the same as to delete.
   * @throws UsageError if there is no such policy
   */
  setZoneTimeoutPolicy(zone: number, id: number): void {
    this.tracker.assertOpen();
    const policy = policyIdOf(id);
    expectZone('a zone', zone);
    if (policy !== 0 && this.tracker.timeouts.get(policy) === undefined) {
      throw new UsageError(`there is no timeout policy ${id} for zone ${zone}: set the policy first`);
    }
    this.tracker.zonePolicies.set(zone, policy);
  }

  /** The id of a zone's policy, undefined if it has none. */
  zoneTimeoutPolicy(zone: number): number | undefined {
    this.tracker.assertOpen();
    const id = this.tracker.zonePolicies.get(expectZone('a zone', zone));
    return id === 0 ? undefined : id >>> 0;
  }

  /** @returns false if the zone had none */
  deleteZoneTimeoutPolicy(zone: number): boolean {
    this.tracker.assertOpen();
    return this.tracker.zonePolicies.delete(expectZone('a zone', zone));
  }

  /** All zones that have one. */
  zoneTimeoutPolicies(): { zone: number; id: number }[] {
    this.tracker.assertOpen();
    return Array.from(this.tracker.zonePolicies.all(), ([zone, id]) => ({ zone, id: id >>> 0 }));
  }

  /** Counters of all threads together (counters.ts says what each counts). At most some stores old. */
  counters(): Counters {
    this.tracker.assertOpen();
    return sumOfCounters(this.tracker.participants);
  }

  /** Counters by participant, for all places that a thread has or had and counted something. */
  participantCounters(): ParticipantCounters[] {
    this.tracker.assertOpen();
    return countersOfAll(this.tracker.participants);
  }

  /** How many unexpired connections there are, by protocol, TCP state and bucket: `ct-stats-show` and `ct-bkts`. */
  stats(options: TimedZoneOptions): ConnStats {
    this.tracker.assertOpen();
    const { zone: given, nowMs } = timed(options, TIMED_ZONE_NAMES);
    const zone = zoneIfGiven(given);
    const stats = emptyStats();
    for (let bucket = 0; bucket < this.tracker.table.bucketCount; bucket++) {
      this.#calls.runInEpoch(() =>
        countBucket(this.tracker, stats, { bucket, now: updateClock(this.tracker, nowMs), zone }),
      );
    }
    return stats;
  }

  /**
   * Switches events on, for all threads, and reads them until the reader is closed.
   * @throws UsageError if somebody reads them already
   */
  events(): EventReader {
    this.tracker.assertOpen();
    this.#events = new EventReader(this.tracker);
    return this.#events;
  }

  /** The datagrams whose fragments are held: what `ipf-get-status -m` lists. */
  fragmentLists(): FragmentListEntry[] {
    this.tracker.assertOpen();
    return this.#calls.run(() => dumpFragmentLists(this.tracker.fragments));
  }

  /** Figures of every bucket. */
  buckets(): BucketFigures[] {
    this.tracker.assertOpen();
    const { table } = this.tracker;
    return Array.from({ length: table.bucketCount }, (_, bucket) =>
      this.#calls.runInEpoch(() => bucketFigures(table, bucket)),
    );
  }
}

/** The tracker as a library object: one per thread and table, around a Tracker. */

import { CHECKED, load, notify, store } from '../shared/access.ts';
import { LockTimeoutError } from '../shared/lock-timeout.ts';
import { Claim, claimOf, isClaimed, participantAt } from '../shared/participant.ts';
import { CtAction } from './action.ts';
import { dumpExpectations, type ExpectationEntry } from './alg/dump.ts';
import { clockMarkMs, sweptAt, tellTime } from './clock.ts';
import { COUNTER_NAMES, type Counters, countersOfParticipant, sumOfCounters } from './counters.ts';
import { dumpBucket, type ConnEntry } from './dump.ts';
import { expectFlag, expectObject, expectWhole, shown, UsageError } from './errors.ts';
import { EventReader } from './event-reader.ts';
import { conntrackExecute } from './execute.ts';
import { ConnFilter, type ConnFilterOptions } from './filter.ts';
import { flushBucket, flushTuple } from './flush.ts';
import {
  allocateMemory,
  checkMemory,
  checkTableFull,
  CONNTRACK_OPTIONS,
  SettingWord,
  type ConntrackOptions,
  type TableFull,
  type TrackerMemory,
} from './memory.ts';
import { dumpFragmentLists, type FragmentListEntry } from './fragments/dump.ts';
import { FragmentSettings } from './fragments/settings.ts';
import { expectConditions, expectOptions, type OptionNames } from './option-names.ts';
import { MAX_RETURNED, PacketBatch } from './packet/batch.ts';
import { expectRepair, repairOwn, repairParticipant, type RepairOptions, type RepairReport } from './repair.ts';
import { endRepairTurn, takeRepairTurn } from './repair-turn.ts';
import { isThreadAlive } from './thread-mark.ts';
import { type ConnStats, countBucket, emptyStats } from './stats.ts';
import { SweepCursor, sweepStep } from './sweep.ts';
import { type BucketFigures, bucketFigures } from './table/bucket-figures.ts';
import type { TimeoutPolicy } from './timeouts.ts';
import type { KeptPlace } from './table-handle.ts';
import { Tracker } from './tracker.ts';
import type { Tuple } from './tuple.ts';
import type { ZoneLimit } from './zone-limits.ts';

const MAX_ZONE = 65535;

export type { BucketFigures } from './table/bucket-figures.ts';

/** A sweep of this thread's own comes up for air after this time, to take the events that it caused. */
const SWEEP_STEP_MS = 1;

export interface AttachOptions {
  /** The place to take over, instead of any free one: that of a thread that has died and was repaired after. */
  participant?: number;
  /** The token of the report of that repair: without it nobody takes a place over. */
  token?: number;
}

export interface CloseOptions {
  /** The place stays claimed: for whoever has claimed it for this thread. */
  keepsPlace?: boolean;
}

/** Which connections. */
export interface FlushOptions {
  /** Short for a filter with nothing but a zone. */
  zone?: number;
  filter?: ConnFilter | ConnFilterOptions;
  nowMs?: number;
}

export interface DumpOptions extends FlushOptions {
  nowMs: number;
}

/** A thread's place at the table, with its counters. */
export interface ParticipantCounters {
  participant: number;
  /** A thread has it now. */
  isTaken: boolean;
  counters: Counters;
}

const ATTACH_NAMES: OptionNames<AttachOptions> = { participant: true, token: true };
const CLOSE_NAMES: OptionNames<CloseOptions> = { keepsPlace: true };
const FLUSH_NAMES: OptionNames<DumpOptions> = { zone: true, filter: true, nowMs: true };

interface ZoneOptions {
  zone?: number;
}

interface TimedZoneOptions extends ZoneOptions {
  nowMs: number;
}

const ZONE_NAMES: OptionNames<ZoneOptions> = { zone: true };
const TIMED_ZONE_NAMES: OptionNames<TimedZoneOptions> = { nowMs: true, zone: true };

function trackerAt(memory: TrackerMemory, { participant, token }: AttachOptions): Tracker {
  let place: KeptPlace | undefined;
  if (participant !== undefined || token !== undefined) {
    if (participant === undefined || token === undefined) {
      throw new UsageError('to take a place over, give participant and token of the report of the repair');
    }
    place = { participant, token };
  }
  try {
    return new Tracker(memory, place);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** @throws UsageError also for a condition that is undefined: it would choose every connection */
function conditionsOf(options: FlushOptions): FlushOptions {
  if (options instanceof ConnFilter) {
    throw new UsageError('a filter goes into the options: { filter }');
  }
  return expectConditions<FlushOptions>('options', options, FLUSH_NAMES);
}

function filterOf({ zone, filter }: FlushOptions): ConnFilter {
  if (zone === undefined) {
    return ConnFilter.of(filter);
  }
  const given = ConnFilter.of(filter).options;
  if (given.zone !== undefined && given.zone !== zone) {
    throw new UsageError(`the zone is given twice: ${shown(zone)}, and ${given.zone} in the filter`);
  }
  return new ConnFilter({ ...given, zone: checkZone(zone) });
}

function checkZone(zone: number): number {
  return expectWhole('a zone', zone, 0, MAX_ZONE);
}

function wrongArgument(batch: unknown, action: unknown, nowMs: unknown): UsageError {
  if (!(batch instanceof PacketBatch)) {
    return new UsageError(`a batch must be a PacketBatch, not ${shown(batch)}`);
  }
  if (!(action instanceof CtAction)) {
    return new UsageError(`an action must be a CtAction, not ${shown(action)}`);
  }
  return new UsageError(`nowMs must be a number of milliseconds, not ${shown(nowMs)}`);
}

/** Is this the number of a place that is not the caller's own? */
function isOtherPlace({ participants, participant }: Tracker, id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < participants.maxParticipants && id !== participant.id;
}

/** @throws UsageError for what is no time */
function checkTime(nowMs: number): number {
  if (!Number.isFinite(nowMs)) {
    throw new UsageError(`nowMs must be a number of milliseconds, not ${shown(nowMs)}`);
  }
  return nowMs;
}

/** Conditions with a time, which is missed before a condition is. @throws UsageError */
function timed<Options extends { nowMs: number }>(options: unknown, names: OptionNames<Options>): Options {
  if (options instanceof ConnFilter) {
    throw new UsageError('a filter goes into the options: { filter, nowMs }');
  }
  const given = expectOptions<Options>('options', options, names);
  checkTime(given.nowMs);
  return expectConditions('options', given, names);
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
 * Every call throws a UsageError on wrong arguments and on a closed handle, and with `lockPatienceMs` a LockTimeoutError. Whatever
 * a call throws, it has left its epoch: the memory of what was removed is freed all the same.
 */
export class Conntrack {
  readonly memory: TrackerMemory;
  /** For workers that stay inside an epoch over many batches. */
  readonly tracker: Tracker;
  #lockPatienceMs = 0;
  /** What works on this handle and must be stopped before it can be closed. */
  usedBy: string | undefined;
  /** A call gave up waiting, and what it had begun is not finished yet. */
  #isUnfinished = false;
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
    if ('words' in options) {
      checkMemory(options);
      this.memory = options;
      this.tracker = trackerAt(options, kept);
    } else {
      const given = expectOptions('the options of a table', options, CONNTRACK_OPTIONS);
      if (kept.participant !== undefined || kept.token !== undefined) {
        throw new UsageError('a new table has no place to take over: give the memory of the table that was repaired');
      }
      this.memory = allocateMemory(given);
      this.tracker = new Tracker(this.memory);
      this.tracker.initialise(given.prefaultConnections ?? 0);
      this.tableFull = given.tableFull ?? 'refuse';
    }
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
   * @param options `keepsPlace`: nobody but the replacement gets the place
   * @throws UsageError if there is no such place, or its thread lives as far as can be known
   */
  repair(participant: number, given: RepairOptions = {}): RepairReport {
    this.tracker.assertOpen();
    const options = expectRepair(given);
    const { participants } = this.tracker;
    if (!isOtherPlace(this.tracker, participant)) {
      return repairParticipant(this.tracker, participant, options);
    }
    let report: RepairReport;
    takeRepairTurn(participants, participant, this.participant);
    try {
      this.#assertGone(participant, options);
      report = repairParticipant(this.tracker, participant, options);
    } finally {
      endRepairTurn(participants, participant, this.participant);
    }
    this.#finish();
    return report;
  }

  #assertGone(participant: number, options: RepairOptions): void {
    const { participants } = this.tracker;
    if (
      options.token === undefined &&
      claimOf(participants, participant) === Claim.claimed &&
      isThreadAlive(participantAt(participants, participant))
    ) {
      throw new UsageError(
        `participant ${participant} belongs to a thread that lives: close its handle, or wait until the thread has ended`,
      );
    }
  }

  /**
   * Gives the thread's place up. From then on every other call on this handle, and on what it gave out, is refused; closing it
   * again does nothing. The table lives as long as some thread has its memory.
   * @throws UsageError while a datapath works on the handle
   */
  close(options: CloseOptions = {}): void {
    const given = expectOptions('the options of close', options, CLOSE_NAMES);
    const keepsPlace = expectFlag('keepsPlace', given.keepsPlace);
    if (this.tracker.isClosed) {
      return;
    }
    if (this.usedBy !== undefined) {
      throw new UsageError(`${this.usedBy} works on this handle: stop it first`);
    }
    this.#events?.close();
    this.#patiently(() => this.tracker.close(keepsPlace));
  }

  /**
   * How long a call waits for a lock at most, in ms, before it throws a LockTimeoutError; 0: for ever. For the thread that
   * repairs after all others: while it waits for a lock of a dead one, nobody does. `execute` waits for ever.
   */
  get lockPatienceMs(): number {
    this.tracker.assertOpen();
    return this.#lockPatienceMs;
  }

  /** @throws UsageError unless it is a whole number */
  set lockPatienceMs(ms: number) {
    this.tracker.assertOpen();
    this.#lockPatienceMs = expectWhole('lockPatienceMs', ms, 0, 0x7fffffff);
  }

  #inEpoch<T>(work: () => T): T {
    return this.#patiently(work, { inEpoch: true });
  }

  /** Runs what waits for locks. If it gives up, it is finished as far as possible, and the rest by one of the next calls. */
  #patiently<T>(work: () => T, { inEpoch = false }: { inEpoch?: boolean } = {}): T {
    const { tracker } = this;
    this.#assertFinished();
    tracker.participant.patienceMs = this.#lockPatienceMs;
    try {
      if (inEpoch) {
        tracker.enter();
      }
      const result = work();
      if (inEpoch) {
        tracker.quiesce();
      }
      return result;
    } catch (error) {
      this.#putInOrder(error);
      throw error;
    } finally {
      tracker.participant.patienceMs = 0;
      if (inEpoch) {
        tracker.leave();
      }
    }
  }

  /**
   * After a call that broke off: what it was in the middle of is finished or undone, as if its thread had died there. Wrong
   * arguments are told before anything is begun. A checked process leaves the table as the broken rule was found.
   */
  #putInOrder(error: unknown): void {
    if (error instanceof LockTimeoutError || !(CHECKED || error instanceof UsageError)) {
      this.#isUnfinished = !repairOwn(this.tracker);
    }
  }

  #assertFinished(): void {
    if (!this.#finish()) {
      throw new LockTimeoutError('a thread has still the lock for which a call before this one gave up waiting');
    }
  }

  /** @returns whether nothing is left to finish */
  #finish(): boolean {
    this.tracker.assertOpen();
    if (this.#isUnfinished) {
      this.tracker.enter();
      try {
        this.#isUnfinished = !repairOwn(this.tracker);
      } finally {
        this.tracker.leave();
      }
    }
    return !this.#isUnfinished;
  }

  /**
   * Sends a batch through the tracker; the verdicts stand beside the packets. Nothing in a packet makes it throw. A time that is
   * none (NaN, infinite, beyond 2^53) counts as the time of the call before.
   * @throws UsageError when the handle is closed, or an argument is not what its type says: nothing has happened then
   * @throws LockTimeoutError while what a call before this one had begun is not finished (`lockPatienceMs`)
   */
  execute(batch: PacketBatch, action: CtAction, nowMs: number): void {
    if (!(batch instanceof PacketBatch) || !(action instanceof CtAction) || typeof nowMs !== 'number') {
      throw wrongArgument(batch, action, nowMs);
    }
    const { count } = batch;
    if (typeof count !== 'number' || count >>> 0 !== count || count > MAX_RETURNED) {
      throw new UsageError(`a batch has 0 to ${MAX_RETURNED} packets, not ${shown(count)}`);
    }
    this.#assertFinished();
    const { tracker } = this;
    if (batch.table !== tracker.words) {
      batch.moveTo(tracker.words);
    }
    tracker.enter();
    try {
      conntrackExecute(tracker, batch, action, nowMs);
    } catch (error) {
      if (!CHECKED) {
        this.#putInOrder(error);
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
      yield this.#inEpoch(() => dumpBucket(this.tracker, bucket, tellTime(this.tracker, nowMs), filter));
    }
  }

  /** The connections that helpers expect, of all zones or one, in no particular order. At most 65,536. */
  dumpExpectations(options: ZoneOptions = {}): ExpectationEntry[] {
    this.tracker.assertOpen();
    const given = expectConditions('options', options, ZONE_NAMES);
    const zone = given.zone === undefined ? undefined : checkZone(given.zone);
    return this.#inEpoch(() => dumpExpectations(this.tracker, zone));
  }

  /**
   * Removes all connections, or those of a zone, or those that satisfy a filter, expired ones included. All only if nothing is
   * given: a variable that was never set is refused.
   * @param options.nowMs the time that events of it bear; default: what this object was told last
   * @returns how many
   */
  flush(...args: [options?: FlushOptions]): number {
    this.tracker.assertOpen();
    if (args.length > 1 || (args.length === 1 && args[0] === undefined)) {
      const reason = args.length > 1 ? 'flush has one argument' : 'the options of flush are undefined';
      throw new UsageError(`${reason}: give { zone } or { filter }, or nothing to remove every connection`);
    }
    const [options = {}] = args;
    const given = conditionsOf(options);
    const filter = filterOf(given);
    if (given.nowMs !== undefined) {
      this.tracker.time[0] = checkTime(given.nowMs);
    }
    let removed = 0;
    for (let bucket = 0; bucket < this.tracker.table.bucketCount; bucket++) {
      removed += this.#inEpoch(() => flushBucket(this.tracker, bucket, filter));
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
    checkZone(zone);
    return this.#inEpoch(() => flushTuple(this.tracker, tuple, zone, tellTime(this.tracker, nowMs)));
  }

  /** Removes everything that is dead or expired. @returns how many; see also the sweeper worker */
  sweep(nowMs: number): number {
    this.tracker.assertOpen();
    checkTime(nowMs);
    const before = this.tracker.counters.slice();
    const cursor = new SweepCursor();
    const markMs = clockMarkMs(this.tracker);
    let isDone = false;
    while (!isDone) {
      isDone = this.#inEpoch(() => sweepStep(this.tracker, cursor, tellTime(this.tracker, nowMs), SWEEP_STEP_MS));
      this.#collectEvents();
    }
    this.#patiently(() => sweptAt(this.tracker, nowMs, markMs));
    return COUNTER_NAMES.reduce((removed, name, index) => {
      const isRemoval = name === 'expiredAtSweep' || name === 'killed';
      return isRemoval ? removed + this.tracker.counters[index]! - before[index]! : removed;
    }, 0);
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
    this.tracker.assertOpen();
    return this.tracker.quota.pools.limit(this.tracker.quota.pool);
  }

  /** @throws UsageError beyond what the table was made for. */
  set maxConnections(limit: number) {
    this.tracker.assertOpen();
    const made = this.memory.maxConnections;
    if (!Number.isInteger(limit) || limit < 0 || limit > made) {
      throw new UsageError(
        `maxConnections must be a whole number from 0 to ${made}, for which the table was made, not ${shown(limit)}`,
      );
    }
    this.tracker.quota.pools.setLimit(this.tracker.quota.pool, limit);
  }

  /** What becomes of a new connection when connCount has reached maxConnections: see ConntrackOptions.tableFull. */
  get tableFull(): TableFull {
    this.tracker.assertOpen();
    const isEarlyDrop = load(this.tracker.words, this.tracker.settings + SettingWord.EARLY_DROP) !== 0;
    return isEarlyDrop ? 'early-drop' : 'refuse';
  }

  /** Takes effect with the next connection, in every thread. @throws UsageError if it is neither. */
  set tableFull(tableFull: TableFull) {
    this.tracker.assertOpen();
    const isEarlyDrop = checkTableFull(tableFull) === 'early-drop';
    store(this.tracker.words, this.tracker.settings + SettingWord.EARLY_DROP, isEarlyDrop ? 1 : 0);
  }

  /** Are TCP sequence numbers checked? */
  get tcpSeqChk(): boolean {
    this.tracker.assertOpen();
    return load(this.tracker.words, this.tracker.settings + SettingWord.TCP_SEQ_CHK) !== 0;
  }

  /** @throws UsageError if it is neither true nor false */
  set tcpSeqChk(isOn: boolean) {
    this.tracker.assertOpen();
    expectFlag('tcpSeqChk', isOn);
    store(this.tracker.words, this.tracker.settings + SettingWord.TCP_SEQ_CHK, isOn ? 1 : 0);
  }

  /** Time between the starts of two sweeps of the sweeper worker. */
  get sweepIntervalMs(): number {
    this.tracker.assertOpen();
    return load(this.tracker.words, this.tracker.settings + SettingWord.SWEEP_INTERVAL_MS);
  }

  set sweepIntervalMs(ms: number) {
    this.tracker.assertOpen();
    if (!Number.isInteger(ms) || ms < 1 || ms > 0x7fffffff) {
      throw new UsageError(`the sweep interval must be a whole number of ms from 1 to 2147483647, not ${shown(ms)}`);
    }
    const { words, settings } = this.tracker;
    store(words, settings + SettingWord.SWEEP_INTERVAL_MS, ms);
    /* A sweeper that sleeps out the old interval is to hear of the new one. */
    store(words, settings + SettingWord.PRESSURE, 1);
    notify(words, settings + SettingWord.PRESSURE, 1);
  }

  zoneLimit(zone: number | 'default'): ZoneLimit {
    this.tracker.assertOpen();
    return this.tracker.zoneLimits.get(zone);
  }

  setZoneLimit(zone: number | 'default', limit: number): void {
    this.tracker.assertOpen();
    const { zoneLimits, participant } = this.tracker;
    this.#patiently(() => zoneLimits.set(zone === 'default' ? zone : checkZone(zone), limit, participant));
  }

  /** The default limit, then every zone with a limit of its own: what `ct-get-limits` shows. */
  zoneLimits(): ZoneLimit[] {
    this.tracker.assertOpen();
    const { zoneLimits } = this.tracker;
    const zones = Array.from({ length: MAX_ZONE + 1 }, (_, zone) => zone);
    return [
      zoneLimits.get('default'),
      ...zones.map((zone) => zoneLimits.get(zone)).filter(({ zone }) => zone !== 'default'),
    ];
  }

  deleteZoneLimit(zone: number | 'default'): void {
    this.tracker.assertOpen();
    const { zoneLimits, participant } = this.tracker;
    this.#patiently(() => zoneLimits.delete(zone === 'default' ? zone : checkZone(zone), participant));
  }

  setTimeoutPolicy(id: number, policy: TimeoutPolicy): void {
    this.tracker.assertOpen();
    const { timeouts, participant } = this.tracker;
    const policyId = this.#policyId(id);
    this.#changePolicy(policyId, () => timeouts.set(policyId, policy, participant));
  }

  /** Seconds by attribute name; undefined: there is no such policy. */
  timeoutPolicy(id: number): TimeoutPolicy | undefined {
    this.tracker.assertOpen();
    return this.tracker.timeouts.get(this.#policyId(id));
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
    const policyId = this.#policyId(id);
    return this.#changePolicy(policyId, () => timeouts.delete(policyId, participant));
  }

  #changePolicy<T>(policyId: number, change: () => T): T {
    return this.#patiently(() => this.tracker.expiry.changePolicy(policyId, change));
  }

  /**
   * Lets connections that are created in a zone from now on, by a pass that names no timeout policy, use this one. The
   * policy of a pass goes before that of the zone, and that before the default policy (id 0). A connection keeps the
   * policy that it was created with. Id 0 is the same as to delete.
   * @throws UsageError if there is no such policy
   */
  setZoneTimeoutPolicy(zone: number, id: number): void {
    this.tracker.assertOpen();
    const policy = this.#policyId(id);
    checkZone(zone);
    if (policy !== 0 && this.tracker.timeouts.get(policy) === undefined) {
      throw new UsageError(`there is no timeout policy ${id} for zone ${zone}: set the policy first`);
    }
    this.tracker.zonePolicies.set(zone, policy);
  }

  /** The id of a zone's policy, undefined if it has none. */
  zoneTimeoutPolicy(zone: number): number | undefined {
    this.tracker.assertOpen();
    const id = this.tracker.zonePolicies.get(checkZone(zone));
    return id === 0 ? undefined : id >>> 0;
  }

  /** @returns false if the zone had none */
  deleteZoneTimeoutPolicy(zone: number): boolean {
    this.tracker.assertOpen();
    return this.tracker.zonePolicies.delete(checkZone(zone));
  }

  /** All zones that have one. */
  zoneTimeoutPolicies(): { zone: number; id: number }[] {
    this.tracker.assertOpen();
    return Array.from(this.tracker.zonePolicies.all(), ([zone, id]) => ({ zone, id: id >>> 0 }));
  }

  #policyId(id: number): number {
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) {
      throw new UsageError(`a timeout policy id must be a whole number from 0 to 4294967295, not ${shown(id)}`);
    }
    return id | 0;
  }

  /** Counters of all threads together (counters.ts says what each counts). At most some stores old. */
  counters(): Counters {
    this.tracker.assertOpen();
    return sumOfCounters(this.tracker.participants);
  }

  /** Counters by participant, for all places that a thread has or had and counted something. */
  participantCounters(): ParticipantCounters[] {
    this.tracker.assertOpen();
    const { participants } = this.tracker;
    return Array.from({ length: participants.maxParticipants }, (_, participant) => ({
      participant,
      isTaken: isClaimed(participants, participant),
      counters: countersOfParticipant(participants, participant),
    })).filter(({ isTaken, counters }) => isTaken || Object.values(counters).some((count) => count > 0));
  }

  /** How many unexpired connections there are, by protocol, TCP state and bucket: `ct-stats-show` and `ct-bkts`. */
  stats(options: TimedZoneOptions): ConnStats {
    this.tracker.assertOpen();
    const { zone: given, nowMs } = timed(options, TIMED_ZONE_NAMES);
    const zone = given === undefined ? undefined : checkZone(given);
    const stats = emptyStats();
    for (let bucket = 0; bucket < this.tracker.table.bucketCount; bucket++) {
      this.#inEpoch(() => countBucket(this.tracker, stats, { bucket, now: tellTime(this.tracker, nowMs), zone }));
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
    return this.#patiently(() => dumpFragmentLists(this.tracker.fragments));
  }

  /** Figures of every bucket. */
  buckets(): BucketFigures[] {
    this.tracker.assertOpen();
    const { table } = this.tracker;
    return Array.from({ length: table.bucketCount }, (_, bucket) => this.#inEpoch(() => bucketFigures(table, bucket)));
  }
}

/** The settings of a table, as calls of a handle: limits, timeout policies, lock timeout, fragments. */

import { policyIdOf } from './call-options.ts';
import { expectWhole, UsageError } from './errors.ts';
import type { TimeoutPolicy } from './expiry/timeouts.ts';
import { FragmentSettings } from './fragments/settings.ts';
import { GuardedCalls } from './guarded-calls.ts';
import type { TrackerMemory } from './memory/memory.ts';
import type { TableFull } from './memory/table-options.ts';
import { TableSettings } from './table-settings.ts';
import type { Tracker } from './tracker.ts';
import { expectZone } from './zones/zone.ts';
import type { ZoneLimit } from './zones/zone-limits.ts';

function expectZoneOrDefault(zone: number | 'default'): number | 'default' {
  return zone === 'default' ? zone : expectZone('a zone', zone);
}

/** The part of a `Conntrack` that reads and changes settings. A setting takes effect in all threads. */
export abstract class ConntrackSettings {
  /** The memory of the table, for `Conntrack.attach` in other threads. */
  readonly memory: TrackerMemory;
  /** @internal For workers that stay inside one epoch for many batches. */
  readonly tracker: Tracker;
  /** @internal Runs calls that wait for locks. */
  readonly calls: GuardedCalls;
  /** Settings and statistics of fragment reassembly. */
  readonly fragments: FragmentSettings;
  readonly #settings: TableSettings;

  /** @internal */
  protected constructor(tracker: Tracker) {
    this.tracker = tracker;
    this.memory = tracker.memory;
    this.calls = new GuardedCalls(tracker);
    this.fragments = new FragmentSettings(tracker);
    this.#settings = new TableSettings(tracker);
  }

  /**
   * The longest time that a call waits for a lock, in ms, before it throws a LockTimeoutError. 0: it waits for ever.
   * Set it in the thread that repairs after all others: if that thread waited for the lock of a dead thread, nobody
   * would repair. `execute` always waits for ever.
   */
  get lockTimeoutMs(): number {
    this.tracker.assertOpen();
    return this.calls.lockTimeoutMs;
  }

  /** @throws UsageError unless it is a whole number */
  set lockTimeoutMs(ms: number) {
    this.tracker.assertOpen();
    this.calls.lockTimeoutMs = expectWhole('lockTimeoutMs', ms, 0, 0x7fffffff);
  }

  /** New connections are refused, or evict others, while connCount has reached this limit. */
  get maxConnections(): number {
    return this.#settings.maxConnections;
  }

  /** @throws UsageError above the capacity that the table was created with */
  set maxConnections(limit: number) {
    this.#settings.maxConnections = limit;
  }

  /** What happens to a new connection when connCount has reached maxConnections: see ConntrackOptions.tableFull. */
  get tableFull(): TableFull {
    return this.#settings.tableFull;
  }

  /** Takes effect with the next connection, in every thread. @throws UsageError for any other value */
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

  /** Time between the starts of two sweeps of the sweeper worker, in ms. */
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
    this.calls.run(() => zoneLimits.set(expectZoneOrDefault(zone), limit, participant));
  }

  /** The default limit, then the limit of every zone that has its own: what `ct-get-limits` shows. */
  zoneLimits(): ZoneLimit[] {
    this.tracker.assertOpen();
    return this.tracker.zoneLimits.all();
  }

  deleteZoneLimit(zone: number | 'default'): void {
    this.tracker.assertOpen();
    const { zoneLimits, participant } = this.tracker;
    this.calls.run(() => zoneLimits.delete(expectZoneOrDefault(zone), participant));
  }

  setTimeoutPolicy(id: number, policy: TimeoutPolicy): void {
    this.tracker.assertOpen();
    const { timeouts, participant } = this.tracker;
    const policyId = policyIdOf(id);
    this.#changePolicy(policyId, () => timeouts.set(policyId, policy, participant));
  }

  /** The policy: seconds by attribute name. Undefined if it is not set. */
  timeoutPolicy(id: number): TimeoutPolicy | undefined {
    this.tracker.assertOpen();
    return this.tracker.timeouts.get(policyIdOf(id));
  }

  /** All policies that are set, with their ids. */
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
    return this.calls.run(() => this.tracker.expiry.changePolicy(policyId, change));
  }

  /**
   * Sets the timeout policy of a zone. New connections of the zone use it, unless the pass that creates them names a
   * policy. Without either they use the default policy (id 0). A connection keeps the policy that it was created with.
   * Id 0 is the same as deleteZoneTimeoutPolicy.
   * @throws UsageError if the policy is not set
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

  /** The id of the zone's policy; undefined if it has none. */
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

  /** All zones that have a policy. */
  zoneTimeoutPolicies(): { zone: number; id: number }[] {
    this.tracker.assertOpen();
    return Array.from(this.tracker.zonePolicies.all(), ([zone, id]) => ({ zone, id: id >>> 0 }));
  }
}

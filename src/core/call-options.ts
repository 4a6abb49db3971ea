/** The arguments of the calls of a Conntrack, and their checks. All checks precede any change. */

import { CtAction } from './action.ts';
import { shown, UsageError } from './errors.ts';
import { ConnFilter, type ConnFilterOptions } from './inspect/filter.ts';
import { expectConditions, expectOptions, type OptionNames } from './options/option-names.ts';
import { MAX_RETURNED, PacketBatch } from './packet/batch.ts';
import type { KeptSlot } from './memory/table-handle.ts';
import { expectZone } from './zones/zone.ts';

export interface AttachOptions {
  /** The participant slot to take over, instead of a free one: that of a thread that died and was repaired. */
  participant?: number;
  /** The token from the report of that repair. Without it no thread takes the slot over. */
  token?: number;
}

export interface CloseOptions {
  /** Keep the slot claimed for the thread that reserved it. */
  keepsSlot?: boolean;
}

/** Selects connections. */
export interface FlushOptions {
  /** Short for a filter with only a zone. */
  zone?: number;
  filter?: ConnFilter | ConnFilterOptions;
  nowMs?: number;
}

export interface DumpOptions extends FlushOptions {
  nowMs: number;
}

export interface ZoneOptions {
  zone?: number;
}

export interface TimedZoneOptions extends ZoneOptions {
  nowMs: number;
}

export const ATTACH_NAMES: OptionNames<AttachOptions> = { participant: true, token: true };
export const CLOSE_NAMES: OptionNames<CloseOptions> = { keepsSlot: true };
export const FLUSH_NAMES: OptionNames<DumpOptions> = { zone: true, filter: true, nowMs: true };
export const ZONE_NAMES: OptionNames<ZoneOptions> = { zone: true };
export const TIMED_ZONE_NAMES: OptionNames<TimedZoneOptions> = { nowMs: true, zone: true };

/**
 * The slot that `attach` takes over; undefined: any free one. @throws UsageError if only one of the two options is
 * given
 */
export function keptSlotOf({ participant, token }: AttachOptions): KeptSlot | undefined {
  if (participant === undefined && token === undefined) {
    return undefined;
  }
  if (participant === undefined || token === undefined) {
    throw new UsageError(
      'to take over a participant slot, give both participant and token from the report of the repair',
    );
  }
  return { participant, token };
}

/**
 * The options of a flush: none at all, or conditions.
 * @throws UsageError also for a condition that is undefined: it would select every connection
 */
export function flushOptionsOf(args: [options?: FlushOptions]): FlushOptions {
  if (args.length > 1 || (args.length === 1 && args[0] === undefined)) {
    const reason = args.length > 1 ? 'flush takes one argument' : 'the options of flush are undefined';
    throw new UsageError(`${reason}: give { zone } or { filter }, or nothing to remove every connection`);
  }
  const [options = {}] = args;
  if (options instanceof ConnFilter) {
    throw new UsageError('pass the filter as an option: { filter }');
  }
  return expectConditions<FlushOptions>('options', options, FLUSH_NAMES);
}

/** What a dump lists and a flush removes: the connections of the zone, or of all zones, that match the filter. */
export interface Selection {
  zone: number | undefined;
  /** undefined: all of them match. A filter takes longer to compile than an empty zone to flush. */
  filter: ConnFilter | undefined;
}

/** @throws UsageError when two different zones are given, or the zone is invalid */
export function selectionOf({ zone, filter }: FlushOptions): Selection {
  if (filter === undefined) {
    return { zone: zoneIfGiven(zone), filter: undefined };
  }
  const compiled = ConnFilter.of(filter);
  const { zone: own } = compiled.options;
  if (zone !== undefined && own !== undefined && own !== zone) {
    throw new UsageError(`two zones are given: ${shown(zone)}, and ${own} in the filter: give one`);
  }
  return { zone: zoneIfGiven(zone) ?? own, filter: compiled };
}

/** A zone, or undefined for all zones. @throws UsageError */
export function zoneIfGiven(zone: number | undefined): number | undefined {
  return zone === undefined ? undefined : expectZone('a zone', zone);
}

/** @throws UsageError unless the time is a finite number */
export function expectTime(nowMs: number): number {
  if (!Number.isFinite(nowMs)) {
    throw new UsageError(`nowMs must be a number of milliseconds, not ${shown(nowMs)}`);
  }
  return nowMs;
}

/** Conditions with a time. A missing time is reported before a missing condition. @throws UsageError */
export function timed<Options extends { nowMs: number }>(options: unknown, names: OptionNames<Options>): Options {
  if (options instanceof ConnFilter) {
    throw new UsageError('pass the filter as an option: { filter, nowMs }');
  }
  const given = expectOptions<Options>('options', options, names);
  expectTime(given.nowMs);
  return expectConditions('options', given, names);
}

/**
 * Checks the arguments of `execute`. A time that is no valid number of ms, such as NaN, is left to the clock. @throws
 * UsageError
 */
export function expectBatch(batch: unknown, action: unknown, nowMs: unknown): void {
  if (!(batch instanceof PacketBatch) || !(action instanceof CtAction) || typeof nowMs !== 'number') {
    throw wrongArgument(batch, action, nowMs);
  }
  const { count } = batch;
  if (typeof count !== 'number' || count >>> 0 !== count || count > MAX_RETURNED) {
    throw new UsageError(`a batch has 0 to ${MAX_RETURNED} packets, not ${shown(count)}`);
  }
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

/** @returns the id as a signed word, as the table stores it. @throws UsageError */
export function policyIdOf(id: number): number {
  if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) {
    throw new UsageError(`a timeout policy id must be a whole number from 0 to 4294967295, not ${shown(id)}`);
  }
  return id | 0;
}

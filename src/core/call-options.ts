/** Arguments of the calls of a Conntrack: what they may be, and which are refused before anything is begun. */

import { CtAction } from './action.ts';
import { shown, UsageError } from './errors.ts';
import { ConnFilter, type ConnFilterOptions } from './inspect/filter.ts';
import { expectConditions, expectOptions, type OptionNames } from './options/option-names.ts';
import { MAX_RETURNED, PacketBatch } from './packet/batch.ts';
import type { KeptSlot } from './memory/table-handle.ts';
import { expectZone } from './zones/zone.ts';

export interface AttachOptions {
  /** The place to take over, instead of any free one: that of a thread that has died and was repaired after. */
  participant?: number;
  /** The token of the report of that repair: without it nobody takes a place over. */
  token?: number;
}

export interface CloseOptions {
  /** The place stays claimed: for whoever has claimed it for this thread. */
  keepsSlot?: boolean;
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

/** The place that `attach` is to take over; undefined: any free one. @throws UsageError if half of it is given */
export function keptSlotOf({ participant, token }: AttachOptions): KeptSlot | undefined {
  if (participant === undefined && token === undefined) {
    return undefined;
  }
  if (participant === undefined || token === undefined) {
    throw new UsageError('to take a place over, give participant and token of the report of the repair');
  }
  return { participant, token };
}

/**
 * What a flush is given: nothing at all, or conditions.
 * @throws UsageError also for a condition that is undefined: it would choose every connection
 */
export function flushOptionsOf(args: [options?: FlushOptions]): FlushOptions {
  if (args.length > 1 || (args.length === 1 && args[0] === undefined)) {
    const reason = args.length > 1 ? 'flush has one argument' : 'the options of flush are undefined';
    throw new UsageError(`${reason}: give { zone } or { filter }, or nothing to remove every connection`);
  }
  const [options = {}] = args;
  if (options instanceof ConnFilter) {
    throw new UsageError('a filter goes into the options: { filter }');
  }
  return expectConditions<FlushOptions>('options', options, FLUSH_NAMES);
}

/** @throws UsageError when the zone is given twice and differs, or is none */
export function filterOf({ zone, filter }: FlushOptions): ConnFilter {
  if (zone === undefined) {
    return ConnFilter.of(filter);
  }
  const given = ConnFilter.of(filter).options;
  if (given.zone !== undefined && given.zone !== zone) {
    throw new UsageError(`the zone is given twice: ${shown(zone)}, and ${given.zone} in the filter`);
  }
  return new ConnFilter({ ...given, zone: expectZone('a zone', zone) });
}

/** A zone, or nothing for all of them. @throws UsageError */
export function zoneIfGiven(zone: number | undefined): number | undefined {
  return zone === undefined ? undefined : expectZone('a zone', zone);
}

/** @throws UsageError for what is no time */
export function expectTime(nowMs: number): number {
  if (!Number.isFinite(nowMs)) {
    throw new UsageError(`nowMs must be a number of milliseconds, not ${shown(nowMs)}`);
  }
  return nowMs;
}

/** Conditions with a time, which is missed before a condition is. @throws UsageError */
export function timed<Options extends { nowMs: number }>(options: unknown, names: OptionNames<Options>): Options {
  if (options instanceof ConnFilter) {
    throw new UsageError('a filter goes into the options: { filter, nowMs }');
  }
  const given = expectOptions<Options>('options', options, names);
  expectTime(given.nowMs);
  return expectConditions('options', given, names);
}

/** The arguments of `execute`. A time that is no number of ms, as NaN, is a matter of the clock. @throws UsageError */
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

/** @returns the id as the table has it, a signed word. @throws UsageError */
export function policyIdOf(id: number): number {
  if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) {
    throw new UsageError(`a timeout policy id must be a whole number from 0 to 4294967295, not ${shown(id)}`);
  }
  return id | 0;
}

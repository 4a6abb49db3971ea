/** The tracker behind a handle: on a new table, or on one that another thread created. */

import { type AttachOptions, keptSlotOf } from './call-options.ts';
import { UsageError } from './errors.ts';
import { allocateMemory, checkMemory, type TrackerMemory } from './memory/memory.ts';
import { demandOf, requireMemory } from './memory/memory-demand.ts';
import { CONNTRACK_OPTIONS, type ConntrackOptions } from './memory/table-options.ts';
import { tablePlan } from './memory/table-plan.ts';
import { expectOptions } from './options/option-names.ts';
import { TableSettings } from './table-settings.ts';
import { Tracker } from './tracker.ts';

/** The calling thread's tracker on a table that another thread created. @throws UsageError if no participant slot is free */
export function trackerAt(memory: TrackerMemory, options: AttachOptions): Tracker {
  checkMemory(memory);
  const slot = keptSlotOf(options);
  try {
    return new Tracker(memory, slot);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** A tracker on a new table. @throws UsageError for wrong options, and for options of `attach` */
export function trackerOfNewTable(options: ConntrackOptions, kept: AttachOptions): Tracker {
  const given = expectOptions('the options of a table', options, CONNTRACK_OPTIONS);
  if (kept.participant !== undefined || kept.token !== undefined) {
    throw new UsageError(
      'a new table has no participant slot to take over: pass the memory of the table that was repaired',
    );
  }
  const plan = tablePlan(given);
  requireMemory(demandOf(plan), 'reduce maxConnections or maxParticipants');
  const tracker = new Tracker(allocateMemory(plan));
  tracker.initialise(given.prefaultConnections ?? 0);
  new TableSettings(tracker).tableFull = given.tableFull ?? 'refuse';
  return tracker;
}

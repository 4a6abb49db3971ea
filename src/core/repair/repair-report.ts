/** Options and report of a repair (repair.ts). */

import { expectFlag } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';

/** The longest time that a repair waits for a lock. */
export const WAIT_MS = 2;

/** The result of a repair. */
export interface RepairReport {
  participant: number;
  /**
   * False: another thread holds a lock that the rest of the repair needs. That thread may be dead too. Repair every
   * other participant that is known to be dead, then call again.
   */
  isComplete: boolean;
  /** Locks that the dead thread held. */
  locksReleased: number;
  /** Connections that were linked but not counted yet. The repair counted them. */
  linksFinished: number;
  /** Connections with one of two entries linked. The repair unlinked them. */
  linksUndone: number;
  /** Removals that the dead thread had begun. */
  unlinksFinished: number;
  /** Growths of a bucket's index. */
  growthsFinished: number;
  growthsUndone: number;
  /** Records in flight, and credits of the table's quota. */
  recordsReturned: number;
  quotaReleased: number;
  /** Labels that the dead thread was writing. Each of a label's four words has its old or its new value. */
  labelsTorn: number;
  /** Events that the dead thread did not emit (counted in `eventsLost`). */
  eventsLost: number;
  /** Fragments of complete datagrams that are lost with the dead thread's batch. */
  fragmentsLost: number;
  /** The dead thread read the events. Events are now off. */
  wasEventReader: boolean;
  /**
   * With this token and `participant` the replacement takes the slot over (AttachOptions). The token is good for one
   * thread, and a later repair returns another. 0 while the repair is not complete, and if no thread had the slot.
   */
  token: number;
}

export interface RepairOptions {
  /**
   * Reserve the slot for the thread that will replace the dead one. Default: the slot becomes vacant, and a thread may
   * claim it if no free one is left. Call a repair that was not complete again with the same option.
   */
  keepsSlot?: boolean;
  /**
   * The token with which the dead thread took its slot. The thread that started it knows this token, and guarantees
   * that the thread is gone: the repair then does not ask the system.
   */
  token?: number;
}

const OPTION_NAMES: OptionNames<RepairOptions> = { keepsSlot: true, token: true };

/** @returns a copy of the options. @throws UsageError */
export function expectRepair(given: RepairOptions): RepairOptions {
  const options = expectOptions('the options of repair', given, OPTION_NAMES);
  expectFlag('keepsSlot', options.keepsSlot);
  return options;
}

export function emptyReport(participant: number): RepairReport {
  return {
    participant,
    isComplete: true,
    locksReleased: 0,
    linksFinished: 0,
    linksUndone: 0,
    unlinksFinished: 0,
    growthsFinished: 0,
    growthsUndone: 0,
    recordsReturned: 0,
    quotaReleased: 0,
    labelsTorn: 0,
    eventsLost: 0,
    fragmentsLost: 0,
    wasEventReader: false,
    token: 0,
  };
}

/** Counts a lock if the dead thread held it. */
export function countLock(report: RepairReport, heldIt: boolean): void {
  report.locksReleased += heldIt ? 1 : 0;
}

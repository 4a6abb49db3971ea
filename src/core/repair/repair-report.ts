/** What is asked of a repair, and what it says that it did (repair.ts). */

import { expectFlag } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';

/** Longest wait of a repair for a lock. */
export const WAIT_MS = 2;

/** What a repair found and did. */
export interface RepairReport {
  participant: number;
  /**
   * False: a lock that the rest needs is held by somebody, who may have died as well. Call again, after having repaired after
   * whoever else is known to be dead.
   */
  isComplete: boolean;
  /** Locks that the dead held. */
  locksReleased: number;
  /** Connections that stood in the table and were not counted yet, or stood there half: these are gone. */
  linksFinished: number;
  linksUndone: number;
  /** Removals that were begun. */
  unlinksFinished: number;
  /** Growths of a bucket's index. */
  growthsFinished: number;
  growthsUndone: number;
  /** Records and units of the table's room that were in its hands. */
  recordsReturned: number;
  quotaReleased: number;
  /** Labels of connections that were being written: of what they were and should become, each of four words has one. */
  labelsTorn: number;
  /** Events that are not told (counted in `eventsLost`). */
  eventsLost: number;
  /** Held fragments of datagrams that were complete and are lost with the batch. */
  fragmentsLost: number;
  /** It was the one who read the events: they are switched off. */
  wasEventReader: boolean;
  /**
   * With it and `participant` the replacement takes the place (AttachOptions). It is good for one thread; a later repair gives
   * another. 0 while the repair is not complete, and where no thread had the place.
   */
  token: number;
}

export interface RepairOptions {
  /**
   * The place stays claimed for a thread that will replace the dead one, so that nobody else can get it meanwhile; default:
   * it becomes vacant. A repair that was not complete is asked for again in the same way.
   */
  keepsSlot?: boolean;
  /**
   * The token by which the dead thread took its place. The owner of a thread has it, and answers for its being gone: then nobody
   * asks the system.
   */
  token?: number;
}

const OPTION_NAMES: OptionNames<RepairOptions> = { keepsSlot: true, token: true };

/** @returns the options as a plain copy. @throws UsageError */
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

/** Counts a lock that the dead may have held. */
export function countLock(report: RepairReport, heldIt: boolean): void {
  report.locksReleased += heldIt ? 1 : 0;
}

/** Tables that are larger than the memory of a small machine. They commit only what a test uses. */

import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import { allocateMemory } from '../../src/core/memory/memory.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { tablePlan } from '../../src/core/memory/table-plan.ts';
import { Tracker } from '../../src/core/tracker.ts';

/**
 * A table that need not fit into the machine's memory when it is full. If the system cannot even reserve it, the test is skipped, and says
 * why.
 */
export function largeTable(options: ConntrackOptions, skip: (reason: string) => never): Conntrack {
  try {
    const tracker = new Tracker(allocateMemory(tablePlan(options)));
    tracker.initialise(0);
    tracker.close();
    return Conntrack.attach(tracker.memory);
  } catch (error) {
    if (error instanceof UsageError && error.code === 'ERR_CT_NO_MEMORY') {
      console.log(`skipped: ${error.message}`);
      return skip(error.message);
    }
    throw error;
  }
}

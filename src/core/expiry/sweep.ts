/**
 * The sweep: removes dead and expired connections, in steps of limited time. The engine decides how to find them
 * (engines/).
 */

import { Counter } from '../counters.ts';
import type { SweepCursor } from '../engines/expiry.ts';
import { removeConn } from '../lifecycle/remove.ts';
import type { Tracker } from '../tracker.ts';

export { SweepCursor } from '../engines/expiry.ts';

/**
 * Continues the sweep from the cursor for about `budgetMs`, inside an epoch that the caller has entered.
 * @param now low 32 bits of the clock (updateClock)
 * @returns true at the end of the table; the cursor is then at the start again
 */
export function sweepStep(tracker: Tracker, cursor: SweepCursor, now: number, budgetMs: number): boolean {
  const endMs = performance.now() + budgetMs;
  const remove = (record: number) => removeConn(tracker, record, Counter.expiredAtSweep);
  const isDone = tracker.expiry.sweep(cursor, now, endMs, remove);
  if (isDone) {
    tracker.counters[Counter.sweepRounds]!++;
  }
  return isDone;
}

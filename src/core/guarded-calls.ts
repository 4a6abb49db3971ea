/**
 * How a call of a handle waits, and what becomes of one that breaks off. It waits for locks as long as the handle's lock timeout
 * allows. A call that gives up, or breaks, is finished or undone as if its thread had died there (repairOwn); where that needs a lock
 * of somebody else, one of the next calls does the rest first.
 */

import { CHECKED } from '../shared/access.ts';
import { LockTimeoutError } from '../shared/sync/lock-timeout.ts';
import { UsageError } from './errors.ts';
import { repairOwn } from './repair/repair.ts';
import type { Tracker } from './tracker.ts';

export class GuardedCalls {
  /** How long a call waits for a lock at most, in ms; 0: for ever. */
  lockTimeoutMs = 0;
  readonly #tracker: Tracker;
  /** A call gave up waiting, and what it had begun is not finished yet. */
  #isUnfinished = false;

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  /** As `run`, for what holds references into the table. */
  runInEpoch<T>(work: () => T): T {
    return this.run(work, { inEpoch: true });
  }

  /** Runs what waits for locks. If it gives up, it is finished as far as possible, and the rest by one of the next calls. */
  run<T>(work: () => T, { inEpoch = false }: { inEpoch?: boolean } = {}): T {
    const tracker = this.#tracker;
    this.assertFinished();
    tracker.participant.timeoutMs = this.lockTimeoutMs;
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
      this.recover(error);
      throw error;
    } finally {
      tracker.participant.timeoutMs = 0;
      if (inEpoch) {
        tracker.leave();
      }
    }
  }

  /**
   * After a call that broke off: what it was in the middle of is finished or undone, as if its thread had died there. Wrong
   * arguments are told before anything is begun. A checked process leaves the table as the broken rule was found.
   */
  recover(error: unknown): void {
    if (error instanceof LockTimeoutError || !(CHECKED || error instanceof UsageError)) {
      this.#isUnfinished = !repairOwn(this.#tracker);
    }
  }

  /** @throws LockTimeoutError while the rest of an earlier call needs a lock that somebody else holds */
  assertFinished(): void {
    if (!this.finish()) {
      throw new LockTimeoutError('a thread has still the lock for which a call before this one gave up waiting');
    }
  }

  /** @returns whether nothing is left to finish. @throws UsageError when the handle is closed */
  finish(): boolean {
    const tracker = this.#tracker;
    tracker.assertOpen();
    if (this.#isUnfinished) {
      tracker.enter();
      try {
        this.#isUnfinished = !repairOwn(tracker);
      } finally {
        tracker.leave();
      }
    }
    return !this.#isUnfinished;
  }
}

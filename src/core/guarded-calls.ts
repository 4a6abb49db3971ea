/**
 * Runs the calls of a handle under its lock timeout, and recovers from calls that fail. If a call gives up waiting or throws, its
 * change is finished or undone, as if the thread had died at that point (repairOwn). If that needs a lock that another thread holds,
 * the next call does the rest first.
 */

import { CHECKED } from '../shared/access.ts';
import { LockTimeoutError } from '../shared/sync/lock-timeout.ts';
import { UsageError } from './errors.ts';
import { repairOwn } from './repair/repair.ts';
import type { Tracker } from './tracker.ts';

export class GuardedCalls {
  /** The longest time that a call waits for a lock, in ms; 0: for ever. */
  lockTimeoutMs = 0;
  readonly #tracker: Tracker;
  /** A call failed, and its recovery is not complete. */
  #isUnfinished = false;

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  /** As `run`, inside an epoch: `work` may hold references into the table. */
  runInEpoch<T>(work: () => T): T {
    return this.run(work, { inEpoch: true });
  }

  /**
   * Runs work that may wait for locks. If it throws, its change is recovered as far as possible; one of the next calls
   * does the rest.
   * @throws LockTimeoutError when the lock timeout has passed, or the recovery of an earlier call is not complete
   */
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
   * Recovers from a call that threw: finishes or undoes its change, as if the thread had died there. A UsageError needs
   * no recovery, because arguments are checked before any change. A checked process recovers only from a
   * LockTimeoutError, and otherwise leaves the table as the failed check found it.
   */
  recover(error: unknown): void {
    if (error instanceof LockTimeoutError || !(CHECKED || error instanceof UsageError)) {
      this.#isUnfinished = !repairOwn(this.#tracker);
    }
  }

  /** @throws LockTimeoutError while another thread holds a lock that the recovery of an earlier call needs */
  assertFinished(): void {
    if (!this.finish()) {
      throw new LockTimeoutError('an earlier call gave up waiting for a lock that another thread still holds');
    }
  }

  /**
   * Continues the recovery of an earlier call. @returns true: nothing is left to recover. @throws UsageError when the
   * handle is closed
   */
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

/**
 * Sleeping on a lock, and giving up after a timeout.
 *
 * The main thread repairs after threads that died. If it waited for a dead thread's lock without an end, nobody would
 * release that lock. So its owner object has a timeout (LockOwner.timeoutMs), and a wait that exceeds it throws.
 */

import { notify, wait, type Words } from '../access.ts';
import { ErrorCode } from '../error-codes.ts';
import { holderIn } from './lock-word.ts';
import type { LockOwner } from './lock-owner.ts';
import { describeLock, type LockClass } from './lockdep.ts';

/** Thrown when a wait for a lock has exceeded the owner's timeout. Nothing was changed since the lock was asked for. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError';
  readonly code = ErrorCode.LOCK_TIMEOUT;

  /** @param problem a clause that names the lock and its holder */
  constructor(problem: string) {
    super(
      `${problem}. If its thread has died, let the event loop run, where a Datapath repairs (without one, call repair()), then call again`,
    );
  }
}

/** The end of the owner's timeout, as a time of performance.now(); 0: it has none. */
export function lockDeadline(owner: LockOwner): number {
  const { timeoutMs = 0 } = owner;
  return timeoutMs === 0 ? 0 : performance.now() + timeoutMs;
}

/**
 * Sleeps while the lock's word is `contended`.
 * @param contended has WAITERS set, so the holder's unlock wakes a sleeper
 * @param deadline of lockDeadline
 * @throws LockTimeoutError when the deadline has passed
 */
export function sleepOnLock(
  words: Words,
  index: number,
  contended: number,
  owner: LockOwner,
  lockClass: LockClass,
  deadline: number,
): void {
  const leftMs = deadline === 0 ? Number.POSITIVE_INFINITY : deadline - performance.now();
  if (leftMs <= 0) {
    /* An unlock may have woken this thread, and this thread only. Another sleeper must get that wake-up. */
    notify(words, index, 1);
    throw new LockTimeoutError(
      `the ${describeLock({ index, lockClass })} has been held for ${(owner.timeoutMs ?? 0) / 1000} s, now by participant ${holderIn(contended)}`,
    );
  }
  owner.fallAsleep?.(words, index);
  wait(words, index, contended, leftMs);
  owner.wakeUp?.();
}

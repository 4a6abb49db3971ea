/**
 * Locks that are not waited for for ever. Who must not wait for a dead thread's lock, because nobody but itself repairs after
 * that one, is an owner with patience (LockOwner.timeoutMs): it throws when that is at its end.
 */

import { notify, wait, type Words } from '../access.ts';
import { ErrorCode } from '../error-codes.ts';
import { holderIn } from './lock-word.ts';
import type { LockOwner } from './lock-owner.ts';
import { describeLock, type LockClass } from './lockdep.ts';

/** Thrown instead of waiting any longer. Nothing was changed since the lock was asked for. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError';
  readonly code = ErrorCode.LOCK_TIMEOUT;

  constructor(what: string) {
    super(`${what}: if that thread has died, it is repaired after as soon as the event loop runs; then call again`);
  }
}

/** When the owner's patience ends, as a time of performance.now(); 0: never. */
export function lockDeadline(owner: LockOwner): number {
  const { timeoutMs = 0 } = owner;
  return timeoutMs === 0 ? 0 : performance.now() + timeoutMs;
}

/**
 * Sleeps while the lock's word is `contended`, which says that somebody sleeps.
 * @param deadline of lockDeadline
 * @throws LockTimeoutError when it has passed
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
    /* This thread may have been the one that an unlock has woken. */
    notify(words, index, 1);
    throw new LockTimeoutError(
      `the ${describeLock({ index, lockClass })} has been held for ${(owner.timeoutMs ?? 0) / 1000} s, now by participant ${holderIn(contended)}`,
    );
  }
  owner.fallAsleep?.(words, index);
  wait(words, index, contended, leftMs);
  owner.wakeUp?.();
}

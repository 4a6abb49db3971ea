/**
 * Waiting for a mutex (mutex.ts) that was not free: the thread spins, then sleeps. A profiled process waits by the same
 * two functions, and has each step of the wait reported (profiled-wait.ts).
 */

import { compareExchange, pause, peek, type Words } from '../access.ts';
import { lockDeadline, sleepOnLock } from './lock-timeout.ts';
import type { LockOwner } from './lock-owner.ts';
import { FREE, WAITERS } from './lock-word.ts';
import type { LockClass } from './lockdep.ts';

/**
 * Upper bound of a spin, in looks at the word. A look takes a few nanoseconds. So the bound is well below the cost of
 * sleeping and being woken (about 10 us), and above any critical section of the table.
 */
export const MAX_SPINS = 1000;

/** Is told each step of a wait. */
export interface WaitObserver {
  /** The lock's word was `word`, and not free. */
  sees(word: number): void;
  /** The thread goes to sleep. */
  parks(): void;
}

/**
 * Takes the mutex; spins, then sleeps, until it holds it.
 * @param word the lock's word while this owner holds it
 * @throws LockTimeoutError when the owner's timeout is exceeded
 */
export function waitForLock(words: Words, index: number, owner: LockOwner, lockClass: LockClass, word: number): void {
  if (spinForLock(words, index, owner, word) < 0) {
    sleepForLock(words, index, owner, lockClass, word);
  }
}

/** Looks at the mutex for a short time. @returns the number of looks; its complement if the mutex was not taken */
export function spinForLock(words: Words, index: number, owner: LockOwner, word: number): number {
  const bound = Math.min(MAX_SPINS, owner.spinEstimate * 2 + 10);
  let looks = 0;
  let isTaken = false;
  while (looks < bound) {
    looks++;
    if (peek(words, index) === FREE && compareExchange(words, index, FREE, word) === FREE) {
      isTaken = true;
      break;
    }
    pause();
  }
  owner.spinEstimate += (looks - owner.spinEstimate) >> 3;
  return isTaken ? looks : ~looks;
}

/** Sleeps until the mutex is taken. Parameters and error as waitForLock. */
export function sleepForLock(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  word: number,
  observer?: WaitObserver,
): void {
  const deadline = lockDeadline(owner);
  for (;;) {
    /* With WAITERS, since other threads may still sleep: this owner's unlock must wake the next one. */
    const seen = compareExchange(words, index, FREE, word | WAITERS);
    if (seen === FREE) {
      return;
    }
    observer?.sees(seen);
    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, index, seen, contended) === seen) {
      observer?.parks();
      sleepOnLock(words, index, contended, owner, lockClass, deadline);
    }
  }
}

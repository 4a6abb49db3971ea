/**
 * A mutex in one word of shared memory, after Drepper's "Futexes are tricky" (mutex 2), with the owner in the word.
 *
 *      0              free
 *      tag            held, no thread sleeps         tag = (participant + 1) << 1
 *      tag | WAITERS  held, a thread may sleep
 *
 *             lock, tryLock: compareExchange                 a waiter: compareExchange, then sleeps
 *      free -------------------------------> tag ---------------------------------> tag | WAITERS
 *       ^  ^                                  |                                       |    ^
 *       |  +---------- unlock ----------------+                                       |    |
 *       +------------- unlock, and notify wakes one ----------------------------------+    |
 *       |                                                                                  |
 *       +------------- a woken waiter: compareExchange with WAITERS, or sleeps again ------+
 *
 *      tag of a thread that died ----- inheritLock, releaseOfDead: the repairer acts as its owner
 *
 * Only an unlock from the third state calls notify: V8 guards all sleeping threads of a process by one lock. A thread
 * that wakes up takes the mutex in the third state, because other threads may still sleep on it (lock-wait.ts).
 *
 * The word names the owner (lock-word.ts), so that the thread that repairs sees which locks a dead thread held.
 */

import { CHECKED, compareExchange, exchange, load, notify, or, pause, peek, wait, type Words } from '../access.ts';
import { PROFILED } from './lock-profile.ts';
import type { LockOwner } from './lock-owner.ts';
import { LockSite } from './lock-sites.ts';
import { MAX_SPINS, waitForLock } from './lock-wait.ts';
import { FREE, holderIn, SITE_SHIFT, tagIn, TIMED, WAITERS } from './lock-word.ts';
import { acquired, assertHeld as assertHeldByThread, beforeAcquire, beforeRelease, type LockClass } from './lockdep.ts';
import {
  noteHolder,
  noteSample,
  noteTryFailed,
  releaseNoted,
  sampling as samplingOfThread,
  wordOfSample,
} from './profiled-mutex.ts';
import { waitForLockProfiled } from './profiled-wait.ts';

export type { LockOwner } from './lock-owner.ts';
export { lockTagOf } from './lock-word.ts';

/** The sleep of `lockWithin` between two rounds of looks. */
const NAP_MS = 0.1;

/** The participant that holds the mutex; -1 when it is free. A hint. */
export function ownerOf(words: Words, index: number): number {
  return holderIn(peek(words, index));
}

type Lock = (words: Words, index: number, owner: LockOwner, lockClass: LockClass, site?: LockSite) => void;
type TryLock = (words: Words, index: number, owner: LockOwner, lockClass: LockClass, site?: LockSite) => boolean;
type Unlock = (words: Words, index: number) => void;

/*
 * A process chooses its lock, tryLock and unlock once. So in a plain process they contain no code of the profiler or the
 * checker, and are short: V8 inlines functions by their length, and must inline these.
 */

/* A constant of this module: V8 folds it. An import it would load. */
const sampling = samplingOfThread;

const take: Lock = PROFILED
  ? (words, index, owner, lockClass, site = LockSite.unnamed) => {
      const isSample = --sampling.countdown <= 0;
      const word = isSample ? wordOfSample(owner, site) : owner.lockTag | (site << SITE_SHIFT);
      const seen = compareExchange(words, index, FREE, word);
      if (seen !== FREE) {
        lockContended(words, index, owner, lockClass, word, seen);
      }
      if (isSample) {
        noteSample(words, index, owner.recorder, lockClass, word);
      }
      noteHolder(words, index, owner, lockClass, site);
    }
  : (words, index, owner, lockClass) => {
      if (compareExchange(words, index, FREE, owner.lockTag) !== FREE) {
        waitForLock(words, index, owner, lockClass, owner.lockTag);
      }
    };

const tryTake: TryLock = PROFILED
  ? (words, index, owner, lockClass, site = LockSite.unnamed) => {
      const isSample = sampling.countdown <= 1;
      const word = isSample ? wordOfSample(owner, site) : owner.lockTag | (site << SITE_SHIFT);
      if (compareExchange(words, index, FREE, word) !== FREE) {
        noteTryFailed(owner, lockClass, site);
        return false;
      }
      sampling.countdown--;
      if (isSample) {
        noteSample(words, index, owner.recorder, lockClass, word);
      }
      noteHolder(words, index, owner, lockClass, site);
      return true;
    }
  : (words, index, owner) => compareExchange(words, index, FREE, owner.lockTag) === FREE;

const release: Unlock = PROFILED
  ? (words, index) => {
      const word = exchange(words, index, FREE);
      if ((word & (WAITERS | TIMED)) !== 0) {
        releaseNoted(words, index, word);
      }
    }
  : (words, index) => {
      if ((exchange(words, index, FREE) & WAITERS) !== 0) {
        notify(words, index, 1);
      }
    };

/** Takes the mutex at `words[index]`. @throws LockTimeoutError when the owner's timeout is exceeded; then it is not held */
export const lock: Lock = CHECKED
  ? (words, index, owner, lockClass, site) => {
      beforeAcquire(words, index, lockClass);
      take(words, index, owner, lockClass, site);
      acquired(words, index, lockClass, owner.lockTag);
    }
  : take;

/** Takes the mutex if it is free. @returns whether it is held */
export const tryLock: TryLock = CHECKED
  ? (words, index, owner, lockClass, site) => {
      beforeAcquire(words, index, lockClass);
      const isTaken = tryTake(words, index, owner, lockClass, site);
      if (isTaken) {
        acquired(words, index, lockClass, owner.lockTag);
      }
      return isTaken;
    }
  : tryTake;

/** Releases the mutex, which the caller holds. */
export const unlock: Unlock = CHECKED
  ? (words, index) => {
      beforeRelease(words, index);
      release(words, index);
    }
  : release;

/**
 * Waits for the mutex in a profiled process.
 * @param word the lock's word while this owner holds it
 * @param seen the lock's word when it was not free
 */
function lockContended(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  word: number,
  seen: number,
): void {
  if (owner.recorder === undefined) {
    waitForLock(words, index, owner, lockClass, word);
  } else {
    waitForLockProfiled(words, index, owner, lockClass, owner.recorder, word, seen);
  }
}

/**
 * Takes over the mutex if a dead thread held it. The repairing thread then holds it under the dead thread's tag.
 * Call it only when that thread is gone for good.
 * @param owner the dead thread's
 * @returns whether the dead thread held the mutex
 */
export function inheritLock(words: Words, index: number, owner: LockOwner, lockClass: LockClass): boolean {
  if (tagIn(load(words, index)) !== owner.lockTag) {
    return false;
  }
  if (CHECKED) {
    acquired(words, index, lockClass, owner.lockTag);
  }
  return true;
}

/**
 * As `lock`, but returns false after `timeoutMs`. The holder may be dead, and not repaired after yet.
 * @returns whether the mutex is held
 */
export function lockWithin(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  timeoutMs: number,
): boolean {
  const deadline = performance.now() + timeoutMs;
  let hasSlept = false;
  /* A look comes before each try: a profiled process counts failed tries. */
  for (let looks = 1; peek(words, index) !== FREE || !tryLock(words, index, owner, lockClass); looks++) {
    pause();
    if (looks % MAX_SPINS === 0) {
      if (performance.now() >= deadline) {
        if (hasSlept) {
          notify(words, index, 1);
        }
        return false;
      }
      const seen = load(words, index);
      if (seen !== FREE) {
        /* This thread does not set WAITERS, so an unlock may not wake it. It may sleep a little too long; the holder can run. */
        hasSlept = true;
        wait(words, index, seen, NAP_MS);
      }
    }
  }
  if (hasSlept) {
    /* An unlock wakes one thread, and may have woken this one. So this owner's unlock must wake the next sleeper. */
    or(words, index, WAITERS);
  }
  return true;
}

/**
 * Wakes all threads that sleep on the mutex. Each takes it or sleeps again. For repairs: a thread that died between its
 * unlock and its notify has left them asleep, and so has a thread that died when it was the one that was woken.
 */
export function wakeWaiters(words: Words, index: number): void {
  notify(words, index, Number.POSITIVE_INFINITY);
}

/**
 * Releases a dead thread's mutex and wakes all threads that sleep on it. Only for a mutex whose region is consistent at
 * every point at which its holder can die.
 * @param owner the dead thread's
 * @returns whether the dead thread held the mutex
 */
export function releaseOfDead(words: Words, index: number, owner: LockOwner, lockClass: LockClass): boolean {
  const heldIt = inheritLock(words, index, owner, lockClass);
  if (heldIt) {
    unlock(words, index);
  }
  wakeWaiters(words, index);
  return heldIt;
}

/** In a checked process: throws unless the calling thread holds the mutex. */
export function assertHeld(words: Words, index: number): void {
  if (CHECKED) {
    assertHeldByThread(words, index);
  }
}

/**
 * Takes two mutexes of one class, the lower index first. Takes equal indexes once. So two threads that want the same pair
 * never wait for each other.
 */
export function lockPair(
  words: Words,
  a: number,
  b: number,
  owner: LockOwner,
  lockClass: LockClass,
  site?: LockSite,
): void {
  if (a === b) {
    lock(words, a, owner, lockClass, site);
  } else if (a < b) {
    lock(words, a, owner, lockClass, site);
    lock(words, b, owner, lockClass, site);
  } else {
    lock(words, b, owner, lockClass, site);
    lock(words, a, owner, lockClass, site);
  }
}

/** Releases the mutexes of `lockPair`, in reverse order. */
export function unlockPair(words: Words, a: number, b: number): void {
  if (a === b) {
    unlock(words, a);
  } else if (a < b) {
    unlock(words, b);
    unlock(words, a);
  } else {
    unlock(words, a);
    unlock(words, b);
  }
}

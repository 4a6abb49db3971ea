/**
 * A mutex in one word of shared memory, after Drepper's "Futexes are tricky" (mutex 2), with the owner in the word.
 *
 *      0              free
 *      tag            held, nobody sleeps            tag = (participant + 1) << 1
 *      tag | WAITERS  held, somebody may sleep
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
 * Only the third state pays for a notify, since V8 guards all sleeping threads of a process with one lock. A thread
 * that comes back from sleep takes the mutex in the third state, because others may still sleep behind it.
 *
 * The word names its owner so that a participant that died holding it can be recognised; lock-word.ts has its bits.
 */

import { CHECKED, compareExchange, exchange, load, notify, or, pause, peek, wait, type Words } from '../access.ts';
import { lockDeadline, sleepOnLock } from './lock-timeout.ts';
import { PROFILED } from './lock-profile.ts';
import type { LockOwner } from './lock-owner.ts';
import { LockSite } from './lock-sites.ts';
import { FREE, holderIn, SITE_SHIFT, tagIn, TIMED, WAITERS } from './lock-word.ts';
import { acquired, assertHeld as assertHeldByThread, beforeAcquire, beforeRelease, type LockClass } from './lockdep.ts';
import {
  noteHolder,
  noteSample,
  noteTryFailed,
  releaseNoted,
  sampling as samplingOfThread,
  waitForLockProfiled,
  wordOfSample,
} from './profiled-mutex.ts';

export type { LockOwner } from './lock-owner.ts';
export { lockTagOf } from './lock-word.ts';

/**
 * Upper bound of a spin, in looks at the word. One look is a few nanoseconds, so the bound is well below the cost of
 * sleeping and being woken (about 10 us), and longer than any critical section of the table.
 */
const MAX_SPINS = 1000;

/** Of `lockWithin`, between two rounds of looks. */
const NAP_MS = 0.1;

/** The participant that holds the mutex, or -1 when it is free. A snapshot. */
export function ownerOf(words: Words, index: number): number {
  return holderIn(peek(words, index));
}

type Lock = (words: Words, index: number, owner: LockOwner, lockClass: LockClass, site?: LockSite) => void;
type TryLock = (words: Words, index: number, owner: LockOwner, lockClass: LockClass, site?: LockSite) => boolean;
type Unlock = (words: Words, index: number) => void;

/*
 * Each process has one of each, chosen once, so that what a profiled or a checked one does besides is not even there in
 * others: V8 inlines by length, and these are what it shall inline.
 */

/* A constant of this module, which V8 folds. */
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
        waitForLock(words, index, owner, lockClass);
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

/** Takes the mutex at `words[index]`; returns when it is held. @throws LockTimeoutError to an owner with patience */
export const lock: Lock = CHECKED
  ? (words, index, owner, lockClass, site) => {
      beforeAcquire(words, index, lockClass);
      take(words, index, owner, lockClass, site);
      acquired(words, index, lockClass, owner.lockTag);
    }
  : take;

/** Takes the mutex if it is free; returns whether it did. */
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
 * A profiled process found the mutex taken.
 * @param word what it shall say when it is held; @param seen what it said
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
    waitForLock(words, index, owner, lockClass);
  } else {
    waitForLockProfiled(words, index, owner, lockClass, owner.recorder, word, seen, MAX_SPINS);
  }
}

/** The mutex was not free when it was asked for: spins, then sleeps, until it is held. */
function waitForLock(words: Words, index: number, owner: LockOwner, lockClass: LockClass): void {
  const bound = Math.min(MAX_SPINS, owner.spinEstimate * 2 + 10);
  let spins = 0;
  while (spins < bound) {
    spins++;
    if (peek(words, index) === FREE && compareExchange(words, index, FREE, owner.lockTag) === FREE) {
      owner.spinEstimate += (spins - owner.spinEstimate) >> 3;
      return;
    }
    pause();
  }
  owner.spinEstimate += (spins - owner.spinEstimate) >> 3;

  const deadline = lockDeadline(owner);
  for (;;) {
    const seen = compareExchange(words, index, FREE, owner.lockTag | WAITERS);
    if (seen === FREE) {
      return;
    }
    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, index, seen, contended) === seen) {
      sleepOnLock(words, index, contended, owner, lockClass, deadline);
    }
  }
}

/**
 * For whoever repairs after a thread that is gone for good, with that thread's own `owner`: does it hold the mutex? Then
 * the caller holds it from now on in its place.
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
 * As `lock`, but gives up after `timeoutMs`: the holder may be a thread that has died and that nobody has repaired after yet.
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
  /* A look comes first: a failed try is written down in a profiled process. */
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
        /* Without WAITERS nobody wakes this thread: it may sleep a little too long, and lets the holder have the processor. */
        hasSlept = true;
        wait(words, index, seen, NAP_MS);
      }
    }
  }
  if (hasSlept) {
    /* The only notify of an unlock may have gone to this thread's nap: whoever sleeps behind it is to be woken by the next. */
    or(words, index, WAITERS);
  }
  return true;
}

/**
 * Wakes all who sleep on the mutex; they look at it and sleep on, or take it. A thread that died after it had released it,
 * or when it was the one that was woken, has left them asleep.
 */
export function wakeWaiters(words: Words, index: number): void {
  notify(words, index, Number.POSITIVE_INFINITY);
}

/** Releases a mutex whose region is in order whenever its holder dies; wakes who sleeps on it. @returns whether the dead owner held it */
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
 * Takes two mutexes of one class, the lower index first; equal indexes once. Two threads that want the same pair can
 * therefore never wait for each other.
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

/** Releases what `lockPair` took, in reverse order. */
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

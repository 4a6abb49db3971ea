/** Ways to let a thread die, or give up waiting for a lock, at a chosen point. */

import { type AccessKind, setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { forgetHeld } from '../../src/shared/sync/lockdep.ts';
import { LockTimeoutError } from '../../src/shared/sync/lock-timeout.ts';
import { lockTagOf } from '../../src/shared/sync/mutex.ts';

export class Killed extends Error {}

/** A view of the words in which the n-th plain store throws: there the thread dies. */
export function tearingAt(words: Words, n: number): Words {
  let stores = 0;
  return new Proxy(words, {
    get: (target, name) => Reflect.get(target, name, target) as unknown,
    set: (target, name, value) => {
      if (++stores >= n) {
        throw new Killed();
      }
      return Reflect.set(target, name, value, target);
    },
  });
}

/** Runs until the n-th access, where the thread dies. @returns true: it came to its end before */
export function runUntil(n: number, run: () => void): boolean {
  let accesses = 0;
  setSchedulingHook(() => {
    /* It throws at every access from then on: `finally` blocks must not change anything that a dead thread cannot. */
    if (++accesses >= n) {
      throw new Killed();
    }
  });
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof Killed)) {
      throw error;
    }
    return false;
  } finally {
    setSchedulingHook(undefined);
    forgetHeld();
  }
}

/** Runs until an access of this kind to the word, where the thread dies. */
export function dieBefore(wanted: AccessKind, word: () => number, run: () => void): void {
  setSchedulingHook((kind, _words, index) => {
    if (kind === wanted && index === word()) {
      throw new Killed();
    }
  });
  try {
    run();
  } catch (error) {
    if (error instanceof Killed) {
      return;
    }
    throw error;
  } finally {
    setSchedulingHook(undefined);
    forgetHeld();
  }
  throw new Error('it did not die');
}

/** A participant without a thread. */
export const STRANGER = 2;

/** In a stack: the functions of the mutex that take it if it is free. A bundler may number a name that occurs twice. */
const TAKES_MUTEX = /\bat (take|tryTake|lockWithin)(\$\d+)? /;

/**
 * Lets a stranger take the n-th lock just before `run` does, and hold it. @returns the lock; undefined: there are fewer
 * locks
 */
export function giveUpAt(n: number, run: () => void): { words: Words; index: number } | undefined {
  let locks = 0;
  let held: { words: Words; index: number } | undefined;
  setSchedulingHook((kind, words, index) => {
    if (kind !== 'compareExchange' || held !== undefined) {
      return;
    }
    const { stack = '' } = new Error('where');
    if (TAKES_MUTEX.test(stack) && Atomics.load(words, index) === 0 && ++locks === n) {
      held = { words, index };
      Atomics.store(words, index, lockTagOf(STRANGER));
    }
  });
  try {
    run();
  } catch (error) {
    if (error instanceof LockTimeoutError && error.message.includes(`participant ${STRANGER}`)) {
      return held;
    }
    throw error;
  } finally {
    setSchedulingHook(undefined);
  }
  if (held !== undefined) {
    throw new Error('it did not give up');
  }
  return undefined;
}

/** Jobs of the mutex and pair lock tests. */

import { setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { LockClass } from '../../src/shared/sync/lockdep.ts';
import {
  lock,
  lockPair,
  lockTagOf,
  lockWithin,
  ownerOf,
  tryLock,
  unlock,
  unlockPair,
  type LockOwner,
} from '../../src/shared/sync/mutex.ts';
import { serve } from './serve.ts';
import { randomSequence, signal, startTogether, waitForSignal } from './steps.ts';

let words: Words;
let me: LockOwner;

/** Of a thread that is none of the crew. */
const STRANGER = 7;

/* Two plain accesses with the owner's name between them: if another thread gets in, an increment is lost. */
function incrementLocked(counter: number, mutex: number, thread: number): void {
  const before = words[counter]!;
  const owner = ownerOf(words, mutex);
  if (owner !== thread) {
    throw new Error(`thread ${thread} holds the mutex, whose word names ${owner}`);
  }
  words[counter] = before + 1;
}

const jobs = {
  setUp(shared: { words: Words }, thread: number): void {
    words = shared.words;
    me = { lockTag: lockTagOf(thread), spinEstimate: 20 };
  },

  increment(
    plan: { mutex: number; counter: number; gate: number; threads: number; rounds: number; by: 'lock' | 'tryLock' },
    thread: number,
  ): void {
    startTogether(words, plan.gate, plan.threads);
    for (let round = 0; round < plan.rounds; round++) {
      if (plan.by === 'lock') {
        lock(words, plan.mutex, me, LockClass.bucket);
      } else {
        while (!tryLock(words, plan.mutex, me, LockClass.bucket)) {
          /* Again. */
        }
      }
      incrementLocked(plan.counter, plan.mutex, thread);
      unlock(words, plan.mutex);
    }
  },

  take({ mutex }: { mutex: number }): void {
    lock(words, mutex, me, LockClass.bucket);
  },

  tryTake({ mutex }: { mutex: number }): boolean {
    return tryLock(words, mutex, me, LockClass.bucket);
  },

  release({ mutex }: { mutex: number }): void {
    unlock(words, mutex);
  },

  takeAndRelease({ mutex, counter }: { mutex: number; counter: number }, thread: number): void {
    lock(words, mutex, me, LockClass.bucket);
    incrementLocked(counter, mutex, thread);
    unlock(words, mutex);
  },

  /** In every round: takes the mutex when told to, while another thread holds it, and says when it has had it. */
  takeInRounds(plan: { mutex: number; turn: number; done: number; rounds: number }): void {
    for (let round = 1; round <= plan.rounds; round++) {
      waitForSignal(words, plan.turn, round);
      lock(words, plan.mutex, me, LockClass.bucket);
      unlock(words, plan.mutex);
      signal(words, plan.done, round);
    }
  },

  /** In every round: holds the mutex until its word says that a thread may sleep. */
  holdInRounds(plan: { mutex: number; turn: number; done: number; rounds: number }): void {
    for (let round = 1; round <= plan.rounds; round++) {
      lock(words, plan.mutex, me, LockClass.bucket);
      signal(words, plan.turn, round);
      while ((Atomics.load(words, plan.mutex) & 1) === 0) {
        /* The other thread spins, then marks the word, then sleeps. */
      }
      unlock(words, plan.mutex);
      waitForSignal(words, plan.done, round);
    }
  },

  /** The accesses that an unlock makes, in a checked thread. */
  accessesOfUnlock({ mutex, waiters }: { mutex: number; waiters: boolean }): string[] {
    const accesses: string[] = [];
    lock(words, mutex, me, LockClass.bucket);
    if (waiters) {
      Atomics.or(words, mutex, 1);
    }
    setSchedulingHook((kind, _words, index) => accesses.push(`${kind} ${index}`));
    try {
      unlock(words, mutex);
    } finally {
      setSchedulingHook(undefined);
    }
    return accesses;
  },

  /**
   * Waits with `lockWithin` for a mutex that is held, until it naps. Then another thread goes to sleep behind it; the holder
   * unlocks, or keeps the mutex until the time is over. @returns the accesses from there on, and of the unlock
   */
  accessesAfterNap({ mutex, unlocks }: { mutex: number; unlocks: boolean }): string[] {
    const accesses: string[] = [];
    let hasNapped = false;
    Atomics.store(words, mutex, lockTagOf(STRANGER));
    setSchedulingHook((kind, _words, index) => {
      if (kind === 'wait' && !hasNapped) {
        hasNapped = true;
        Atomics.store(words, mutex, unlocks ? 0 : lockTagOf(STRANGER) | 1);
      } else if (hasNapped && (kind === 'notify' || kind === 'exchange')) {
        accesses.push(`${kind} ${index}`);
      }
    });
    try {
      if (lockWithin(words, mutex, me, LockClass.bucket, unlocks ? 10_000 : 200)) {
        unlock(words, mutex);
      }
    } finally {
      setSchedulingHook(undefined);
      Atomics.store(words, mutex, 0);
    }
    return accesses;
  },

  takePair({ a, b }: { a: number; b: number }): void {
    lockPair(words, a, b, me, LockClass.bucket);
  },

  releasePair({ a, b }: { a: number; b: number }): void {
    unlockPair(words, a, b);
  },

  accessesOfUnlockPair({ a, b }: { a: number; b: number }): string[] {
    const accesses: string[] = [];
    lockPair(words, a, b, me, LockClass.bucket);
    setSchedulingHook((kind, _words, index) => accesses.push(`${kind} ${index}`));
    try {
      unlockPair(words, a, b);
    } finally {
      setSchedulingHook(undefined);
    }
    return accesses;
  },

  /** Locks random pairs in random argument order; returns how often it incremented the counter of each mutex. */
  incrementPairs(
    plan: { mutexes: number[]; counters: number[]; gate: number; threads: number; rounds: number },
    thread: number,
  ): number[] {
    const random = randomSequence(thread);
    const increments = plan.mutexes.map(() => 0);
    startTogether(words, plan.gate, plan.threads);
    for (let round = 0; round < plan.rounds; round++) {
      const a = random() % plan.mutexes.length;
      const b = random() % plan.mutexes.length;
      lockPair(words, plan.mutexes[a]!, plan.mutexes[b]!, me, LockClass.bucket);
      incrementLocked(plan.counters[a]!, plan.mutexes[a]!, thread);
      increments[a]!++;
      if (a !== b) {
        incrementLocked(plan.counters[b]!, plan.mutexes[b]!, thread);
        increments[b]!++;
      }
      unlockPair(words, plan.mutexes[a]!, plan.mutexes[b]!);
    }
    return increments;
  },
};

export type MutexJobs = typeof jobs;
serve(jobs);

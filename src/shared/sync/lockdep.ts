/**
 * The lock checker of CT_CHECKED=1, after the kernel's lockdep. It knows which locks this thread holds. It throws at the
 * first acquisition that breaks the lock order, even if no deadlock follows.
 *
 * The lock order:
 *   1. a bucket, then a bucket of higher index (never the same bucket twice)
 *   2. a connection
 *   3. the table of zone limits
 *   4. the held fragments
 *   5. the leaves, never two at once: line arena, slab, quota pool, timeout policies, clock
 */

import type { Words } from '../access.ts';
import { PROFILED } from './lock-profile.ts';
import { tagIn, WAITERS } from './lock-word.ts';

/** The kinds of locks. The value is the rank in the lock order. */
export const LockClass = { bucket: 1, connection: 2, zoneLimits: 3, fragments: 4, leaf: 5 } as const;
export type LockClass = (typeof LockClass)[keyof typeof LockClass];

interface HeldLock {
  words: Words;
  index: number;
  lockClass: LockClass;
  /** Its owner's lock tag (lock-word.ts). */
  ownerTag: number;
}

const NAMES: Record<LockClass, string> = { 1: 'bucket', 2: 'connection', 3: 'zone limits', 4: 'fragments', 5: 'leaf' };

/* Each thread has its own instance of this module, and so its own list. */
const held: HeldLock[] = [];

/** A lock's name in messages. */
export function describeLock(lock: { index: number; lockClass: LockClass }): string {
  return `${NAMES[lock.lockClass]} lock at word ${lock.index}`;
}

/** Call before taking a lock. @throws Error when the order forbids it. */
export function beforeAcquire(words: Words, index: number, lockClass: LockClass): void {
  const wanted = { words, index, lockClass };
  for (const lock of held) {
    const sameRegion = lock.words.buffer === words.buffer;
    if (sameRegion && lock.index === index) {
      throw new Error(`lock order: ${describeLock(wanted)} is already held by this thread`);
    }
    if (lock.lockClass > lockClass) {
      throw new Error(`lock order: ${describeLock(wanted)} taken while holding ${describeLock(lock)}`);
    }
    if (lock.lockClass === lockClass && !(lockClass === LockClass.bucket && sameRegion && lock.index < index)) {
      throw new Error(`lock order: ${describeLock(wanted)} taken while holding ${describeLock(lock)}`);
    }
  }
}

/** Call after taking a lock. @param ownerTag the owner's lock tag */
export function acquired(words: Words, index: number, lockClass: LockClass, ownerTag: number): void {
  held.push({ words, index, lockClass, ownerTag });
}

/** Call before releasing a lock. @throws Error when this thread does not hold it, or its word names another owner. */
export function beforeRelease(words: Words, index: number): void {
  for (let i = held.length - 1; i >= 0; i--) {
    const lock = held[i]!;
    if (lock.words.buffer === words.buffer && lock.index === index) {
      const word = Atomics.load(words, index);
      const tag = PROFILED ? tagIn(word) : word & ~WAITERS;
      if (tag !== lock.ownerTag) {
        throw new Error(
          `lock ownership: ${describeLock(lock)} is held as ${lock.ownerTag} and released, but its word says ${tag}`,
        );
      }
      held.splice(i, 1);
      return;
    }
  }
  throw new Error(`lock ownership: the lock at word ${index} is released by a thread that does not hold it`);
}

/** @throws Error unless this thread holds the lock. */
export function assertHeld(words: Words, index: number): void {
  if (!held.some((lock) => lock.words.buffer === words.buffer && lock.index === index)) {
    throw new Error(`lock ownership: the lock at word ${index} must be held here`);
  }
}

/** Call at the end of a batch and before going to sleep. @throws Error if this thread holds any lock. */
export function assertNoneHeld(): void {
  if (held.length > 0) {
    throw new Error(`lock ownership: ${describeLock(held[0]!)} still held`);
  }
}

/** For tests: clears this thread's list, as if the thread had died and another one had taken over its participant slot. */
export function forgetHeld(): void {
  held.length = 0;
}

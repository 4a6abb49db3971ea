/** The thread that takes a lock, as the mutex, its profiler and its timeout see it. */

import type { Words } from '../access.ts';
import type { LockRecorder } from './lock-profile.ts';

/** Who takes a lock: a thread's own object, made once. */
export interface LockOwner {
  /** Names this owner in the words that it locks. */
  readonly lockTag: number;
  /** Running estimate of how long a spin that succeeds lasts (glibc's adaptive mutex does the same). */
  spinEstimate: number;
  /** How long a lock is waited for at most (lock-timeout.ts), in ms; 0 or none: for ever. */
  readonly timeoutMs?: number;
  /** Where a profiled process writes down what this owner does. */
  readonly recorder?: LockRecorder | undefined;
  /** Lets others see on which mutex the owner sleeps from now on, and that it does no more. */
  fallAsleep?(words: Words, index: number): void;
  wakeUp?(): void;
}

/** The thread that takes a lock, as the mutex, its profiler and its timeout see it. */

import type { Words } from '../access.ts';
import type { LockRecorder } from './lock-profile.ts';

/** Stands for a thread that takes locks. Each thread makes its own, once. */
export interface LockOwner {
  /** Names this owner in the words that it locks. */
  readonly lockTag: number;
  /** Running average of the looks that a spin takes. The next spin is bounded by it, as in glibc's adaptive mutex. */
  spinEstimate: number;
  /** Longest wait for a lock (lock-timeout.ts), in ms; 0 or absent: no limit. */
  readonly timeoutMs?: number;
  /** Records this owner's locks in a profiled process. */
  readonly recorder?: LockRecorder | undefined;
  /** Publishes the mutex on which the owner is about to sleep. */
  fallAsleep?(words: Words, index: number): void;
  /** Publishes that the owner sleeps no more. */
  wakeUp?(): void;
}

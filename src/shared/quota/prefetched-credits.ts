/**
 * Waiting for batches that have prefetched credits. A batch releases the credits that it has not used when it ends. A pool
 * refuses nobody before that. The PREFETCHED word has the form of a lock word (lock-word.ts): it names its owner, so that
 * the watchdog sees which thread waits for which.
 */

import { compareExchange, exchange, load, notify, pause, wait, type Words } from '../access.ts';
import { FREE, WAITERS } from '../sync/lock-word.ts';
import type { Participant } from '../memory/participant.ts';
import { PREFETCHED, STRIDE_WORDS } from './quota-layout.ts';

/** Index of a PREFETCHED word whose owner has prefetched credits; 0 if nobody has. */
export function anyonePrefetching(words: Words, pool: number, maxParticipants: number): number {
  for (let id = 0; id < maxParticipants; id++) {
    const word = pool + (1 + id) * STRIDE_WORDS + PREFETCHED;
    if (load(words, word) !== FREE) {
      return word;
    }
  }
  return 0;
}

/** The owner has no prefetched credits any more. Wakes the threads that wait for that. */
export function endPrefetch(words: Words, word: number): void {
  if ((exchange(words, word, FREE) & WAITERS) !== 0) {
    notify(words, word, Number.POSITIVE_INFINITY);
  }
}

/**
 * Waits until the batch at `word` ends. The calling thread has no prefetched credits and holds no lock. So the batch never
 * waits for the calling thread, and there is no deadlock.
 * @param looks at the word before the thread sleeps
 */
export function awaitPrefetchEnd(words: Words, word: number, participant: Participant, looks: number): void {
  for (let look = 0; look < looks; look++) {
    if (load(words, word) === FREE) {
      return;
    }
    pause();
  }
  for (let seen = load(words, word); seen !== FREE; seen = load(words, word)) {
    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, word, seen, contended) === seen) {
      participant.fallAsleep(words, word);
      wait(words, word, contended);
      participant.wakeUp();
      return;
    }
  }
}

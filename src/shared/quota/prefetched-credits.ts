/**
 * The end of a batch that has prefetched credits, and the waiting for it. When a batch ends, it releases the credits that it
 * has not used. A pool refuses nobody before that. The PREFETCHED word has the form of a lock word (lock-word.ts): it names
 * its owner, so that the watchdog sees which thread waits for which.
 */

import { add, compareExchange, exchange, load, notify, pause, store, wait, type Words } from '../access.ts';
import { FREE, WAITERS } from '../sync/lock-word.ts';
import { type Participant, ParticipantWord } from '../memory/participant.ts';
import { CLEAR_FULL_BELOW, FULL_BELOW, PREFETCHED, RELEASED, STRIDE_WORDS } from './quota-layout.ts';

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

/** Releases the `left` prefetched credits that the participant's batch has not used, and ends the batch. */
export function releasePrefetched(words: Words, pool: number, left: number, participant: Participant): void {
  const own = pool + (1 + participant.id) * STRIDE_WORDS;
  if (left > 0) {
    /* No beginToCount: prefetchCredits has called it, and such a pool has only one generation. */
    const unused = add(words, own, left);
    participant.words[participant.base + ParticipantWord.PREFETCHED_CREDITS] = 0;
    words[own + RELEASED]! += left;
    if ((unused & CLEAR_FULL_BELOW) !== 0) {
      store(words, pool + FULL_BELOW, 0);
    }
  }
  endPrefetch(words, own + PREFETCHED);
}

/** Releases the prefetched credits of a participant whose thread has died. @returns their number */
export function repairPrefetched(words: Words, pool: number, participant: Participant): number {
  const left = participant.words[participant.base + ParticipantWord.PREFETCHED_CREDITS]!;
  releasePrefetched(words, pool, left, participant);
  /* The dead thread may have cleared the word, and died before it woke the threads that wait. */
  notify(words, pool + (1 + participant.id) * STRIDE_WORDS + PREFETCHED, Number.POSITIVE_INFINITY);
  return left;
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

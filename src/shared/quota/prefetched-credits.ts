/**
 * Waiting for batches that have taken room ahead: what they do not use up comes back when they end, and nobody is refused
 * before that. The word is a lock's (lock-word.ts): it names its owner, so that whoever watches for hanging threads sees who
 * waits for whom.
 */

import { compareExchange, exchange, load, notify, pause, wait, type Words } from '../access.ts';
import { FREE, WAITERS } from '../sync/lock-word.ts';
import type { Participant } from '../memory/participant.ts';
import { PREFETCHED, STRIDE_WORDS } from './quota-layout.ts';

/** Word index of the PREFETCHED word of somebody who has taken ahead, or 0 if nobody has. */
export function anyonePrefetching(words: Words, pool: number, maxParticipants: number): number {
  for (let id = 0; id < maxParticipants; id++) {
    const word = pool + (1 + id) * STRIDE_WORDS + PREFETCHED;
    if (load(words, word) !== FREE) {
      return word;
    }
  }
  return 0;
}

/** The owner has nothing ahead any more, and wakes who waits for that. */
export function endPrefetch(words: Words, word: number): void {
  if ((exchange(words, word, FREE) & WAITERS) !== 0) {
    notify(words, word, Number.POSITIVE_INFINITY);
  }
}

/**
 * Waits until a participant's batch is over. That one waits for nobody who waits here, who has nothing ahead and holds no lock.
 * @param looks before it sleeps
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

/**
 * Waiting for batches that have taken room ahead: what they do not use up comes back when they end, and nobody is refused
 * before that. The word is a lock's (lock-word.ts): it names its owner, so that whoever watches for hanging threads sees who
 * waits for whom.
 */

import { compareExchange, exchange, load, notify, pause, wait, type Words } from '../access.ts';
import { FREE, WAITERS } from '../sync/lock-word.ts';
import type { Participant } from '../memory/participant.ts';
import { AHEAD, STRIDE_WORDS } from './quota-layout.ts';

/** Word index of the AHEAD word of somebody who has taken ahead, or 0 if nobody has. */
export function someoneAhead(words: Words, pool: number, maxParticipants: number): number {
  for (let id = 0; id < maxParticipants; id++) {
    const ahead = pool + (1 + id) * STRIDE_WORDS + AHEAD;
    if (load(words, ahead) !== FREE) {
      return ahead;
    }
  }
  return 0;
}

/** The owner has nothing ahead any more, and wakes who waits for that. */
export function endOfAhead(words: Words, ahead: number): void {
  if ((exchange(words, ahead, FREE) & WAITERS) !== 0) {
    notify(words, ahead, Number.POSITIVE_INFINITY);
  }
}

/**
 * Waits until a participant's batch is over. That one waits for nobody who waits here, who has nothing ahead and holds no lock.
 * @param looks before it sleeps
 */
export function awaitEndOfAhead(words: Words, ahead: number, participant: Participant, looks: number): void {
  for (let look = 0; look < looks; look++) {
    if (load(words, ahead) === FREE) {
      return;
    }
    pause();
  }
  for (let seen = load(words, ahead); seen !== FREE; seen = load(words, ahead)) {
    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, ahead, seen, contended) === seen) {
      participant.fallAsleep(words, ahead);
      wait(words, ahead, contended);
      participant.wakeUp();
      return;
    }
  }
}

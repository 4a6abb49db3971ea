/** The mutex: threads that add to a counter under it, with and without spinning first. */

import { allocateWords, peek, poke, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { allocateProfile, LockRecorder } from '../../../src/shared/sync/lock-profile.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';
import { lock, lockTagOf, tryLock, unlock, type LockOwner } from '../../../src/shared/sync/mutex.ts';
import { scenario, violate, type Scenario } from '../scenario.ts';

/* As a connection's lock, of which a profile notes no predecessor: nothing but the mutex's word is shared. */
const MUTEX = 1;
const COUNTER = LINE_WORDS;
const WORDS = 2 * LINE_WORDS;

/** With this estimate of how long spinning lasts, a thread does not spin at all; see waitForLock. */
export const NO_SPINS = -5;
/** With this one it looks twice. */
export const TWO_SPINS = -4;

interface Shared {
  words: Words;
}

function increment(words: Words): void {
  poke(words, COUNTER, peek(words, COUNTER) + 1);
}

function contenders(options: {
  threads: number;
  spinEstimate: number;
  rounds: number;
  tries?: boolean;
}): Scenario<Shared> {
  const { threads, spinEstimate, rounds } = options;
  return scenario<Shared>({
    threads,
    build() {
      const words = allocateWords(WORDS);
      return { shared: { words }, regions: [{ name: 'words', words, ranges: [[0, WORDS]] }] };
    },
    attach({ words }, thread) {
      const profile = allocateProfile(threads);
      /* Of two threads one is timed, of three two: all pairs that may meet. */
      const recorder = profile === undefined || thread === 1 ? undefined : new LockRecorder(profile, thread);
      const me: LockOwner = { lockTag: lockTagOf(thread), spinEstimate, recorder };
      let increments = 0;
      return {
        reset() {
          me.spinEstimate = spinEstimate;
          increments = 0;
        },
        run() {
          for (let round = 0; round < rounds; round++) {
            if (options.tries === true && thread === 0) {
              if (!tryLock(words, MUTEX, me, LockClass.connection)) {
                continue;
              }
              poke(words, COUNTER, peek(words, COUNTER));
            } else {
              lock(words, MUTEX, me, LockClass.connection);
              increment(words);
            }
            unlock(words, MUTEX);
            increments++;
          }
        },
        check() {
          const expected = (options.tries === true ? threads - 1 : threads) * rounds;
          if (words[COUNTER] !== expected) {
            violate('lost update', `the counter is ${words[COUNTER]} after ${expected} increments`);
          }
          if (words[MUTEX] !== 0) {
            violate('lock left held', `the mutex is ${words[MUTEX]} at the end`);
          }
        },
      };
    },
    nameOf(_shared, _region, index) {
      return index === MUTEX ? 'mutex' : 'counter';
    },
  });
}

export const two = contenders({ threads: 2, spinEstimate: NO_SPINS, rounds: 2 });
export const twoThatSpin = contenders({ threads: 2, spinEstimate: TWO_SPINS, rounds: 2 });
export const three = contenders({ threads: 3, spinEstimate: NO_SPINS, rounds: 1 });
export const tryLocks = contenders({ threads: 3, spinEstimate: NO_SPINS, rounds: 1, tries: true });

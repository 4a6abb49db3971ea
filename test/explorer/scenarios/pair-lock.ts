/** Two locks at once: threads that want the same pair in opposite order, or one of the two. */

import { allocateWords, peek, poke, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';
import { lockPair, lockTagOf, unlockPair, type LockOwner } from '../../../src/shared/sync/mutex.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { NO_SPINS } from './mutex.ts';

const MUTEXES = [0, LINE_WORDS];
const COUNTERS = [2 * LINE_WORDS, 3 * LINE_WORDS];
const WORDS = 4 * LINE_WORDS;

interface Shared {
  words: Words;
}

/** @param pairs for each thread the pairs that it takes, one after another */
function takers(pairs: readonly (readonly (readonly [number, number])[])[]): Scenario<Shared> {
  const expected = [0, 1].map((mutex) => pairs.flat().filter(([a, b]) => a === mutex || b === mutex).length);
  return scenario<Shared>({
    threads: pairs.length,
    build() {
      const words = allocateWords(WORDS);
      return { shared: { words }, regions: [{ name: 'words', words, ranges: [[0, WORDS]] }] };
    },
    attach({ words }, thread) {
      const me: LockOwner = { lockTag: lockTagOf(thread), spinEstimate: NO_SPINS };
      return {
        reset() {
          me.spinEstimate = NO_SPINS;
        },
        run() {
          for (const [a, b] of pairs[thread]!) {
            lockPair(words, MUTEXES[a]!, MUTEXES[b]!, me, LockClass.bucket);
            for (const counter of a === b ? [a] : [a, b]) {
              poke(words, COUNTERS[counter]!, peek(words, COUNTERS[counter]!) + 1);
            }
            unlockPair(words, MUTEXES[a]!, MUTEXES[b]!);
          }
        },
        check() {
          for (const [i, count] of expected.entries()) {
            if (words[COUNTERS[i]!] !== count) {
              violate('lost update', `counter ${i} is ${words[COUNTERS[i]!]} after ${count} increments`);
            }
            if (words[MUTEXES[i]!] !== 0) {
              violate('lock left held', `mutex ${i} is ${words[MUTEXES[i]!]} at the end`);
            }
          }
        },
      };
    },
    nameOf(_shared, _region, index) {
      const mutex = MUTEXES.indexOf(index);
      return mutex >= 0 ? `mutex ${mutex}` : `counter ${COUNTERS.indexOf(index)}`;
    },
  });
}

export const opposite = takers([[[0, 1]], [[1, 0]]]);
export const three = takers([[[0, 1]], [[1, 0]], [[1, 1]]]);

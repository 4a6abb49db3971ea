/** The limit of a quota pool, as it is given and as it applies. Set from outside at any time, read by all threads. */

import { load, store, type Words } from '../access.ts';
import { IS_MAX, LIMIT } from './quota-layout.ts';

/** A limit word of this value stands for the fallback limit. */
export const USE_FALLBACK = -1;

/** The largest limit. Its 32 bits are those of USE_FALLBACK, so the limit word holds one less, which is as far away. */
const MAX_LIMIT = 0xffffffff;
const NEXT_TO_MAX = 0xfffffffe;

/** The limit in force, in units. @param fallbackLimit word index of the limit that stands for USE_FALLBACK; its value 0: none */
export function limitInForce(words: Words, pool: number, fallbackLimit: number): number {
  const own = load(words, pool + LIMIT);
  if (own !== USE_FALLBACK) {
    return own >>> 0;
  }
  const fallback = load(words, fallbackLimit);
  return fallback === 0 ? MAX_LIMIT : fallback >>> 0;
}

/** The pool's own limit as it was given, from 0 to 2^32 - 1; or USE_FALLBACK. */
export function givenLimit(words: Words, pool: number): number {
  const own = load(words, pool + LIMIT);
  if (own === USE_FALLBACK) {
    return USE_FALLBACK;
  }
  return own >>> 0 === NEXT_TO_MAX && load(words, pool + IS_MAX) !== 0 ? MAX_LIMIT : own >>> 0;
}

/** Takes effect with the next connection, in every thread. @param limit from 0 to 2^32 - 1, or USE_FALLBACK */
export function writeLimit(words: Words, pool: number, limit: number): void {
  store(words, pool + IS_MAX, limit === MAX_LIMIT ? 1 : 0);
  store(words, pool + LIMIT, limit === MAX_LIMIT ? NEXT_TO_MAX : limit);
}

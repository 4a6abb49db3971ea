/** The limit of a quota pool, as it was set and as it applies. Any thread may set it at any time; all threads read it. */

import { load, peek, store, type Words } from '../access.ts';
import { IS_MAX, LIMIT } from './quota-layout.ts';

/** This value of a limit word stands for the fallback limit. */
export const USE_FALLBACK = -1;

/** The largest limit. It has the same 32 bits as USE_FALLBACK, so the word holds one less. Neither is ever reached. */
const MAX_LIMIT = 0xffffffff;
const NEXT_TO_MAX = 0xfffffffe;

/**
 * The limit in force, in credits.
 * @param fallbackLimit word index of the limit that applies instead of USE_FALLBACK; its value 0 means unlimited
 */
export function limitInForce(words: Words, pool: number, fallbackLimit: number): number {
  const own = load(words, pool + LIMIT);
  if (own !== USE_FALLBACK) {
    return own >>> 0;
  }
  const fallback = load(words, fallbackLimit);
  return fallback === 0 ? MAX_LIMIT : fallback >>> 0;
}

const TOP_BIT: number = 1 << 31;

/** Is a number of credits within the limit in force? The limit is read plainly: a hint. */
export function isWithinLimit(words: Words, pool: number, fallbackLimit: number, credits: number): boolean {
  let limit = peek(words, pool + LIMIT);
  if (limit === USE_FALLBACK) {
    /* 0: no limit. As a number without sign, -1 is the largest one. */
    limit = load(words, fallbackLimit);
    limit = limit === 0 ? -1 : limit;
  }
  /* With the top bits flipped, 32-bit numbers compare as numbers without sign. */
  return (credits ^ TOP_BIT) <= (limit ^ TOP_BIT);
}

/** The pool's own limit as it was set: from 0 to 2^32 - 1, or USE_FALLBACK. */
export function givenLimit(words: Words, pool: number): number {
  const own = load(words, pool + LIMIT);
  if (own === USE_FALLBACK) {
    return USE_FALLBACK;
  }
  return own >>> 0 === NEXT_TO_MAX && load(words, pool + IS_MAX) !== 0 ? MAX_LIMIT : own >>> 0;
}

/** Sets the pool's own limit. It applies to the next connection of every thread. @param limit from 0 to 2^32 - 1, or USE_FALLBACK */
export function writeLimit(words: Words, pool: number, limit: number): void {
  store(words, pool + IS_MAX, limit === MAX_LIMIT ? 1 : 0);
  store(words, pool + LIMIT, limit === MAX_LIMIT ? NEXT_TO_MAX : limit);
}

/**
 * The words of a quota pool (quota-pool.ts): a header, then a part for each participant. Each has two cache lines.
 *
 *   header    word 0         1            2         3              5              8
 *           +------------+------------+---------+--------------+--------------+----------+-----
 *           | LIMIT    a | RESERVED m | MUTEX   | GENERATION a | FULL_BELOW a | IS_MAX a |
 *           +------------+------------+---------+--------------+--------------+----------+-----
 *
 *   part      word 0         1              2           3         4
 *           +------------+--------------+-----------+---------+------------+-----
 *           | unused   a | PREFETCHED a | COUNTED o | TAKEN o | RELEASED o |
 *           +------------+--------------+-----------+---------+------------+-----
 *
 *   unused    bit 31 . . . . . . 16   15                 14 . . . . . . . . 0
 *           +-----------------------+------------------+--------------------+
 *           | generation            | CLEAR_FULL_BELOW | unused credits     |
 *           +-----------------------+------------------+--------------------+
 *
 *   a   atomic, see the field   m   written under the mutex, read as a hint   o   atomic, only the owner writes it
 */

import { LINE_WORDS } from '../memory/cache-line.ts';
import { wordLayout } from '../memory/word-layout.ts';

/** Two lines, because some processors fetch lines in pairs: with one line, neighbours would share a pair. */
export const STRIDE_WORDS: number = 2 * LINE_WORDS;

const HeaderWord = wordLayout('the header of a quota pool', STRIDE_WORDS, {
  LIMIT: 1,
  RESERVED: 1,
  MUTEX: 1,
  GENERATION: 1,
  _FREE: 1,
  FULL_BELOW: 1,
  _FREE_TOO: 2,
  IS_MAX: 1,
  _REST: STRIDE_WORDS - 9,
});

/** Atomic: any thread sets it, all read it. */
export const LIMIT: number = HeaderWord.LIMIT;
/** Credits in use and unused credits, | COLLECTING during a collection. */
export const RESERVED: number = HeaderWord.RESERVED;
export const MUTEX: number = HeaderWord.MUTEX;
/** Atomic: written under the mutex. */
export const GENERATION: number = HeaderWord.GENERATION;
/**
 * Every limit below this number is known to be reached; 0: nothing is known. Atomic: a refused thread sets it under the
 * mutex, the first thread that releases a credit after that clears it.
 */
export const FULL_BELOW: number = HeaderWord.FULL_BELOW;
/** 1 if the limit was set to 2^32 - 1. Atomic. It has a meaning only while LIMIT is 2^32 - 2. */
export const IS_MAX: number = HeaderWord.IS_MAX;

/**
 * Offsets in a participant's part. The first word is `unused`. Atomic: the owner takes and releases credits, a participant
 * that collects takes all of them.
 */
const PartWord = wordLayout('the part of a participant in a quota pool', STRIDE_WORDS, {
  UNUSED: 1,
  PREFETCHED: 1,
  COUNTED: 1,
  TAKEN: 1,
  RELEASED: 1,
  _REST: STRIDE_WORDS - 5,
});

/**
 * The owner's lock tag while it has prefetched credits for a batch, | WAITERS if a thread may sleep until the batch ends;
 * else 0. Atomic: the owner writes it, a thread that goes to sleep sets WAITERS.
 */
export const PREFETCHED: number = PartWord.PREFETCHED;
/** Generation of the next two words; -1: none. Only a renewal of the pool writes -1. */
export const COUNTED: number = PartWord.COUNTED;
/** Credits of that generation that the owner has taken, and that it has released. Another thread may have taken the latter. */
export const TAKEN: number = PartWord.TAKEN;
export const RELEASED: number = PartWord.RELEASED;

/** Flag in RESERVED: the sign. The other bits keep the sum from the beginning of the collection. */
export const COLLECTING = -0x8000_0000;
export const RESERVED_MASK = 0x7fff_ffff;

export const GENERATION_SHIFT = 16;
/** Flag in an unused word: the thread that releases a credit into this word must clear FULL_BELOW. */
export const CLEAR_FULL_BELOW: number = 1 << (GENERATION_SHIFT - 1);
export const COUNT_MASK: number = CLEAR_FULL_BELOW - 1;
export const GENERATION_MASK = 0x7fff;

/**
 * Value of FULL_BELOW during a collection. A thread that releases a credit meanwhile clears it, and then the collecting
 * thread does not set FULL_BELOW. The value says that a limit of 0 is reached, which is always true.
 */
export const NOT_SURE = 1;

/**
 * What a quota pool (quota-pool.ts) looks like in memory: a header, then a part for each participant, all of two lines.
 *
 *   header    word 0         1            2         3             5               8
 *           +------------+------------+---------+-------------+---------------+----------+-----
 *           | LIMIT    a | RESERVED m | MUTEX   | GENERATION a| FULL_BELOW  a | IS_MAX a |
 *           +------------+------------+---------+-------------+---------------+----------+-----
 *
 *   participant   word 0         1          2            3          4
 *           +------------+-----------+------------+----------+----------+-----
 *           | unused   a | PREFETCHED   a | COUNTED  o | TAKEN  o | GIVEN  o |
 *           +------------+-----------+------------+----------+----------+-----
 *
 *   unused    bit 31 . . . . . . 16   15     14 . . . . . . . . 0
 *           +-----------------------+------+--------------------+
 *           | generation            | TELL | units lying unused |
 *           +-----------------------+------+--------------------+
 *
 *   a   atomic, see the field   m   changed under the mutex, read as a hint   o   atomic: only the owner writes it
 */

import { LINE_WORDS } from '../memory/cache-line.ts';
import { wordLayout } from '../memory/word-layout.ts';

/** Two lines: processors that fetch lines in pairs would pull neighbours' lines back and forth. */
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

/** Atomic: set from outside, read by all. */
export const LIMIT: number = HeaderWord.LIMIT;
/** Units in use and units lying unused; | COLLECTING while the unused words are being emptied. */
export const RESERVED: number = HeaderWord.RESERVED;
export const MUTEX: number = HeaderWord.MUTEX;
/** Atomic: changed under the mutex. */
export const GENERATION: number = HeaderWord.GENERATION;
/**
 * Limits below this number are known to be reached; 0: nothing known. Atomic: a thread that is refused sets it under the mutex, the
 * first that gives back after that clears it.
 */
export const FULL_BELOW: number = HeaderWord.FULL_BELOW;
/** 1 if the limit was given as 2^32 - 1. Atomic; says nothing unless the limit is 2^32 - 2. */
export const IS_MAX: number = HeaderWord.IS_MAX;

/**
 * Offsets in a participant's part. The first word is `unused`. Atomic: the owner takes units or gives one back, a participant that
 * would be refused takes all.
 */
const PartWord = wordLayout('the part of a participant in a quota pool', STRIDE_WORDS, {
  UNUSED: 1,
  PREFETCHED: 1,
  COUNTED: 1,
  TAKEN: 1,
  GIVEN: 1,
  _REST: STRIDE_WORDS - 5,
});

/**
 * The owner's lock tag while it has units taken ahead for a batch, | WAITERS if somebody sleeps until that is over; else 0. Atomic:
 * the owner writes it, a thread that goes to sleep adds WAITERS.
 */
export const PREFETCHED: number = PartWord.PREFETCHED;
/** The generation that the next two are of, or -1: of none. A renewal writes the latter. */
export const COUNTED: number = PartWord.COUNTED;
/** How many units of that generation the owner has taken so far, and how many it has given back, whoever took them. */
export const TAKEN: number = PartWord.TAKEN;
export const GIVEN: number = PartWord.GIVEN;

/** In RESERVED: the sign. The rest stays what it was when the collection began. */
export const COLLECTING = -0x8000_0000;
export const RESERVED_MASK = 0x7fff_ffff;

export const GENERATION_SHIFT = 16;
/** In an unused word: who gives a unit back clears FULL_BELOW. */
export const TELL: number = 1 << (GENERATION_SHIFT - 1);
export const COUNT_MASK: number = TELL - 1;
export const GENERATION_MASK = 0x7fff;

/**
 * FULL_BELOW while the one who will set it empties the unused words: whoever gives back meanwhile clears it. What it
 * says is that a limit of 0 is reached, which is always so.
 */
export const NOT_SURE = 1;

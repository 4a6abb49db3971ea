/**
 * What a room pool (room-pool.ts) looks like in memory.
 *
 *   header line   0 limit        atomic: set from outside, read by all
 *                 1 reserved     changed under the mutex, read as a hint: units in use + units lying unused;
 *                                | COLLECTING while the unused words are being emptied
 *                 2 mutex
 *                 3 generation   atomic: changed under the mutex
 *                 5 full below   limits below this number are known to be reached; 0: nothing known. atomic: set under
 *                                the mutex by whoever was refused, cleared by whoever gives back first after that
 *                 8 is max       1 if the limit was given as 2^32 - 1. atomic; says nothing unless the limit is 2^32 - 2
 *   then two lines per participant
 *                 0 unused       generation << 16 | TELL | units lying unused. Atomic: the owner takes one or gives one
 *                                back, a refused participant takes all
 *                 1 ahead        the owner's lock tag while it has units taken ahead for a batch, | WAITERS if somebody
 *                                sleeps until that is over; else 0. Atomic: the owner writes it, who sleeps adds WAITERS
 *                 2 counted      the generation that the next two are of. atomic: only the owner writes these three
 *                 3 taken        how many units of that generation the owner has taken so far
 *                 4 given        and how many it has given back, whoever took them
 */

import { LINE_WORDS } from './cache-line.ts';

export const LIMIT = 0;
export const RESERVED = 1;
export const MUTEX = 2;
export const GENERATION = 3;
export const FULL_BELOW = 5;
export const IS_MAX = 8;

/** Offsets from a participant's unused word. */
export const AHEAD = 1;
export const COUNTED = 2;
export const TAKEN = 3;
export const GIVEN = 4;

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

/** Two lines: processors that fetch lines in pairs would pull neighbours' lines back and forth. */
export const STRIDE_WORDS: number = 2 * LINE_WORDS;

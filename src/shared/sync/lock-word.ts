/**
 * The word of a mutex (mutex.ts), bit by bit.
 *
 *   bit 31  30      29 . . . . . . 16   15 . . . . . . . 1   0
 *      +---+-------+-------------------+--------------------+---------+
 *      | 0 | TIMED | site              | participant + 1    | WAITERS |
 *      +---+-------+-------------------+--------------------+---------+
 *
 *   WAITERS          a thread may sleep on this mutex
 *   participant + 1  the owner; 0 when the mutex is free. These bits in place are the owner's lock tag
 *   site             profiled process only: the place in the code that took the mutex (lock-sites.ts)
 *   TIMED            profiled process only: this hold is being timed
 *
 * A profiled process writes the site by the same compare-exchange that takes the mutex. So waiters and the thread that
 * releases can read it, and it costs no store of its own.
 */

export const FREE = 0;
export const WAITERS = 1;
export const SITE_SHIFT = 16;
export const TIMED = 1 << 30;
/** The bits of a lock tag. */
const OWNER_BITS = 0xfffe;

/** The lock tag of participant `id`. */
export function lockTagOf(id: number): number {
  return (id + 1) << 1;
}

/** The owner's tag in a lock word; 0 when it is free. */
export function tagIn(word: number): number {
  return word & OWNER_BITS;
}

/** The participant that a lock word names; -1 when it is free. */
export function holderIn(word: number): number {
  return (tagIn(word) >>> 1) - 1;
}

/** The site that a lock word of a profiled process names. */
export function siteIn(word: number): number {
  return (word & ~TIMED) >>> SITE_SHIFT;
}

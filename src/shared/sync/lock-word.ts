/**
 * What the word of a mutex (mutex.ts) says. Bits:
 *
 *   0       WAITERS: somebody may sleep
 *   1..15   its owner: participant + 1, 0 when it is free. In place, it is the owner's tag
 *   16..29  in a profiled process, the site that took it (lock-sites.ts)
 *   30      in a profiled process, TIMED: how long it is held is measured
 *
 * A profiled process writes where a mutex was taken into the word that takes it: so those who wait for it, and whoever
 * releases it, know the place, and nothing is stored for that.
 */

export const FREE = 0;
export const WAITERS = 1;
export const SITE_SHIFT = 16;
export const TIMED = 1 << 30;
/** The bits of a tag. */
const OWNER_BITS = 0xfffe;

/** The lock tag of participant `id`. */
export function lockTagOf(id: number): number {
  return (id + 1) << 1;
}

/** The tag of the owner in a word; 0: it is free. */
export function tagIn(word: number): number {
  return word & OWNER_BITS;
}

/** The participant that a word names, or -1 when it is free. */
export function holderIn(word: number): number {
  return (tagIn(word) >>> 1) - 1;
}

/** The site that a word names, in a profiled process. */
export function siteIn(word: number): number {
  return (word & ~TIMED) >>> SITE_SHIFT;
}

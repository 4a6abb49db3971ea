/** Size of a cache line on x86-64 and most ARM64 processors. */
export const CACHE_LINE_BYTES = 64;

/** Size of a cache line in 32-bit words. */
export const LINE_WORDS = CACHE_LINE_BYTES / 4;

/** Rounds a number of words up to whole cache lines. */
export function wholeLines(words: number): number {
  return Math.ceil(words / LINE_WORDS) * LINE_WORDS;
}

/** Rounds up to a pair of cache lines: processors fetch lines in pairs. So what different threads write lies in different pairs. */
export function evenLines(words: number): number {
  return Math.ceil(words / (2 * LINE_WORDS)) * 2 * LINE_WORDS;
}

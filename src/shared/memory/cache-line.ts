/** Bytes that processors move between caches as one piece (x86-64 and most ARM64). */
export const CACHE_LINE_BYTES = 64;

/** The same in 32-bit words. */
export const LINE_WORDS = CACHE_LINE_BYTES / 4;

/** Rounds up to whole cache lines, in words. */
export function wholeLines(words: number): number {
  return Math.ceil(words / LINE_WORDS) * LINE_WORDS;
}

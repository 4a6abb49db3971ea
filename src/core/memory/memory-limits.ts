/** What fits one table: the parts are limited one by one (memory.ts), and their sum here. */

import { UsageError } from '../errors.ts';
import { RECORD_SPAN, UNIT_WORDS } from '../table/conn.ts';

/** The parts of a table's memory that depend on options. */
export interface MemorySizes {
  bucketBits: number;
  maxConnections: number;
  maxParticipants: number;
}

/**
 * Words of the largest table, which are less than 4 GiB: records are named by numbers below RECORD_SPAN, counted from the start of
 * the region. An array of 4 GiB arrives in another thread without any words, since its bytes are counted in 32 bits there.
 */
export const MAX_MEMORY_WORDS: number = (RECORD_SPAN - 1) * UNIT_WORDS;

const GIB = 2 ** 30;
const WORD_BYTES = 4;

export function gibOf(words: number): string {
  return `${((words * WORD_BYTES) / GIB).toFixed(2)} GiB`;
}

/** The largest number from 1 to `max` that satisfies a condition, which all smaller ones satisfy as well; 0: none does. */
export function largestThat(fits: (value: number) => boolean, max: number): number {
  let low = 0;
  let high = max;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/**
 * Refuses sizes that are right one by one and do not fit together, and says which would.
 * @param wordsOf words of a table of these sizes
 * @throws UsageError
 */
export function checkMemorySize(sizes: MemorySizes, wordsOf: (sizes: MemorySizes) => number): void {
  const words = wordsOf(sizes);
  if (words <= MAX_MEMORY_WORDS) {
    return;
  }
  const { maxConnections, maxParticipants } = sizes;
  const fits = (changed: Partial<MemorySizes>) => wordsOf({ ...sizes, ...changed }) <= MAX_MEMORY_WORDS;
  const connections = largestThat((most) => fits({ maxConnections: most }), maxConnections);
  const participants = largestThat((most) => fits({ maxParticipants: most }), maxParticipants);
  throw new UsageError(
    `${maxConnections} connections with ${maxParticipants} participants (threads at the table) need ${gibOf(words)}, ` +
      `and a table has at most ${gibOf(MAX_MEMORY_WORDS)}: at most ${connections} connections fit with ` +
      `${maxParticipants} participants, or ${participants} participants with ${maxConnections} connections`,
  );
}

/**
 * Allocates, and says what is too much where the system refuses.
 * @param what the memory is for: "the rings of 64 PMDs"
 * @param hint the options that ask for so much
 * @throws UsageError when the system does not give so many words
 */
export function orTooMuch<Memory>(what: string, hint: string, words: number, allocate: () => Memory): Memory {
  try {
    return allocate();
  } catch (error) {
    if (!(error instanceof RangeError)) {
      throw error;
    }
    throw new UsageError(`the system does not give the ${gibOf(words)} for ${what}: ask for less (${hint})`, {
      cause: error,
    });
  }
}

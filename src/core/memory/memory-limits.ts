/** Limits on the total size of a table. table-options.ts limits each option by itself. */

import { ErrorCode } from '../../shared/error-codes.ts';
import { UsageError } from '../errors.ts';
import { RECORD_SPAN, UNIT_WORDS } from '../table/conn.ts';

/** The options that determine the size of a table's memory. */
export interface MemorySizes {
  bucketBits: number;
  maxConnections: number;
  maxParticipants: number;
}

/**
 * Words of the largest table: less than 8 GiB. Record numbers are below RECORD_SPAN, counted from the start of the
 * region. So the index of every word has 31 bits, and V8 keeps it as a small integer.
 */
export const MAX_MEMORY_WORDS: number = (RECORD_SPAN - 1) * UNIT_WORDS;

const GIB = 2 ** 30;
const WORD_BYTES = 4;

export function gibOf(words: number): string {
  return `${((words * WORD_BYTES) / GIB).toFixed(2)} GiB`;
}

/** The largest number from 1 to `max` that satisfies a monotonic condition; 0 if none does. */
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

/** Refuses options whose sum is too large, and says which values fit. */
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
    `${maxConnections} connections with ${maxParticipants} participants (threads of the table) need ${gibOf(words)}, ` +
      `and a table has at most ${gibOf(MAX_MEMORY_WORDS)}: at most ${connections} connections fit with ` +
      `${maxParticipants} participants, or ${participants} participants with ${maxConnections} connections`,
  );
}

/**
 * Calls `allocate`, and explains a refusal of the system.
 * @param what the memory is for: "the rings of 64 PMDs"
 * @param hint the options that determine the size
 * @throws UsageError when the system refuses so much memory
 */
export function orTooMuch<Memory>(what: string, hint: string, words: number, allocate: () => Memory): Memory {
  try {
    return allocate();
  } catch (error) {
    if (!(error instanceof RangeError)) {
      throw error;
    }
    throw new UsageError(`the system refused ${gibOf(words)} of memory for ${what}: reduce ${hint}`, {
      cause: error,
      code: ErrorCode.NO_MEMORY,
    });
  }
}

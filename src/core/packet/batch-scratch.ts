/** A thread's scratch memory for the current batch. */

import { MAX_BATCH } from './batch.ts';
import type { Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { PARSED_WORDS } from './key.ts';

/** Where `parsed` holds a key that was not read from a packet: after the keys of the batch. */
export const SCRATCH_AT: number = MAX_BATCH * PARSED_WORDS;

const PARSED_END: number = (MAX_BATCH + 1) * PARSED_WORDS;
/** Where a block has the packet module's copies of tables. */
const TABLES_AT: number = PARSED_END + LINE_WORDS;
/** Words of these. */
export const TABLE_WORDS: number = 33 * LINE_WORDS;
/** Words of a participant's block of scratch memory: keys, notes, tables. An even number of lines: processors fetch them in pairs. */
export const SCRATCH_BLOCK_WORDS: number = TABLES_AT + TABLE_WORDS;

if (SCRATCH_BLOCK_WORDS % (2 * LINE_WORDS) !== 0) {
  throw new Error('two participants share a pair of cache lines');
}

/** Offsets in `notes`. */
export const NoteWord = {
  /** The VerdictReason of the packet that createConn refused last; 0 otherwise. */
  REFUSAL: 0,
  /** The result of reads that only prefetch. Storing it keeps the compiler from removing the reads. */
  SINK: 1,
  /** Opening bits of the connection that is about to be created; 0: helpers have nothing to do with it. */
  OPENING: 2,
  /** Stale records that the last search under a lock noted (SearchNotes). */
  STALE_COUNT: 3,
  /** Connections under the same hash that it met, with other keys and not dead. */
  OTHERS_MET: 4,
} as const;

export class BatchScratch {
  /** Parse results of the current batch (key.ts), and one more key at SCRATCH_AT. */
  readonly parsed: Int32Array;
  /** Single words (NoteWord). */
  readonly notes: Int32Array;

  /** For the packet module (path/packet-module.ts). */
  readonly tables: Int32Array;

  /** @param words the table's @param block word at which the thread's block begins. Other threads do not use it */
  constructor(words: Words, block: number) {
    this.parsed = words.subarray(block, block + PARSED_END);
    this.notes = words.subarray(block + PARSED_END, block + TABLES_AT);
    this.tables = words.subarray(block + TABLES_AT, block + SCRATCH_BLOCK_WORDS);
  }
}

/** A thread's scratch memory for the current batch. */

import { MAX_BATCH } from './batch.ts';
import { PARSED_WORDS } from './key.ts';

/** Where `parsed` holds a key that was not read from a packet: after the keys of the batch. */
export const SCRATCH_AT: number = MAX_BATCH * PARSED_WORDS;

export class BatchScratch {
  /** Parse results of the current batch (key.ts), and one more key at SCRATCH_AT. */
  readonly parsed: Int32Array = new Int32Array((MAX_BATCH + 1) * PARSED_WORDS);
  /** The VerdictReason of the packet that createConn refused last; 0 otherwise. */
  refusal = 0;
  /** The result of reads that only prefetch. Storing it keeps V8 from removing the reads. */
  sink = 0;
}

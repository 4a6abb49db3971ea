/** A thread's scratch memory for the batch in hand. */

import { MAX_BATCH } from './batch.ts';
import { PARSED_WORDS } from './key.ts';

/** Where in `parsed` a key stands that was not read from a packet: behind those of the batch. */
export const SCRATCH_AT: number = MAX_BATCH * PARSED_WORDS;

export class BatchScratch {
  /** Parse results of the current batch (key.ts), and one more at SCRATCH_AT. */
  readonly parsed: Int32Array = new Int32Array((MAX_BATCH + 1) * PARSED_WORDS);
  /** The VerdictReason of the packet that createConn has just refused; 0 otherwise. */
  refusal = 0;
  /** Keeps reads alive that only pull lines into the cache. */
  sink = 0;
}

/** The packet module as a tracker has it (packet-module.ts). */

import type { CtAction } from '../action.ts';
import type { PacketBatch } from '../packet/batch.ts';

export interface BatchModule {
  /** The current batch was copied beside the table. Only in tests. */
  readonly isStaged: boolean;
  /** Can the module judge this batch? Its packets must lie in the memory of the table. */
  takes(batch: PacketBatch, action: CtAction, count: number): boolean;
  /** As parseAndHash of stage-parse.ts, for a batch that it takes. */
  parseAndHash(batch: PacketBatch, action: CtAction, count: number): number;
  /** As judgeBatch of judge-batch.ts. */
  judgeBatch(batch: PacketBatch, action: CtAction, count: number, now: number): void;
}

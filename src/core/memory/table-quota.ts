/** The quota pool of the table. The pools of the zones lie in the same words (zones/zone-limits.ts). */

import type { Words } from '../../shared/access.ts';
import { QuotaPools } from '../../shared/quota/quota-pool.ts';

export class TableQuota {
  readonly pools: QuotaPools;
  /** The pool in `pools` that counts all connections. */
  readonly pool: number;

  constructor(words: Words, maxParticipants: number, pool: number) {
    this.pools = new QuotaPools({ words, maxParticipants });
    this.pool = pool;
  }
}

/** How many connections the table may have: the quota pool of the table, beside those of the zones in the same words. */

import type { Words } from '../../shared/access.ts';
import { QuotaPools } from '../../shared/quota/quota-pool.ts';

export class TableQuota {
  readonly pools: QuotaPools;
  /** The pool of `pools` for all connections. */
  readonly pool: number;

  constructor(words: Words, maxParticipants: number, pool: number) {
    this.pools = new QuotaPools({ words, maxParticipants });
    this.pool = pool;
  }
}

/** What scenarios of tables have in common. */

import type { Conntrack } from '../../../src/core/conntrack.ts';
import { violate } from '../scenario.ts';

/** Throws unless there are so many connections. */
export function expectLive(ct: Conntrack, live: number): void {
  const { connCount } = ct;
  if (connCount !== live) {
    violate(
      connCount > live ? 'tuple twice' : 'connection not found',
      `there are ${connCount} connections, not ${live}`,
    );
  }
}

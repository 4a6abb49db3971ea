/**
 * A process of its own (node --expose-gc): prints by how many bytes its resident memory grows when it makes a table with the
 * options of its first argument.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';

function residentBytes(): number {
  globalThis.gc!();
  return process.memoryUsage.rss();
}

/* The first table loads and compiles what any table needs. */
new Conntrack({ buckets: 1, maxConnections: 1 }).close();
const before = residentBytes();
const conntrack = new Conntrack(JSON.parse(process.argv[2]!) as ConntrackOptions);
console.log(residentBytes() - before);
conntrack.close();

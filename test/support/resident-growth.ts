/**
 * A program for a process of its own (node --expose-gc). Its first argument are table options. It prints by how many bytes its
 * resident memory grows when it makes that table.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';

function residentBytes(): number {
  globalThis.gc!();
  return process.memoryUsage.rss();
}

/* The first table loads and compiles the code that every table needs. */
new Conntrack({ buckets: 1, maxConnections: 1 }).close();
const before = residentBytes();
const conntrack = new Conntrack(JSON.parse(process.argv[2]!) as ConntrackOptions);
console.log(residentBytes() - before);
conntrack.close();

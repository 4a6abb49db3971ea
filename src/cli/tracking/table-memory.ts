/** Checks the memory for a table before anything starts. */

import { memoryLayout } from '../../core/memory/memory-layout.ts';
import { UsageError } from '../../core/errors.ts';
import { addressSpaceLeft, cgroupMemory, type MemoryLimit, type ReadText } from '../../host/machine-limits.ts';

const DEFAULT_CONNECTIONS = 3_000_000;
const PARTICIPANTS = 32;
/** Memory of an IPv4 connection: its record, and its share of the index. */
const CONNECTION_BYTES = 200;
const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

export interface TableSize {
  buckets: number;
  /** The value of --max-connections; undefined if not given. */
  maxConnections?: number | undefined;
}

/**
 * Refuses a table that exceeds the free address space. If a full table would exceed the memory of the cgroup, refuses it, too, but only
 * if the user chose its size. With the default size it prints a warning: the table takes memory only as it fills.
 * @throws UsageError
 */
export function requireTableMemory({ buckets, maxConnections }: TableSize, read?: ReadText): void {
  const connections = maxConnections ?? DEFAULT_CONNECTIONS;
  const sizes = { bucketBits: Math.log2(buckets), maxConnections: connections, maxParticipants: PARTICIPANTS };
  const reserved = memoryLayout(sizes).end * 4;
  const addresses = addressSpaceLeft(read);
  if (addresses !== undefined && addresses.bytes < reserved) {
    throw new UsageError(
      `not enough memory: a table for ${connections} connections reserves ${mib(reserved)}, and ${textOf(addresses)}: give fewer with --max-connections`,
    );
  }
  const committed = connections * CONNECTION_BYTES;
  const memory = cgroupMemory(read);
  if (memory === undefined || memory.bytes >= committed) {
    return;
  }
  const line = `a table for ${connections} connections takes ${mib(committed)} when it is full, and ${textOf(memory)}: give fewer with --max-connections`;
  if (maxConnections !== undefined) {
    throw new UsageError(`not enough memory: ${line}`);
  }
  process.stderr.write(`ct-bucket: ${line}\n`);
}

function textOf({ bytes, what }: MemoryLimit): string {
  return `${what} has ${mib(bytes)}`;
}

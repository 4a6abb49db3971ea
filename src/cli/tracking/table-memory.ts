/** Checks the memory for a command's table before anything starts. */

import { ErrorCode } from '../../shared/error-codes.ts';
import { UsageError } from '../../core/errors.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { demandOf, memoryProblem } from '../../core/memory/memory-demand.ts';
import type { ReadText } from '../../core/memory/machine-memory.ts';
import { tablePlan } from '../../core/memory/table-plan.ts';
import { participantsOf } from '../../workers/datapath/datapath-parts.ts';

export interface TableSize {
  engine?: EngineName | undefined;
  buckets: number;
  /** PMDs. */
  threads: number;
  /** The value of --max-connections; undefined if not given. */
  maxConnections?: number | undefined;
}

/**
 * Refuses a table that exceeds the free address space. If a full table would exceed the memory of the cgroup or the machine, refuses it,
 * too, but only if the user chose its size. With the default size it prints a warning: the table takes memory only as it fills.
 * @throws UsageError
 */
export function requireTableMemory(
  { engine = 'ct-bucket', buckets, threads, maxConnections }: TableSize,
  read?: ReadText,
): void {
  const chosen = maxConnections === undefined ? {} : { maxConnections };
  const demand = demandOf(tablePlan({ engine, buckets, maxParticipants: participantsOf(threads), ...chosen }));
  const problem = memoryProblem(demand, read);
  if (problem === undefined) {
    return;
  }
  const line = `${problem.text}: give fewer with --max-connections`;
  if (problem.isAtOnce || demand.isChosen) {
    throw new UsageError(`not enough memory: ${line}`, { code: ErrorCode.NO_MEMORY });
  }
  process.stderr.write(`ct-bucket: ${line}\n`);
}

/** Options and results of a count, and the table and the work of one. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import { bucketsFor } from '../../src/core/engines/registry.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { type WorkloadName, workloadOf } from '../workloads/registry.ts';
import { type Phase, SHARED_WORDS, type WorkloadRun } from '../workloads/workload.ts';
import type { OperationCounts } from './recorder.ts';
import type { Stage } from './stages.ts';

export interface CountSampleOptions {
  workload: WorkloadName;
  variant?: string;
  engine: EngineName;
  connections: number;
  batchSize: number;
  /** Connections whose packets come side by side. Default: all. */
  window?: number;
  buckets: number;
  /** Also say which code touches the lines that are left. */
  places?: boolean;
  /** Instructions only: count every round of the second half of the warm-up, of which the least counts. */
  steady?: boolean;
}

/** Sums over all packets of a phase. */
export interface StageCounts {
  /** On the memory of the table. */
  table: OperationCounts;
  /** On the memory of packets. */
  packets: OperationCounts;
  /** Distinct lines that the stage reads and writes, batch by batch. */
  linesRead: number;
  linesWritten: number;
}

/** Distinct lines of a field, batch by batch. */
export interface FieldCounts {
  read: number;
  written: number;
  /** Touched by the batch before as well, or by at least one batch in HOT_SHARE: they stand in the first-level cache. */
  hot: number;
  /** The others, by the stage that touched them first. */
  first: Record<Stage, number>;
}

export interface PhaseCounts {
  name: string;
  packets: number;
  batches: number;
  stages: Record<Stage, StageCounts>;
  /** By name of the field (fields.ts). */
  fields: Record<string, FieldCounts>;
  /** Lines that are not hot and that no stage before `judge` touched: a packet waits for each of them. */
  missesLeft: number;
  /** Those that are not the first one of their packet. */
  missesBeyondFirst: number;
  /** With option `places`: `FIELD: FUNCTION < ITS CALLER < ...` -> lines left that it touches. The most first. */
  places?: Record<string, number>;
}

export interface CountSample {
  phases: PhaseCounts[];
  /** Set if the accounting of the table is wrong. The counts are then void. */
  error?: string;
}

/** Bytes that a whole phase allocates. */
export interface AllocationSample {
  phases: { name: string; bytes: number }[];
}

export interface Prepared {
  conntrack: Conntrack;
  run: WorkloadRun;
  phases: readonly Phase[];
  connections: number;
  /** Checks the table after one run of all phases. */
  fault(): string | undefined;
}

/** Units of capacity for each connection: IPv6 records are twice as large. */
const SPARE_RECORDS = 2;
/** Any fixed key. */
const HASH_KEY = [0x1234567, 0x89abcde] as const;

/** The table and the work of a count, always the same. */
export function preparedOf(options: CountSampleOptions): Prepared {
  const { workload: name, engine, connections, batchSize, buckets } = options;
  const workload = workloadOf(name);
  const variant = options.variant ?? workload.variants[0]!;
  const conntrack = new Conntrack({
    engine,
    buckets: bucketsFor(engine, { threads: 1, buckets }),
    maxConnections: SPARE_RECORDS * (workload.tableConnections?.({ connections, variant }) ?? connections),
    maxParticipants: 4,
    hashSeed: HASH_KEY,
    ...workload.tableOf?.({ connections, variant }),
  });
  const shared = allocateWords(SHARED_WORDS);
  const window = options.window ?? connections;
  const run = workload.make({ variant, batchSize, window, threads: 1, thread: 0, connections, shared });
  run.prepare?.(0, connections);
  return {
    conntrack,
    run,
    phases: workload.phasesOf(variant),
    connections,
    fault: () => {
      const counters = { ...conntrack.counters(), found: 0 };
      return workload.fault({ counters, live: conntrack.connCount, connections, threads: 1, variant });
    },
  };
}

/** What a sample of a workload is asked for, and what it answers: options and a line of JSON. */

import type { Counters } from '../../src/core/counters.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import type { LockProfile } from '../../src/core/inspect/lock-records.ts';
import type { WorkloadName } from '../workloads/registry.ts';

export interface WorkloadSampleOptions {
  workload: WorkloadName;
  /** One of the workload's; default its first. */
  variant?: string;
  engine?: EngineName;
  threads: number;
  /** Of all threads together, or with perThread of each. */
  connections: number;
  perThread?: boolean;
  /** Each thread has a table of its own: what the machine allows where nothing is shared. */
  separateTables?: boolean;
  batchSize: number;
  /** Of each thread, connections whose packets come side by side; default all. */
  window?: number;
  buckets: number;
  /** Memory for all connections is committed before the start. */
  prefaulted: boolean;
  /** Every batch is timed, which costs some time itself. */
  latency?: boolean;
  /** Tables to warm up on, and connections of each, where the defaults take too long. */
  rehearsals?: number;
  rehearsalConnections?: number;
  /** How often the phases are measured, each time on a new table; once unless said. */
  repetitions?: number;
}

export interface PhaseResult {
  name: string;
  ms: number;
  /** Processor time, with one thread. */
  cpuMs?: number;
  packets: number;
  /** Of each thread. */
  threadMs: number[];
}

export interface WorkloadSample {
  /** Of the first repetition. */
  results: PhaseResult[];
  /** Of all, if more than one was asked for. */
  repetitions?: { results: PhaseResult[] }[];
  /** (resident with all connections - resident before the table was made) / connections. */
  bytesPerConnection: number;
  /** Of a batch in the timed phases, if asked for. */
  latencyUs?: { p50: number; p99: number; p999: number };
  counters: Partial<Counters>;
  /** In a profiled process: of the last repetition's first table. */
  profile?: LockProfile;
  /** Set when the accounting of the table is wrong: the sample is then invalid. */
  error?: string;
}

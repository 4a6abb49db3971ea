/** Options and result of a workload sample. */

import type { Counters } from '../../src/core/counters.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import type { LockProfile } from '../../src/core/inspect/lock-records.ts';
import type { WorkloadName } from '../workloads/registry.ts';

export interface WorkloadSampleOptions {
  workload: WorkloadName;
  /** A variant of the workload. Default: its first one. */
  variant?: string;
  engine?: EngineName;
  threads: number;
  /** Connections of all threads together. With `perThread`, of each thread. */
  connections: number;
  perThread?: boolean;
  /** Give each thread a table of its own, for the upper bound of the machine. */
  separateTables?: boolean;
  batchSize: number;
  /** Connections of each thread whose packets come side by side. Default: all. */
  window?: number;
  buckets: number;
  /** Commit memory for all connections before the start. */
  prefaulted: boolean;
  /** Time every batch, which costs some time itself. */
  latency?: boolean;
  /** Rehearsal tables, and connections of each, if the defaults take too long. */
  rehearsals?: number;
  rehearsalConnections?: number;
  /** How often to measure the phases, each time on a new table. Default: once. */
  repetitions?: number;
}

export interface PhaseResult {
  name: string;
  ms: number;
  /** Processor time. Only with one thread. */
  cpuMs?: number;
  /** Packets, flushed connections or calls: see operationsOf (workload.ts). */
  packets: number;
  /** Connections that the phase created. It removed as many. */
  lives?: number;
  /** Duration on each thread. */
  threadMs: number[];
}

export interface WorkloadSample {
  /** Results of the first repetition. */
  results: PhaseResult[];
  /** Results of all repetitions, if there are several. */
  repetitions?: { results: PhaseResult[] }[];
  /** (resident memory with all connections - resident memory before the table was made) / connections. */
  bytesPerConnection: number;
  /** Latency of a batch in the timed phases, with option `latency`. */
  latencyUs?: { p50: number; p99: number; p999: number };
  counters: Partial<Counters>;
  /** Profile of the last repetition's first table, in a profiled process. */
  profile?: LockProfile;
  /** Set if the accounting of the table is wrong. The sample is then invalid. */
  error?: string;
}

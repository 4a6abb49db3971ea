/** The results file of `bench --json`. */

import type { MachineFingerprint } from '../machine/machine.ts';
import type { SimulatedWork } from '../statistics/simulation.ts';

export interface BenchResult {
  /** udp-insert, udp-lookup, tcp-life, tcp-data, ... */
  workload: string;
  /** ct-bucket, ct-scale, baseline, or the name of a peer. */
  engine: string;
  threads: number;
  connections: number;
  /** Packets of all threads together; in phases of flushes, flushed connections or calls. */
  packets: number;
  /** Connections that were created meanwhile. As many were removed. */
  lives?: number;
  medianMs: number;
  runsMs: number[];
  bytesPerConnection?: number;
  /** Memory for all connections was committed before the start. */
  prefaulted?: boolean;
  /** Latency of a batch. */
  latencyUs?: { p50: number; p99: number; p999: number };
  /** Packets per second of the slowest thread / of the fastest. */
  fairness?: number;
  /** The same threads with a table each: the upper bound of the machine itself. */
  control?: { medianMs: number; runsMs: number[] };
}

export interface AgingResult {
  engine: string;
  buckets: number;
  connections: number;
  /** Time from the expiry of a connection to its removal. */
  lagMs: { p50: number; p99: number; max: number };
  sweeperCpuPercent: number;
  nsPerVisited: number;
  nsPerRemoved: number;
  bytesPerConnection: number;
  batchP999RatioToNoSweeper: number;
  /** All connections expire at once: ms until the last one was gone. */
  allAtOnceMs?: number;
  /** The samples in the order of measurement. */
  samples?: unknown[];
}

/** A trial of `bench rate`. */
export interface RateTrialFigures {
  pps: number;
  offered: number;
  dropped: number;
  /** From the due time of a packet to its verdict. */
  latencyUs: { p50: number; p99: number; p999: number };
}

/** A profile of `bench rate` on an engine, with a number of threads and flows. */
export interface RateFigures {
  profile: string;
  engine: string;
  threads: number;
  flows: number;
  /** Highest rate without loss of each run, packets a second. null: every rate lost packets. Empty: no search. */
  highestPps: (number | null)[];
  medianHighestPps?: number;
  /** Connections that begin in a second at that rate. Absent if flows never end. */
  medianConnectionsPerS?: number;
  /** Latencies at shares of the highest rate, one sample for each run. */
  atShares: { share: number; samples: RateTrialFigures[] }[];
  /** Trials at the rate that was asked for, one list for each run. */
  wanted?: { pps: number; runs: RateTrialFigures[][] };
}

/** The measured inputs of the simulation of a workload on an engine. */
export interface SimulationInput {
  workload: string;
  engine: string;
  work: SimulatedWork;
}

export interface ResultsFile {
  /** The command line. Absent in older files. */
  command?: string;
  /** When the measurement ended: ISO 8601, UTC. Absent in older files. */
  finishedAt?: string;
  benchmark: string;
  machine: MachineFingerprint;
  options: Record<string, unknown>;
  results: BenchResult[];
  /** Results with memory that is committed on first use. */
  resultsNotPrefaulted?: BenchResult[];
  aging?: AgingResult[];
  simulation?: SimulationInput[];
  rate?: RateFigures[];
}

/** The results file of `bench --json`, and its reader. */

import { readTextFile } from '../../src/host/input-file.ts';
import { UsageError } from '../../src/core/errors.ts';
import type { MachineFingerprint } from '../machine/machine.ts';
import type { SimulatedWork } from '../statistics/simulation.ts';

export interface BenchResult {
  /** udp-insert, udp-lookup, tcp-life, tcp-data, ... */
  workload: string;
  /** ct-bucket, ct-scale, baseline, or the name of a peer. */
  engine: string;
  threads: number;
  connections: number;
  /** Packets of all threads together. */
  packets: number;
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

/** The measured inputs of the simulation of a workload on an engine. */
export interface SimulationInput {
  workload: string;
  engine: string;
  work: SimulatedWork;
}

export interface ResultsFile {
  benchmark: string;
  machine: MachineFingerprint;
  options: Record<string, unknown>;
  results: BenchResult[];
  /** Results with memory that is committed on first use. */
  resultsNotPrefaulted?: BenchResult[];
  aging?: AgingResult[];
  simulation?: SimulationInput[];
}

/** @throws UsageError */
export function readResultsFile(file: string): ResultsFile {
  const text = readTextFile(file);
  return parseResults(text, file);
}

/** @throws UsageError that names the file and the first thing wrong in it */
export function parseResults(text: string, file: string): ResultsFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new UsageError(`${file} is not JSON`);
  }
  const wrong = firstFault(content);
  if (wrong !== undefined) {
    throw new UsageError(`${file} is not a file of benchmark results: ${wrong}`);
  }
  return content as ResultsFile;
}

type Fields = Record<string, unknown>;

function firstFault(content: unknown): string | undefined {
  if (!isFields(content)) {
    return 'no object';
  }
  const { machine, results, aging, simulation, options } = content;
  if (options !== undefined && !isFields(options)) {
    return 'options are no object';
  }
  if (!isFields(machine) || typeof machine['cpu'] !== 'string' || typeof machine['cores'] !== 'number') {
    return 'machine is missing';
  }
  if (!Array.isArray(results)) {
    return 'results is missing';
  }
  for (const [index, result] of results.entries()) {
    const fault = resultFault(result);
    if (fault !== undefined) {
      return `results[${index}].${fault}`;
    }
  }
  if (aging !== undefined && !Array.isArray(aging)) {
    return 'aging is no list';
  }
  return simulation !== undefined && !Array.isArray(simulation) ? 'simulation is no list' : undefined;
}

function resultFault(result: unknown): string | undefined {
  if (!isFields(result)) {
    return 'workload is missing';
  }
  for (const name of ['workload', 'engine']) {
    if (typeof result[name] !== 'string') {
      return `${name} is no text`;
    }
  }
  for (const name of ['threads', 'connections', 'packets', 'medianMs']) {
    if (!isPositive(result[name])) {
      return `${name} is no positive number`;
    }
  }
  const runs = result['runsMs'];
  return Array.isArray(runs) && runs.length > 0 && runs.every(isPositive) ? undefined : 'runsMs is no list of times';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

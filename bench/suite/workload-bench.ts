/** Measures workloads, engines and numbers of threads in turn, each sample in a fresh process. */

import type { EngineName } from '../../src/core/engines/engine.ts';
import { UsageError } from '../../src/core/errors.ts';
import { machineFingerprint } from '../machine/machine.ts';
import type { BenchResult, ResultsFile, SimulationInput } from '../report/results-file.ts';
import { showProgress, takeSample, type TakeSample } from '../samples/samples.ts';
import { measureInputs, measureLineTransferNs } from '../statistics/simulation-inputs.ts';
import { median } from '../statistics/statistics.ts';
import type { PhaseResult, WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../workloads/registry.ts';
import type { WorkloadChoice } from '../workloads/workload.ts';

export interface WorkloadBenchOptions {
  workload: WorkloadName;
  /** Default: those of the workload. */
  variants?: readonly string[];
  engines: readonly EngineName[];
  threads: readonly number[];
  connections: number;
  perThread?: boolean;
  runs: number;
  batch: number;
  /** Connections of each thread whose packets come side by side, in workloads with conversations. */
  window?: number;
  buckets: number;
  /** For two threads and more, also measure a table for each thread. Default: yes. */
  control?: boolean;
  /** Add a run of each set with every batch timed. */
  latency?: boolean;
  /** Add a run of ct-bucket with memory committed on first use, for the memory per connection. Default: yes. */
  memory?: boolean;
  /** Add a profiled run on one thread, for the simulation of more threads. Default: yes. */
  predict?: boolean;
  /** Shorter warm-up: connections of each of three rehearsal tables. */
  rehearsalConnections?: number;
}

/** Decides how much is measured, and how samples are taken. */
export interface BenchConduct {
  take?: TakeSample;
  /** Clock that measures `roundMs`. */
  nowMs?: () => number;
  /** Called after each round. Default: continue up to the number of runs. */
  mayRunAgain?: (done: number, roundMs: number) => boolean;
  /** Called before the inputs of the simulation are measured. */
  mayPredict?: () => boolean;
}

/** The accounting of a run is wrong, so its figures are invalid. */
export class VoidRunError extends Error {}

type Kind = 'shared' | 'control' | 'latency' | 'cold';

interface SampleSet {
  variant: string;
  engine: EngineName;
  threads: number;
  kind: Kind;
  samples: WorkloadSample[];
}

function describe({ engine, threads, kind, variant }: SampleSet, workload: string): string {
  const what = {
    shared: '',
    control: ', a table each',
    latency: ', timing batches',
    cold: ', memory not committed before',
  }[kind];
  return `${workload}${variant === '' ? '' : ` ${variant}`}, ${engine}, ${threads} thread${threads === 1 ? '' : 's'}${what}`;
}

function variantsOf({ workload, variants }: Pick<WorkloadBenchOptions, 'workload' | 'variants'>): readonly string[] {
  return variants ?? workloadOf(workload).variants;
}

/** @throws UsageError if the work is not possible */
export function requirePossible(workload: WorkloadName, choices: readonly WorkloadChoice[]): void {
  for (const choice of choices) {
    const limit = workloadOf(workload).limit?.(choice);
    if (limit !== undefined) {
      throw new UsageError(limit);
    }
  }
}

/** @throws UsageError if a sample's threads would touch each other's shards (samples/steered.ts) */
export function requireSteered(
  workload: WorkloadName,
  engines: readonly EngineName[],
  threads: readonly number[],
): void {
  if (engines.includes('shards') && Math.max(...threads) > 1 && workloadOf(workload).grid === undefined) {
    const those = WORKLOAD_NAMES.filter((name) => workloadOf(name).grid !== undefined);
    throw new UsageError(
      `${workload} has --engine shards with --threads 1 only: its packets cannot be steered to the threads, those of ${those.join(', ')} can`,
    );
  }
}

function setsOf(options: WorkloadBenchOptions): SampleSet[] {
  const { engines, threads, control = true, latency = false, memory = true } = options;
  return variantsOf(options).flatMap((variant) =>
    threads.flatMap((count) =>
      engines.flatMap((engine) => {
        const kinds: Kind[] = ['shared'];
        if (control && count > 1 && engine === 'ct-bucket') {
          kinds.push('control');
        }
        if (memory) {
          kinds.push('cold');
        }
        if (latency) {
          kinds.push('latency');
        }
        return kinds.map((kind): SampleSet => ({ variant, engine, threads: count, kind, samples: [] }));
      }),
    ),
  );
}

/**
 * Measures a workload.
 * @param onSample gets each sample, for first figures
 * @throws VoidRunError
 */
export async function benchWorkload(
  options: WorkloadBenchOptions,
  onSample: (what: string, sample: WorkloadSample) => void = () => {},
  conduct: BenchConduct = {},
): Promise<ResultsFile> {
  const { take = takeSample, nowMs = () => performance.now(), mayRunAgain = () => true } = conduct;
  const { workload, connections, perThread = false, runs, batch, window, buckets, rehearsalConnections } = options;
  if (connections < Math.max(...options.threads)) {
    throw new UsageError('--connections must be at least the number of threads');
  }
  const sets = setsOf(options);
  requireSteered(workload, options.engines, options.threads);
  requirePossible(
    workload,
    sets.map(({ variant, threads }) => ({
      variant,
      threads,
      connections: perThread ? connections * threads : connections,
    })),
  );
  /* Measure in turn, so that a drift of the machine affects all alike. */
  let hasTime = true;
  for (let run = 0; run < runs && hasTime; run++) {
    const fromMs = nowMs();
    for (const set of sets) {
      if (run > 0 && (set.kind === 'cold' || set.kind === 'latency')) {
        continue;
      }
      showProgress(`run ${run + 1} of ${runs}: ${describe(set, workload)}`);
      const sample = await take<WorkloadSample>('samples/workload-sample.js', {
        workload,
        variant: set.variant,
        engine: set.engine,
        threads: set.threads,
        connections,
        perThread,
        separateTables: set.kind === 'control',
        batchSize: batch,
        ...(window === undefined ? {} : { window }),
        buckets,
        prefaulted: set.kind !== 'cold',
        latency: set.kind === 'latency',
        ...(rehearsalConnections === undefined ? {} : { rehearsals: 3, rehearsalConnections }),
      } satisfies WorkloadSampleOptions);
      showProgress('');
      if (sample.error !== undefined) {
        throw new VoidRunError(`run ${run + 1} of ${describe(set, workload)} is void: ${sample.error}`);
      }
      set.samples.push(sample);
      onSample(describe(set, workload), sample);
    }
    hasTime = mayRunAgain(run + 1, nowMs() - fromMs);
  }
  const resultsOfKind = (kind: Kind) =>
    sets.filter((set) => set.kind === kind).flatMap((set) => resultsOf(options, sets, set));
  const notPrefaulted = resultsOfKind('cold');
  const results = resultsOfKind('shared');
  const simulation = await simulationOf(options, results, conduct);
  return {
    benchmark: workload,
    machine: machineFingerprint(),
    options: { ...options },
    results,
    ...(simulation.length === 0 ? {} : { simulation }),
    ...(notPrefaulted.length === 0 ? {} : { resultsNotPrefaulted: notPrefaulted }),
  };
}

/** Inputs of the simulation of the first result, for each engine. Empty if they cannot be measured. */
async function simulationOf(
  options: WorkloadBenchOptions,
  results: readonly BenchResult[],
  { take = takeSample, mayPredict = () => true }: BenchConduct,
): Promise<SimulationInput[]> {
  const { workload, engines, connections, batch, buckets, perThread = false, predict = true } = options;
  /* The simulation knows neither flushes nor zones. */
  const hasZones = workloadOf(workload).zones !== undefined;
  if (!predict || perThread || workloadOf(workload).variants.length > 1 || hasZones || !mayPredict()) {
    return [];
  }
  showProgress('measuring what the simulation goes by');
  const lineTransferNs = await measureLineTransferNs(take);
  const inputs: SimulationInput[] = [];
  for (const engine of lineTransferNs === undefined ? [] : engines) {
    const alone = results.filter((result) => result.engine === engine && result.threads === 1);
    const packetNs = Object.fromEntries(
      alone.map((result) => [result.workload, (result.medianMs * 1e6) / result.packets]),
    );
    showProgress(`measuring what the simulation goes by: ${engine}`);
    const input = { workload, engine, connections, batch, buckets, lineTransferNs: lineTransferNs!, packetNs };
    inputs.push(...(await measureInputs(input, take)));
  }
  showProgress('');
  return inputs;
}

function resultsOf(options: WorkloadBenchOptions, sets: readonly SampleSet[], set: SampleSet): BenchResult[] {
  const companion = (kind: Kind) =>
    sets.find(
      (other) =>
        other.kind === kind &&
        other.variant === set.variant &&
        other.engine === set.engine &&
        other.threads === set.threads,
    );
  const cold = companion('cold');
  const latency = companion('latency')?.samples[0]?.latencyUs;
  const control = set.kind === 'shared' ? companion('control') : undefined;
  return set.samples[0]!.results.map((first, index): BenchResult => {
    const phases = set.samples.map((sample) => sample.results[index]!);
    const runsMs = phases.map(({ ms }) => ms);
    const controlMs = control?.samples.map((sample) => sample.results[index]!.ms);
    return {
      workload: first.name,
      engine: set.engine,
      threads: set.threads,
      connections: options.perThread ? options.connections * set.threads : options.connections,
      packets: first.packets,
      ...(first.lives === undefined ? {} : { lives: first.lives }),
      prefaulted: set.kind !== 'cold',
      medianMs: median(runsMs),
      runsMs,
      /* A prefaulted run commits all memory, used or not. Take the figure from the run without prefaulting. */
      ...(cold === undefined ? {} : { bytesPerConnection: cold.samples[0]!.bytesPerConnection }),
      ...(latency === undefined ? {} : { latencyUs: latency }),
      ...(set.threads === 1 ? {} : { fairness: median(phases.map(fairnessOf)) }),
      ...(controlMs === undefined ? {} : { control: { medianMs: median(controlMs), runsMs: controlMs } }),
    };
  });
}

/** Packets per second of the slowest thread / of the fastest. All threads have the same work. */
function fairnessOf({ threadMs }: PhaseResult): number {
  return Math.min(...threadMs) / Math.max(...threadMs);
}

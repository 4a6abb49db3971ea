/** Runs a workload in turn with and without the lock profiler. The difference is the profiler's cost. */

import type { EngineName } from '../../src/core/engines/engine.ts';
import { machineFingerprint, type MachineFingerprint } from '../machine/machine.ts';
import { showProgress, takeSample } from '../samples/samples.ts';
import { median, medianRatio, type Ratio } from '../statistics/statistics.ts';
import { VoidRunError } from '../suite/workload-bench.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import type { WorkloadName } from '../workloads/registry.ts';
import type { LockProfile } from '../../src/core/inspect/lock-records.ts';

export interface ProfileOptions {
  workload: WorkloadName;
  variant?: string;
  engine: EngineName;
  threads: number;
  connections: number;
  batch: number;
  buckets: number;
  /** Connections of each thread that talk side by side, in workloads with conversations. */
  window?: number;
  /** The profiler times one acquisition in this many. */
  sample: number;
  /** Pairs of runs, one with the profiler and one without. */
  runs: number;
}

/** The file that `profile --json` writes. */
export interface ProfileFile {
  format: 'ct-bucket profile';
  what: string;
  machine: MachineFingerprint;
  options: Record<string, unknown>;
  /** Duration of the profiled phases, in the run that this profile is from. */
  durationMs: number;
  profile: LockProfile;
  /** Time with the profiler on / off, and the times of all runs. Absent with a single run. */
  cost?: Ratio & { onMs: number[]; offMs: number[] };
}

export const DEFAULT_SAMPLE_EVERY = 256;

/** @throws VoidRunError */
export async function profileWorkload(options: ProfileOptions): Promise<ProfileFile> {
  const { workload, variant, window, engine, threads, connections, batch, buckets, sample, runs } = options;
  const shape: WorkloadSampleOptions = {
    workload,
    ...(variant === undefined ? {} : { variant }),
    ...(window === undefined ? {} : { window }),
    engine,
    threads,
    connections,
    batchSize: batch,
    buckets,
    prefaulted: true,
  };
  const take = async (isOn: boolean): Promise<WorkloadSample> => {
    const environment = isOn ? { CT_PROFILE: String(sample) } : {};
    const taken = await takeSample<WorkloadSample>('samples/workload-sample.js', shape, environment);
    if (taken.error !== undefined) {
      throw new VoidRunError(`a run of ${workload} is void: ${taken.error}`);
    }
    return taken;
  };
  const timeOf = ({ results }: WorkloadSample) => results.reduce((sum, { ms }) => sum + ms, 0);
  const on: WorkloadSample[] = [];
  const offMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    showProgress(`run ${run + 1} of ${runs}: ${workload}, profiled and not`);
    /* Alternate the order, so that neither side always runs first. */
    if (run % 2 === 0) {
      on.push(await take(true));
      offMs.push(timeOf(await take(false)));
    } else {
      offMs.push(timeOf(await take(false)));
      on.push(await take(true));
    }
  }
  showProgress('');
  const onMs = on.map(timeOf);
  /* The median run stands for all. */
  const middle = on.toSorted((a, b) => timeOf(a) - timeOf(b))[Math.floor((runs - 1) / 2)]!;
  return {
    format: 'ct-bucket profile',
    what: `${workload}${variant === undefined ? '' : ` ${variant}`}, ${engine}, ${threads} thread${threads === 1 ? '' : 's'}`,
    machine: machineFingerprint(),
    options: { ...options },
    durationMs: timeOf(middle),
    profile: middle.profile!,
    ...(runs < 2 ? {} : { cost: { ...medianRatio(onMs, offMs), onMs, offMs } }),
  };
}

/** A line with the profiler's cost. */
export function costLine({ cost, profile }: ProfileFile): string {
  if (cost === undefined) {
    return `acquisitions and holds sampled 1/${profile.sampleEvery}; the cost of profiling was not measured (--runs 2 and more)`;
  }
  const change = (ratio: number) => `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
  return (
    `acquisitions and holds sampled 1/${profile.sampleEvery}; profiling cost ${change(cost.ratio)} (${change(cost.low)} to ${change(cost.high)}): ` +
    `${median(cost.onMs).toFixed(1)} ms against ${median(cost.offMs).toFixed(1)} ms, medians of ${cost.onMs.length} runs in turn`
  );
}

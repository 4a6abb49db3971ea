/** Runs a workload in turn with and without the lock profiler. The difference is the profiler's cost. */

import type { EngineName } from '../../src/core/engines/engine.ts';
import { counted } from '../../src/host/terminal.ts';
import { machineFingerprint, type MachineFingerprint } from '../machine/machine.ts';
import { IN_JAVASCRIPT, showProgress, takeSample } from '../samples/samples.ts';
import { median, medianRatio, type Ratio } from '../statistics/statistics.ts';
import { VoidRunError } from '../suite/workload-bench.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import type { WorkloadName } from '../workloads/registry.ts';
import type { LockProfile } from '../../src/core/inspect/lock-records.ts';

export interface ProfileOptions {
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

/** A run with the profiler has a profile. */
export interface ProfileRun {
  durationMs: number;
  profile?: LockProfile;
}

/** Runs a piece of work in turn with and without the profiler. */
export interface Profiling {
  /** A name of the work, for the user. */
  what: string;
  /** What the file records of the command's options. */
  options: Record<string, unknown>;
  runs: number;
  take(isProfiled: boolean): Promise<ProfileRun>;
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
export function profileWorkload(
  workload: WorkloadName,
  { variant, window, engine, threads, connections, batch, buckets, sample, runs }: ProfileOptions,
): Promise<ProfileFile> {
  const shape = {
    workload,
    ...(variant === undefined ? {} : { variant }),
    ...(window === undefined ? {} : { window }),
    engine,
    threads,
    connections,
    buckets,
  };
  const sampleOptions: WorkloadSampleOptions = { ...shape, batchSize: batch, prefaulted: true };
  return profileInTurn({
    what: `${workload}${variant === undefined ? '' : ` ${variant}`}, ${engine}, ${counted(threads, 'thread')}`,
    options: { ...shape, batch, sample, runs },
    runs,
    async take(isProfiled) {
      const environment = isProfiled ? { CT_PROFILE: String(sample) } : IN_JAVASCRIPT;
      const taken = await takeSample<WorkloadSample>('samples/workload-sample.js', sampleOptions, environment);
      if (taken.error !== undefined) {
        throw new VoidRunError(`a run of ${workload} is void: ${taken.error}`);
      }
      const durationMs = taken.results.reduce((sum, { ms }) => sum + ms, 0);
      return { durationMs, ...(taken.profile === undefined ? {} : { profile: taken.profile }) };
    },
  });
}

/** Takes the pairs of runs. A single run has the profiler on, and tells nothing of the cost. */
export async function profileInTurn({ what, options, runs, take }: Profiling): Promise<ProfileFile> {
  const on: ProfileRun[] = [];
  const offMs: number[] = [];
  const takeOff = async () => {
    if (runs > 1) {
      offMs.push((await take(false)).durationMs);
    }
  };
  try {
    for (let run = 0; run < runs; run++) {
      showProgress(`run ${run + 1} of ${runs}: ${what}, profiled${runs < 2 ? '' : ' and not'}`);
      /* Alternate the order, so that neither side always runs first. */
      if (run % 2 === 1) {
        await takeOff();
      }
      on.push(await take(true));
      if (run % 2 === 0) {
        await takeOff();
      }
    }
  } finally {
    showProgress('');
  }
  const onMs = on.map(({ durationMs }) => durationMs);
  /* The median run stands for all. */
  const middle = on.toSorted((a, b) => a.durationMs - b.durationMs)[Math.floor((runs - 1) / 2)]!;
  return {
    format: 'ct-bucket profile',
    what,
    machine: machineFingerprint(),
    options,
    durationMs: middle.durationMs,
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

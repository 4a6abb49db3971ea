/** Measures the inputs of the simulation: hold time and frequency of each lock, and the time of a cache line transfer. */

import type { EngineName } from '../../src/core/engines/engine.ts';
import { engineKind } from '../../src/core/engines/registry.ts';
import type { LockProfile } from '../../src/core/inspect/lock-records.ts';
import { holdNsOf, meanOf, sumOfFigures } from '../profile/model.ts';
import type { SimulationInput } from '../report/results-file.ts';
import { takeSample, type TakeSample } from '../samples/samples.ts';
import type { CriticalSection } from './simulation.ts';
import { median } from './statistics.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import type { WorkloadName } from '../workloads/registry.ts';

/** The profiler times one hold in this many. */
const SAMPLE_EVERY = 16;
/** Locks taken less often than this per packet have no effect, and are left out. */
const LEAST_SHARE = 0.002;
const LEAST_HOLD_NS = 5;
/** Lines that a global lock moves: its own, and the one of the list or queue, which the last holder has written too. */
const GLOBAL_LOCK_LINES = 2;

/** Time to fetch a line that another core wrote, ns. undefined with a single core. */
export async function measureLineTransferNs(take: TakeSample = takeSample): Promise<number | undefined> {
  const { ns } = await take<{ ns: number | null }>('samples/line-transfer-sample.js', {});
  return ns ?? undefined;
}

export interface InputOptions {
  workload: WorkloadName;
  engine: EngineName;
  connections: number;
  batch: number;
  buckets: number;
  lineTransferNs: number;
  /** ns for a packet by result, measured on one thread without the profiler. */
  packetNs: Record<string, number>;
}

/** Time of two readings of the clock, ns. Every timed hold includes it. */
function clockNs(): number {
  const differences = Array.from({ length: 20_001 }, () => {
    const from = performance.now();
    return (performance.now() - from) * 1e6;
  });
  return median(differences.slice(1000));
}

/** Inputs for the first result of a workload. Only workloads with one timed phase are exact, since the profile covers all phases. */
export async function measureInputs(options: InputOptions, take: TakeSample = takeSample): Promise<SimulationInput[]> {
  const { workload, engine, connections, batch, buckets, lineTransferNs, packetNs } = options;
  const sample = await take<WorkloadSample>(
    'samples/workload-sample.js',
    {
      workload,
      engine,
      threads: 1,
      connections,
      batchSize: batch,
      buckets,
      prefaulted: true,
    } satisfies WorkloadSampleOptions,
    { CT_PROFILE: String(SAMPLE_EVERY) },
  );
  if (sample.profile === undefined || sample.results.length === 0) {
    return [];
  }
  const [first] = sample.results;
  const name = first!.name;
  if (packetNs[name] === undefined) {
    return [];
  }
  const sections = sectionsOf(sample.profile, {
    packets: first!.packets,
    connections,
    buckets: engineKind(engine).hasBuckets ? buckets : 1,
  });
  const heldNs = sections.reduce((sum, { holdNs, share = 1 }) => sum + holdNs * share, 0);
  const outsideNs = Math.max(1, packetNs[name] - heldNs);
  return [{ workload: name, engine, work: { outsideNs, sections, lineTransferNs } }];
}

function sectionsOf(
  profile: LockProfile,
  { packets, connections, buckets }: { packets: number; connections: number; buckets: number },
): CriticalSection[] {
  const clock = clockNs();
  const records = profile.threads.flatMap(({ sites }) => sites);
  return profile.sites.flatMap(({ lock }, site): CriticalSection[] => {
    const figures = sumOfFigures(records.filter((record) => record.site === site));
    const share = figures.acquisitions / packets;
    if (share < LEAST_SHARE || figures.hold.count === 0 || holdNsOf(figures) === 0) {
      return [];
    }
    const locks = lock === 'connection' ? connections : lock === 'bucket' ? buckets : 1;
    const lines = locks === 1 && lock === 'bucket' ? GLOBAL_LOCK_LINES : 1;
    return [{ locks, lines, holdNs: Math.max(LEAST_HOLD_NS, meanOf(figures.hold) - clock), share: Math.min(1, share) }];
  });
}

/** `ct-bucket bench aging`: when connections are removed, what the sweeper costs, and how it slows PMDs. */

import type { EngineName } from '../../src/core/engines/engine.ts';
import { engineKind } from '../../src/core/engines/registry.ts';
import type { AgingSample, AgingSampleOptions } from './aging-sample.ts';
import { machineFingerprint } from '../machine/machine.ts';
import type { AgingResult, ResultsFile } from '../report/results-file.ts';
import { showProgress, takeSample, type TakeSample } from '../samples/samples.ts';
import { counted, thousands as groups } from '../../src/host/terminal.ts';
import { median } from '../statistics/statistics.ts';
import { VoidRunError } from '../suite/workload-bench.ts';

export interface AgingBenchOptions {
  engines: readonly EngineName[];
  /** Numbers of buckets for ct-bucket. The other engines have one. */
  buckets: readonly number[];
  connections: readonly number[];
  /** Number of PMDs. */
  threads: number;
  runs: number;
  /** Makes the phases shorter, for `npm run bench`. */
  isQuick?: boolean;
}

const FEWEST_FOR_MEMORY = 200_000;

interface AgingSet {
  engine: EngineName;
  buckets: number;
  connections: number;
  samples: AgingSample[];
}

/** @param say gets a line for each sample. @throws VoidRunError */
export async function benchAging(
  options: AgingBenchOptions,
  say: (line: string) => void = () => {},
  take: TakeSample = takeSample,
): Promise<ResultsFile> {
  const { engines, buckets, connections, threads, runs, isQuick = false } = options;
  const sets: AgingSet[] = connections.flatMap((count) =>
    engines.flatMap((engine) =>
      (engineKind(engine).hasBuckets ? buckets : [1]).map(
        (each): AgingSet => ({ engine, buckets: each, connections: count, samples: [] }),
      ),
    ),
  );
  for (let run = 0; run < runs; run++) {
    for (const set of sets) {
      const what = `aging, ${set.engine}, ${counted(set.buckets, 'bucket')}, ${groups(set.connections)} connections`;
      showProgress(`run ${run + 1} of ${runs}: ${what}`);
      const sample = await take<AgingSample>('aging/aging-sample.js', {
        engine: set.engine,
        buckets: set.buckets,
        connections: set.connections,
        threads,
        isQuick,
      } satisfies AgingSampleOptions);
      showProgress('');
      if (sample.error !== undefined) {
        throw new VoidRunError(`run ${run + 1} of ${what} is void: ${sample.error}`);
      }
      set.samples.push(sample);
      if (run === 0) {
        say(
          `${what}: removed ${sample.lagMs.p50.toFixed(0)} ms (p50), ${sample.lagMs.p99.toFixed(0)} ms (p99) after expiry`,
        );
      }
    }
  }
  return {
    benchmark: 'aging',
    machine: machineFingerprint(),
    options: { ...options },
    results: [],
    aging: sets.map(agingResult),
  };
}

function agingResult({ engine, buckets, connections, samples }: AgingSet): AgingResult {
  const of = (value: (sample: AgingSample) => number | undefined): number => {
    const values = samples.map(value).filter((each) => each !== undefined);
    return values.length === 0 ? Number.NaN : median(values);
  };
  return {
    engine,
    buckets,
    connections,
    lagMs: {
      p50: of(({ lagMs }) => lagMs.p50),
      p99: of(({ lagMs }) => lagMs.p99),
      max: Math.max(...samples.map(({ lagMs }) => lagMs.max)),
    },
    allAtOnceMs: of(({ allAtOnceMs }) => allAtOnceMs),
    sweeperCpuPercent: of(({ sweeperCpuPercent }) => sweeperCpuPercent),
    nsPerVisited: of(({ nsPerVisited }) => nsPerVisited),
    nsPerRemoved: of(({ nsPerRemoved }) => nsPerRemoved),
    /* The rehearsal has already committed the memory of a few connections, so the figure would be too small. */
    bytesPerConnection:
      connections < FEWEST_FOR_MEMORY ? Number.NaN : of(({ bytesPerConnection }) => bytesPerConnection),
    batchP999RatioToNoSweeper: of(({ latencyUs }) => latencyUs.with.p999 / latencyUs.without.p999),
    samples,
  };
}

/** `npm run bench`: what a newcomer wants to see first, within a minute and a half. */

import { ENGINES } from '../src/core/engines/engine.ts';
import { benchAging } from './aging.ts';
import { machineFingerprint } from './machine.ts';
import type { ResultsFile } from './report/results-file.ts';
import { benchWorkload } from './workload-bench.ts';
import type { WorkloadSample } from './workload-sample.ts';

export interface SuiteOptions {
  threads: readonly number[];
  connections: number;
  runs: number;
  batch: number;
  buckets: number;
}

/** @param say for first figures, as they come. @throws VoidRunError */
export async function runSuite(options: SuiteOptions, say: (line: string) => void): Promise<ResultsFile> {
  const { threads, connections, runs, batch, buckets } = options;
  const told = new Set<string>();
  const onSample = (what: string, { results }: WorkloadSample) => {
    if (!told.has(what)) {
      told.add(what);
      const figures = results.map(
        ({ name, ms, packets }) => `${name} ${((ms * 1e6) / packets).toFixed(0)} ns a packet`,
      );
      say(`${what}: ${figures.join(', ')}`);
    }
  };
  const common = { engines: ENGINES, threads, batch, buckets, latency: false };
  const insert = await benchWorkload(
    { ...common, workload: 'insert', connections, runs, memory: false, rehearsalConnections: 100_000 },
    onSample,
  );
  const life = await benchWorkload(
    {
      ...common,
      workload: 'tcp-life',
      window: 4096,
      predict: false,
      rehearsalConnections: 40_000,
      connections: Math.ceil(connections / 8),
      runs,
      memory: false,
    },
    onSample,
  );
  const aging = await benchAging(
    {
      engines: ['ct-bucket'],
      buckets: [buckets],
      connections: [Math.ceil(connections / 2)],
      threads: 1,
      runs: 1,
      isQuick: true,
    },
    say,
  );
  return {
    benchmark: 'suite',
    machine: machineFingerprint(),
    options: { ...options },
    results: [...insert.results, ...life.results],
    ...(insert.simulation === undefined ? {} : { simulation: insert.simulation }),
    aging: aging.aging!,
  };
}

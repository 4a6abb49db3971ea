/**
 * The flood benchmark: how much of its speed established traffic keeps on one PMD while another PMD is flooded. It measures a
 * full table that evicts, a full table that refuses, and a table that can hold everything.
 */

import Table from 'cli-table3';
import { UsageError } from '../../src/core/errors.ts';
import type { FloodMode, FloodSample, FloodSampleOptions } from './flood-sample.ts';
import { machineFingerprint, type WatchedResults } from '../machine/machine.ts';
import { range, showProgress, takeSample } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';

export interface FloodBenchOptions {
  connections: number;
  table: number;
  established: number;
  runs: number;
  batch: number;
  buckets: number;
}

/** Measured in turn, so that a drift of the machine affects all alike. */
const MODES: readonly FloodMode[] = ['room', 'early-drop', 'refuse'];

interface FloodResult {
  workload: 'flood';
  engine: 'ct-bucket';
  mode: FloodMode;
  connections: number;
  table: number;
  established: number;
  medianEstablishedPps: number;
  establishedPps: number[];
  /** Median of established packets per second / the same with a table that holds everything. */
  toRoom: number;
  medianFloodPps: number;
  floodPps: number[];
  floodMs: number[];
  /** Packets of established connections whose connection was gone, over all runs. */
  establishedLost: number;
  evicted: number[];
  refused: number[];
}

/** Runs the benchmark and prints a table. @returns false if the accounting of a run was wrong */
export async function runFloodBench(
  options: FloodBenchOptions,
  onResults: (results: WatchedResults) => void,
): Promise<boolean> {
  const { connections, table, established, runs, batch, buckets } = options;
  if (batch < 2 || batch % 2 !== 0) {
    throw new UsageError(`--batch must be even, since a batch holds both directions of each connection, not ${batch}`);
  }
  if (established >= table) {
    throw new UsageError(`--established (${established}) must be less than --table (${table})`);
  }
  const sets = MODES.map((mode) => ({ mode, samples: [] as FloodSample[] }));
  for (let run = 0; run < runs; run++) {
    for (const { mode, samples } of sets) {
      showProgress(`run ${run + 1} of ${runs}: ${mode}`);
      const sample = await takeSample<FloodSample>('flood/flood-sample.js', {
        mode,
        connections,
        table,
        established,
        batchSize: batch,
        buckets,
      } satisfies FloodSampleOptions);
      if (sample.error !== undefined) {
        showProgress('');
        console.error(`ct-bucket: run ${run + 1} with ${mode} is void: ${sample.error}`);
        return false;
      }
      samples.push(sample);
    }
  }
  showProgress('');

  const pps = (samples: readonly FloodSample[]) => median(samples.map((sample) => sample.establishedPps));
  const results = sets.map(
    ({ mode, samples }): FloodResult => ({
      workload: 'flood',
      engine: 'ct-bucket',
      mode,
      connections,
      table,
      established,
      medianEstablishedPps: pps(samples),
      establishedPps: samples.map((sample) => sample.establishedPps),
      toRoom: pps(samples) / pps(sets[0]!.samples),
      medianFloodPps: median(samples.map((sample) => sample.floodPps)),
      floodPps: samples.map((sample) => sample.floodPps),
      floodMs: samples.map((sample) => sample.floodMs),
      establishedLost: samples.reduce((sum, sample) => sum + sample.strangers, 0),
      evicted: samples.map((sample) => sample.evicted),
      refused: samples.map((sample) => sample.refused),
    }),
  );
  printTable(results, options);
  onResults({ benchmark: 'flood', machine: machineFingerprint(), options, results });
  return true;
}

function printTable(results: readonly FloodResult[], options: FloodBenchOptions): void {
  const { connections, runs, batch, buckets, table: full, established } = options;
  const table = new Table({
    head: ['table', 'est. Mpps', 'range', '/ room', 'flood Mpps', 'est. lost', 'evicted', 'refused'],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array.from({ length: 7 }, () => 'right' as const)],
  });
  for (const result of results) {
    table.push([
      result.mode,
      (result.medianEstablishedPps / 1e6).toFixed(2),
      range(
        result.establishedPps.map((each) => each / 1e6),
        2,
      ),
      result.toRoom.toFixed(2),
      (result.medianFloodPps / 1e6).toFixed(2),
      String(result.establishedLost),
      range(result.evicted),
      range(result.refused),
    ]);
  }
  console.log(
    `Flood of ${connections} connections of one packet on one PMD into a table of ${full}, ${established} of them\n` +
      `established with traffic in both directions on another PMD; ${buckets} buckets, batches of ${batch}.\n` +
      `Median of ${runs} runs, each in a fresh process. Mode room: the table can hold the whole flood.`,
  );
  console.log(table.toString());
}

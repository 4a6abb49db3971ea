/** The insertion benchmark: how long a million connections take to insert and to look up again, by threads. */

import Table from 'cli-table3';
import type { InsertSample, InsertSampleOptions } from './insert-sample.ts';
import { machineFingerprint } from './machine.ts';
import { range, requireWritable, showProgress, takeSample, writeJson } from './samples.ts';
import { median } from './statistics.ts';

export interface InsertBenchOptions {
  threads: number[];
  connections: number;
  runs: number;
  batch: number;
  buckets: number;
  json?: string;
}

interface InsertResult {
  workload: 'udp-insert' | 'udp-lookup';
  engine: 'ct-bucket';
  threads: number;
  connections: number;
  packets: number;
  /** Memory for all connections was committed before the start. */
  prefaulted: boolean;
  medianMs: number;
  runsMs: number[];
  bytesPerConnection: number;
}

/** Runs the benchmark, prints a table, writes the JSON file. @returns false if the books of a run did not balance */
export async function runInsertBench(options: InsertBenchOptions): Promise<boolean> {
  if (options.json !== undefined) {
    /* Not after minutes of measuring. */
    requireWritable(options.json);
  }
  const { threads, connections, runs, batch, buckets } = options;
  /* In turn, so that a drift of the machine meets all alike. */
  const sets = threads.flatMap((count) => [
    { threads: count, prefaulted: true, samples: [] as InsertSample[] },
    { threads: count, prefaulted: false, samples: [] as InsertSample[] },
  ]);
  for (let run = 0; run < runs; run++) {
    for (const set of sets) {
      showProgress(`run ${run + 1} of ${runs}: ${set.threads} threads${set.prefaulted ? ', prefaulted' : ''}`);
      const sample = takeSample<InsertSample>('insert-sample.js', {
        threads: set.threads,
        prefaulted: set.prefaulted,
        connections,
        batchSize: batch,
        buckets,
      } satisfies InsertSampleOptions);
      if (sample.error !== undefined) {
        showProgress('');
        console.error(`ct-bucket: run ${run + 1} with ${set.threads} threads is void: ${sample.error}`);
        return false;
      }
      set.samples.push(sample);
    }
  }
  showProgress('');

  const results: InsertResult[] = sets.flatMap((set) =>
    (['udp-insert', 'udp-lookup'] as const).map((workload) => {
      const runsMs = set.samples.map((sample) => (workload === 'udp-insert' ? sample.insertMs : sample.lookupMs));
      /* Prefaulted, the memory is committed whether it is used or not: the figure is that of the other runs. */
      const unprefaulted = sets.find((other) => other.threads === set.threads && !other.prefaulted)!;
      return {
        workload,
        engine: 'ct-bucket',
        threads: set.threads,
        connections,
        packets: connections,
        prefaulted: set.prefaulted,
        medianMs: median(runsMs),
        runsMs,
        bytesPerConnection: median(unprefaulted.samples.map((sample) => sample.bytesPerConnection)),
      };
    }),
  );
  printTable(results, options);
  if (options.json !== undefined) {
    writeJson(options.json, {
      benchmark: 'insert',
      machine: machineFingerprint(),
      options,
      results: results.filter((result) => result.prefaulted),
      resultsNotPrefaulted: results.filter((result) => !result.prefaulted),
    });
  }
  return true;
}

function printTable(results: readonly InsertResult[], options: InsertBenchOptions): void {
  const cores = machineFingerprint().cores;
  const table = new Table({
    head: [
      'threads',
      'insert ms',
      'range',
      'speed-up',
      'lookup ms',
      'range',
      'speed-up',
      'insert, not prefaulted',
      'bytes/conn',
    ],
    style: { head: [], border: [] },
    colAligns: Array.from({ length: 9 }, () => 'right' as const),
  });
  const find = (workload: string, threads: number, prefaulted: boolean) =>
    results.find((r) => r.workload === workload && r.threads === threads && r.prefaulted === prefaulted)!;
  const base = options.threads[0]!;
  for (const threads of options.threads) {
    const insert = find('udp-insert', threads, true);
    const lookup = find('udp-lookup', threads, true);
    const cold = find('udp-insert', threads, false);
    table.push([
      threads > cores ? `${threads} (of ${cores} cores)` : String(threads),
      insert.medianMs.toFixed(1),
      range(insert.runsMs),
      (find('udp-insert', base, true).medianMs / insert.medianMs).toFixed(2),
      lookup.medianMs.toFixed(1),
      range(lookup.runsMs),
      (find('udp-lookup', base, true).medianMs / lookup.medianMs).toFixed(2),
      `${cold.medianMs.toFixed(1)} (${range(cold.runsMs)})`,
      insert.bytesPerConnection.toFixed(1),
    ]);
  }
  const { connections, runs, batch, buckets } = options;
  console.log(
    `UDP insert and lookup of ${connections} connections, ${buckets} buckets, batches of ${batch}, IP checksum verified.`,
  );
  console.log(`Median of ${runs} runs, each in a fresh process; memory for all connections prefaulted unless said.`);
  console.log(table.toString());
}

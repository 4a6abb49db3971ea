/**
 * `ct-bucket bench table`: the table of the review, and this machine's figures beside it. Each thread opens connections of one packet;
 * the figure is the time until all threads have finished.
 *
 * The published figures are those of Gaetan Rivet's review of the RFC patch "conntrack: Split single cmap to multiple buckets", on the
 * mailing list ovs-dev, 27 January 2022: https://mail.openvswitch.org/pipermail/ovs-dev/
 */

import Table from 'cli-table3';
import type { EngineName } from '../../src/core/engines/engine.ts';
import { counted, thousands } from '../../src/host/terminal.ts';
import { machineFingerprint } from '../machine/machine.ts';
import type { ResultsFile } from '../report/results-file.ts';
import { showProgress, takeSample, type TakeSample } from '../samples/samples.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import { type PeerFigure, programName, resultOf, runPeerOnce, sameWork } from './peer.ts';
import { VoidRunError } from './workload-bench.ts';

/** Time to insert 1 million connections, ms, by number of threads. On the reviewer's machine, in C. */
export const PUBLISHED_MS: Readonly<Record<string, readonly number[]>> = {
  baseline: [831, 1177, 1524, 2595],
  'ct-scale': [737, 882, 1000, 1128],
  'ct-bucket': [715, 867, 1012, 1139],
};

export interface ReviewTableOptions {
  engine: readonly EngineName[];
  threads: readonly number[];
  /** Of each thread. */
  connections: number;
  runs: number;
  batch: number;
  buckets: number;
  /** Command of a program that does the same in C: see PeerOptions. */
  command?: string;
  name?: string;
}

const RESULT = 'udp-insert';

/** @throws VoidRunError if a run's accounting is wrong; UsageError if the peer fails or does other work */
export async function measureReviewTable(
  options: ReviewTableOptions,
  take: TakeSample = takeSample,
): Promise<ResultsFile> {
  const { engine: engines, threads, connections, runs, batch, command } = options;
  const figures = new Map<string, { engine: string; all: PeerFigure[] }>();
  const keep = (engine: string, figure: PeerFigure) => {
    const key = `${engine} ${figure.threads}`;
    const entry = figures.get(key) ?? { engine, all: [] };
    entry.all.push(figure);
    figures.set(key, entry);
  };
  for (let run = 0; run < runs; run++) {
    for (const count of threads) {
      const what = `run ${run + 1} of ${runs}: ${counted(count, 'thread')}`;
      const expected = {
        workload: RESULT,
        threads: count,
        connections: count * connections,
        packets: count * connections,
      };
      if (command !== undefined) {
        const name = peerName(options);
        showProgress(`${what}, ${name}`);
        const work = { ...expected, workload: 'insert', window: expected.connections, batch, buckets: options.buckets };
        keep(name, sameWork({ ...expected, ms: 0 }, await runPeerOnce(command, work), name));
      }
      for (const engine of engines) {
        showProgress(`${what}, ${engine}`);
        keep(engine, { ...expected, ms: await insertMs(engine, count, options, take) });
      }
    }
  }
  showProgress('');
  const results = [...figures.values()].map(({ engine, all }) => resultOf(engine, all));
  return { benchmark: 'table', machine: machineFingerprint(), options: { ...options }, results };
}

function peerName({ name, command }: ReviewTableOptions): string {
  return name ?? programName(command ?? '');
}

async function insertMs(
  engine: EngineName,
  threads: number,
  { connections, batch, buckets }: ReviewTableOptions,
  take: TakeSample,
): Promise<number> {
  const sample = await take<WorkloadSample>('samples/workload-sample.js', {
    workload: 'insert',
    engine,
    threads,
    connections,
    perThread: true,
    batchSize: batch,
    buckets,
    prefaulted: true,
  } satisfies WorkloadSampleOptions);
  if (sample.error !== undefined) {
    throw new VoidRunError(`${engine} on ${counted(threads, 'thread')}: ${sample.error}`);
  }
  return sample.results.find(({ name }) => name === RESULT)!.ms;
}

function msText(ms: number | undefined): string {
  if (ms === undefined) {
    return '–';
  }
  return ms < 10 ? ms.toFixed(1) : thousands(ms);
}

/** The table: what the review published, then this machine. */
export function reviewTableText({ results, machine }: ResultsFile, options: ReviewTableOptions): string {
  const { threads, engine: engines, connections, runs, command } = options;
  const columns = [...(command === undefined ? [] : [peerName(options)]), ...engines];
  const published = Object.keys(PUBLISHED_MS);
  const head = ['threads', ...published.map((name) => `${name}*`), ...columns];
  const table = new Table({ head, style: { head: [], border: [] }, colAligns: head.map(() => 'right' as const) });
  const at = (name: string, count: number) =>
    results.find((result) => result.engine === name && result.threads === count)?.medianMs;
  for (const count of threads) {
    table.push([
      count > machine.cores ? `${count} (of ${counted(machine.cores, 'core')})` : String(count),
      ...published.map((name) => msText(PUBLISHED_MS[name]![count - 1])),
      ...columns.map((name) => msText(at(name, count))),
    ]);
  }
  return [
    `Time to insert ${thousands(connections)} connections on each thread, ms. Median of ${counted(runs, 'run')}, each in a fresh process.`,
    table.toString(),
    '* published: Open vSwitch in C on another machine, 1,000,000 connections (G. Rivet, ovs-dev, 27 January 2022).',
    '  Compare how the columns grow with the threads. The times themselves are of two machines.',
    ...growthLines(columns, threads, at),
  ].join('\n');
}

/** How much more time the most threads take than the fewest: published, and here. */
function growthLines(
  columns: readonly string[],
  threads: readonly number[],
  at: (name: string, count: number) => number | undefined,
): string[] {
  const [fewest, most] = [Math.min(...threads), Math.max(...threads)];
  if (fewest === most) {
    return [];
  }
  const growth = (name: string, from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? [] : [`${name} ×${(to / from).toFixed(2)}`];
  const published = Object.entries(PUBLISHED_MS).flatMap(([name, ms]) =>
    growth(`${name}*`, ms[fewest - 1], ms[most - 1]),
  );
  const here = columns.flatMap((name) => growth(name, at(name, fewest), at(name, most)));
  return [`From ${counted(fewest, 'thread')} to ${most} the time grows: ${[...published, ...here].join(', ')}.`];
}

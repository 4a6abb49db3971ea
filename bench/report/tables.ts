/** The tables of a report, for all forms. */

import type { WorkloadAnalysis } from './analysis.ts';
import { peerRatios, peersIn } from './analysis.ts';
import { groups, mega, ms, percent, short, threadsLabel } from './format.ts';
import { checkTable, lawTable, predictionTable } from './prediction-tables.ts';
import { rateTables } from './rate-tables.ts';
import type { BenchResult, ResultsFile } from './results-file.ts';
import type { ReportTable } from './table-text.ts';

/** Median times and speed-ups by threads and engine, as in the review of the RFC patch. */
export function threadsTable(workload: WorkloadAnalysis, cores: number): ReportTable {
  const { engines, threads } = workload;
  const rows: ReportTable['rows'] = threads.map((count) => ({
    cells: [
      threadsLabel(count, cores),
      ...engines.map(({ points }) => {
        const point = points.find((p) => p.threads === count);
        if (point === undefined) {
          return '';
        }
        const { speedUp } = point;
        return `${ms(point.result.medianMs)}${speedUp === undefined || count === 1 ? '' : ` (×${speedUp.ratio.toFixed(2)})`}`;
      }),
    ],
  }));
  return {
    title: `${workload.workload}: ${groups(workload.connections)} connections, median time (speed-up)`,
    head: ['threads', ...engines.map((engine) => engine.engine)],
    rows,
  };
}

interface DetailColumn {
  head: string;
  cell: (result: BenchResult, speedUp: number | undefined) => string;
}

const TIME_COLUMNS: readonly DetailColumn[] = [
  { head: 'median', cell: ({ medianMs }) => ms(medianMs) },
  { head: 'range', cell: ({ runsMs }) => `${ms(Math.min(...runsMs))} to ${ms(Math.max(...runsMs))}` },
  { head: 'a packet', cell: ({ medianMs, packets }) => `${((medianMs * 1e6) / packets).toFixed(0)}\u00a0ns` },
  {
    head: 'connections/s',
    cell: ({ medianMs, lives }) => (lives === undefined ? '' : `${mega((lives / medianMs) * 1000)}\u00a0M`),
  },
  { head: 'speed-up', cell: (_, speedUp) => (speedUp === undefined ? '' : `×${speedUp.toFixed(2)}`) },
  { head: 'efficiency', cell: ({ threads }, speedUp) => (speedUp === undefined ? '' : percent(speedUp / threads)) },
];

const OTHER_COLUMNS: readonly DetailColumn[] = [
  { head: 'slowest/fastest thread', cell: ({ fairness }) => (fairness === undefined ? '' : fairness.toFixed(2)) },
  {
    head: 'batch p50 / p99 / p99.9',
    cell: ({ latencyUs }) =>
      latencyUs === undefined
        ? ''
        : `${[latencyUs.p50, latencyUs.p99, latencyUs.p999].map((us) => us.toFixed(1)).join(' / ')}\u00a0us`,
  },
];

/** The speed-up of the same threads with a table each. */
function controlColumn(file: ResultsFile): DetailColumn {
  return {
    head: 'speed-up, a table each',
    cell: ({ workload, engine, control }) => {
      const one = file.results.find(
        (other) => other.workload === workload && other.engine === engine && other.threads === 1,
      );
      return control === undefined || one === undefined ? '' : `×${(one.medianMs / control.medianMs).toFixed(2)}`;
    },
  };
}

function coldColumn(file: ResultsFile): DetailColumn {
  return {
    head: 'not prefaulted',
    cell: ({ workload, engine, threads }) => {
      const cold = file.resultsNotPrefaulted?.find(
        (other) => other.workload === workload && other.engine === engine && other.threads === threads,
      );
      return cold === undefined ? '' : ms(cold.medianMs);
    },
  };
}

/** All other figures of each engine and number of threads. */
export function detailsTable(file: ResultsFile, workload: WorkloadAnalysis, cores: number): ReportTable {
  const columns: DetailColumn[] = [
    ...TIME_COLUMNS,
    controlColumn(file),
    ...OTHER_COLUMNS,
    coldColumn(file),
    {
      head: 'bytes/conn',
      cell: ({ bytesPerConnection }) => (bytesPerConnection === undefined ? '' : short(bytesPerConnection)),
    },
  ];
  const measured = workload.engines.flatMap(({ engine, points }) =>
    points.map(({ threads, result, speedUp }) => ({
      name: `${engine}, ${threadsLabel(threads, cores)}`,
      cells: columns.map(({ cell }) => cell(result, threads === 1 ? undefined : speedUp?.ratio)),
    })),
  );
  /* Leave out columns without a figure. */
  const shown = columns.map((_, column) => measured.some(({ cells }) => cells[column] !== ''));
  return {
    title: `${workload.workload}: in detail`,
    head: ['engine, threads', ...columns.filter((_, column) => shown[column]).map(({ head }) => head)],
    rows: measured.map(({ name, cells }) => ({ cells: [name, ...cells.filter((_, column) => shown[column])] })),
  };
}

/** Engines by threads, and the ratio of rates to each peer. undefined without a peer. */
export function peerTable(file: ResultsFile, workload: WorkloadAnalysis): ReportTable | undefined {
  const peers = peersIn(file.results);
  const ratios = peerRatios(file.results, peers).filter((ratio) => ratio.workload === workload.workload);
  if (ratios.length === 0) {
    return undefined;
  }
  const { threads, engines } = workload;
  return {
    title: `${workload.workload}: ${groups(workload.connections)} connections, against ${peers.join(', ')}`,
    head: [
      '',
      ...threads.map(
        (count) =>
          `${count} ${count === 1 ? 'thread' : 'threads'}${count > file.machine.cores ? ` (of ${file.machine.cores} cores)` : ''}`,
      ),
    ],
    rows: [
      ...engines.map(({ engine, points }) => ({
        cells: [
          engine,
          ...threads.map((count) => {
            const point = points.find((p) => p.threads === count);
            return point === undefined ? '' : ms(point.result.medianMs);
          }),
        ],
      })),
      ...peers.map((peer) => ({
        cells: [
          `rate of ct-bucket / ${peer}`,
          ...threads.map((count) => {
            const found = ratios.find((ratio) => ratio.peer === peer && ratio.threads === count);
            return found === undefined
              ? ''
              : `${found.ratio.toFixed(2)} (${found.low.toFixed(2)} to ${found.high.toFixed(2)})`;
          }),
        ],
      })),
    ],
  };
}

export function agingTable(file: ResultsFile): ReportTable | undefined {
  if (file.aging === undefined || file.aging.length === 0) {
    return undefined;
  }
  return {
    title: 'Aging',
    head: [
      'engine',
      'buckets',
      'connections',
      'lag p50',
      'p99',
      'max',
      'sweeper CPU',
      'per visited',
      'per removed',
      'bytes/conn',
      'batch p99.9 / without sweeper',
    ],
    rows: file.aging.map((aging) => ({
      cells: [
        aging.engine,
        String(aging.buckets),
        groups(aging.connections),
        ms(aging.lagMs.p50),
        ms(aging.lagMs.p99),
        ms(aging.lagMs.max),
        `${short(aging.sweeperCpuPercent)}\u00a0%`,
        `${short(aging.nsPerVisited)}\u00a0ns`,
        `${short(aging.nsPerRemoved)}\u00a0ns`,
        short(aging.bytesPerConnection),
        `×${short(aging.batchP999RatioToNoSweeper)}`,
      ],
    })),
  };
}

/** All tables in the order of the report. */
export function reportTables(
  file: ResultsFile,
  workloads: readonly WorkloadAnalysis[],
  isBrief = false,
): ReportTable[] {
  if (file.rate !== undefined) {
    return rateTables(file.rate);
  }
  return [
    ...workloads.flatMap((workload) => [
      threadsTable(workload, file.machine.cores),
      detailsTable(file, workload, file.machine.cores),
      peerTable(file, workload),
      ...(isBrief ? [] : [lawTable(workload), predictionTable(workload), checkTable(workload)]),
    ]),
    agingTable(file),
  ].filter((table) => table !== undefined);
}

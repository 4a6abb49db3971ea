/** The tables of a report, apart from the form in which they are shown: text, Markdown or HTML. */

import Table from 'cli-table3';
import { outputColumns } from '../../src/host/terminal.ts';
import type { EngineAnalysis, WorkloadAnalysis } from './analysis.ts';
import { peerRatios, peersIn, unique } from './analysis.ts';
import { groups, mega, ms, percent, rate, short, threadsLabel } from './format.ts';
import type { BenchResult, ResultsFile } from './results-file.ts';

export interface ReportTable {
  title: string;
  head: string[];
  /** The first cell of a row names it. */
  rows: { cells: string[]; isPredicted?: boolean }[];
}

/** The table of the review, threads by engine: median times, then speed-ups; predictions have rows of their own. */
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

/** What else was measured of each engine and number of threads. */
export function detailsTable(file: ResultsFile, workload: WorkloadAnalysis, cores: number): ReportTable {
  const columns: { head: string; cell: (result: BenchResult, speedUp: number | undefined) => string }[] = [
    { head: 'median', cell: ({ medianMs }) => ms(medianMs) },
    { head: 'range', cell: ({ runsMs }) => `${ms(Math.min(...runsMs))} to ${ms(Math.max(...runsMs))}` },
    { head: 'a packet', cell: ({ medianMs, packets }) => `${((medianMs * 1e6) / packets).toFixed(0)}\u00a0ns` },
    { head: 'speed-up', cell: (_, speedUp) => (speedUp === undefined ? '' : `×${speedUp.toFixed(2)}`) },
    {
      head: 'efficiency',
      cell: ({ threads }, speedUp) => (speedUp === undefined ? '' : percent(speedUp / threads)),
    },
    {
      head: 'speed-up, a table each',
      cell: (result) => {
        const one = file.results.find(
          (other) => other.workload === result.workload && other.engine === result.engine && other.threads === 1,
        );
        return result.control === undefined || one === undefined
          ? ''
          : `×${(one.medianMs / result.control.medianMs).toFixed(2)}`;
      },
    },
    { head: 'slowest/fastest thread', cell: ({ fairness }) => (fairness === undefined ? '' : fairness.toFixed(2)) },
    {
      head: 'batch p50 / p99 / p99.9',
      cell: ({ latencyUs }) =>
        latencyUs === undefined
          ? ''
          : `${[latencyUs.p50, latencyUs.p99, latencyUs.p999].map((us) => us.toFixed(1)).join(' / ')}\u00a0us`,
    },
    {
      head: 'not prefaulted',
      cell: (result) => {
        const cold = file.resultsNotPrefaulted?.find(
          (other) =>
            other.workload === result.workload && other.engine === result.engine && other.threads === result.threads,
        );
        return cold === undefined ? '' : ms(cold.medianMs);
      },
    },
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
  /* A column without a figure says nothing. */
  const shown = columns.map((_, column) => measured.some(({ cells }) => cells[column] !== ''));
  return {
    title: `${workload.workload}: in detail`,
    head: ['engine, threads', ...columns.filter((_, column) => shown[column]).map(({ head }) => head)],
    rows: measured.map(({ name, cells }) => ({ cells: [name, ...cells.filter((_, column) => shown[column])] })),
  };
}

/** Engines by threads, and the ratio of rates to each peer; undefined without a peer. */
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

/** Coefficients of the scaling law. */
export function lawTable(workload: WorkloadAnalysis): ReportTable | undefined {
  const fitted = workload.engines.filter((engine) => engine.law !== undefined);
  if (fitted.length === 0) {
    return undefined;
  }
  return {
    title: `${workload.workload}: scaling law fitted to the measured points`,
    head: ['engine', 'sigma (contention)', '95 % interval', 'kappa (coherence)', '95 % interval', 'fitted to'],
    rows: fitted.map(({ engine, law }) => {
      const { sigma, kappa, sigmaInterval, kappaInterval, isSumOnly, threads } = law!.fit;
      return {
        cells: [
          engine,
          isSumOnly ? 'not told apart' : short(sigma),
          `${short(sigmaInterval.low)} to ${short(sigmaInterval.high)}`,
          isSumOnly ? 'not told apart' : short(kappa),
          `${short(kappaInterval.low)} to ${short(kappaInterval.high)}`,
          `${threads.join(', ')} threads`,
        ],
      };
    }),
  };
}

/** Rates predicted by the law and by the simulation: threads by engine. */
export function predictionTable(workload: WorkloadAnalysis): ReportTable | undefined {
  const columns = workload.engines.flatMap((engine) => [...lawColumn(engine), ...simulationColumn(engine)]);
  const threads = unique(columns.flatMap(({ cells }) => [...cells.keys()])).sort((a, b) => a - b);
  return threads.length === 0
    ? undefined
    : {
        title: `${workload.workload}: predicted, not measured (a core for each thread)`,
        head: ['threads', ...columns.map(({ name }) => name)],
        rows: threads.map((count) => ({
          cells: [`${count} predicted`, ...columns.map(({ cells }) => cells.get(count) ?? '')],
          isPredicted: true,
        })),
      };
}

interface PredictedColumn {
  name: string;
  /** By threads. */
  cells: Map<number, string>;
}

function lawColumn({ engine, law }: EngineAnalysis): PredictedColumn[] {
  if (law === undefined) {
    return [];
  }
  const cells = law.predicted.map(({ threads, rate: value, low, high }): [number, string] => {
    const interval = `${mega(low)} to ${rate(high)}`;
    /* Two points leave contention and coherence open: no single figure stands for the range. */
    return [threads, law.fit.isSumOnly ? `≈ ${interval}` : `≈ ${rate(value)} (${interval})`];
  });
  return [{ name: `${engine}, law`, cells: new Map(cells) }];
}

function simulationColumn({ engine, simulation }: EngineAnalysis): PredictedColumn[] {
  if (simulation === undefined) {
    return [];
  }
  const cells = simulation.predicted.map((run): [number, string] => [
    run.threads,
    `≈ ${rate(run.rate)} (waits ${percent(run.waitingShare)})`,
  ]);
  return [{ name: `${engine}, simulation`, cells: new Map(cells) }];
}

/** The simulation against every point that was measured. */
export function checkTable(workload: WorkloadAnalysis): ReportTable | undefined {
  const rows = workload.engines.flatMap(({ engine, simulation }) =>
    (simulation?.checks ?? []).map(({ threads, measured, predicted, error }) => ({
      cells: [
        engine,
        String(threads),
        rate(measured),
        `≈ ${rate(predicted)}`,
        `${error >= 0 ? '+' : '−'}${percent(Math.abs(error))}`,
      ],
    })),
  );
  const head = ['engine', 'threads', 'measured', 'simulated', 'error of the simulation'];
  return rows.length === 0
    ? undefined
    : { title: `${workload.workload}: the simulation held against measured points`, head, rows };
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

/** All tables in the order of a report. */
export function reportTables(
  file: ResultsFile,
  workloads: readonly WorkloadAnalysis[],
  isBrief = false,
): ReportTable[] {
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

/** The same with a line for each cell: for what is wider than the terminal. */
function stackedTable({ title, head, rows }: ReportTable): string {
  const width = Math.max(...head.slice(1).map((name) => name.length));
  const blocks = rows.map(({ cells: [name, ...cells] }) =>
    [
      name,
      ...cells.flatMap((cell, index) => (cell === '' ? [] : [`  ${head[index + 1]!.padEnd(width)}  ${cell}`])),
    ].join('\n'),
  );
  return [title, ...blocks].join('\n');
}

/** @param columns of the terminal: a wider table has a line for each cell; default: those of standard output's, if it is one */
export function textTable(report: ReportTable, columns: number | undefined = outputColumns()): string {
  const { title, head, rows } = report;
  const table = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (column === 0 ? ('left' as const) : ('right' as const))),
  });
  table.push(...rows.map((row) => row.cells));
  const text = table.toString();
  return columns !== undefined && text.indexOf('\n') > columns ? stackedTable(report) : `${title}\n${text}`;
}

export function markdownTable({ title, head, rows }: ReportTable): string {
  const line = (cells: readonly string[], isPredicted = false) =>
    `| ${cells.map((cell) => (isPredicted && cell !== '' ? `*${escapeCell(cell)}*` : escapeCell(cell))).join(' | ')} |`;
  return [
    `### ${escapeCell(title)}`,
    '',
    line(head),
    `|${head.map((_, column) => (column === 0 ? ' --- |' : ' ---: |')).join('')}`,
    ...rows.map((row) => line(row.cells, row.isPredicted)),
  ].join('\n');
}

function escapeCell(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll(/[|*<>`[\]]/g, String.raw`\$&`)
    .replaceAll('\n', ' ');
}

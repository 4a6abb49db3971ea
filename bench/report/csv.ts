/**
 * Results as CSV (RFC 4180, lines end with LF), for spreadsheets and statistics programs: one row for each sample.
 *
 * `docs/measuring.md` explains the columns. Cells that do not apply are empty. The machine stands in each row, so that files of
 * several machines can be joined.
 */

import { busyText } from './machine-state.ts';
import type { AgingResult, BenchResult, RateFigures, RateTrialFigures, ResultsFile } from './results-file.ts';

type Cell = string | number | boolean | undefined;

/** The columns, in their order. Names end with the unit. */
export const CSV_COLUMNS = [
  'benchmark',
  'workload',
  'engine',
  'threads',
  'connections',
  'buckets',
  'packets',
  'kind',
  'run',
  'time_ms',
  'rate_packets_per_s',
  'packet_ns',
  'created_per_s',
  'removed_per_s',
  'batch_p50_us',
  'batch_p99_us',
  'batch_p999_us',
  'memory_bytes_per_connection',
  'load_share',
  'packets_lost',
  'latency_p50_us',
  'latency_p99_us',
  'latency_p999_us',
  'lag_p50_ms',
  'lag_p99_ms',
  'lag_max_ms',
  'sweeper_cpu_percent',
  'sweeper_visited_ns',
  'sweeper_removed_ns',
  'batch_p999_ratio_to_no_sweeper',
  'cpu',
  'cores',
  'node',
  'load_1m',
  'busy',
] as const;

type Row = Partial<Record<(typeof CSV_COLUMNS)[number], Cell>>;

/** Runs with one table for all threads, with a table each, and with memory that is committed on first use. */
type Kind = 'shared' | 'control' | 'not-prefaulted';

/** Nine digits are more than any clock has. */
const rounded = (value: number): number => Number(value.toPrecision(9));

function sampleRows(result: BenchResult, kind: Kind, runsMs: readonly number[], buckets: Cell): Row[] {
  const { workload, engine, threads, connections, packets, lives, latencyUs, bytesPerConnection } = result;
  const isShared = kind === 'shared';
  return runsMs.map((ms, run) => ({
    workload,
    engine,
    threads,
    connections,
    buckets,
    packets,
    kind,
    run: run + 1,
    time_ms: ms,
    rate_packets_per_s: rounded((packets / ms) * 1000),
    packet_ns: rounded((ms * 1e6) / packets),
    ...(lives !== undefined && {
      created_per_s: rounded((lives / ms) * 1000),
      removed_per_s: rounded((lives / ms) * 1000),
    }),
    ...(isShared && {
      batch_p50_us: latencyUs?.p50,
      batch_p99_us: latencyUs?.p99,
      batch_p999_us: latencyUs?.p999,
      memory_bytes_per_connection: bytesPerConnection,
    }),
  }));
}

function agingRow(aging: AgingResult): Row {
  const { engine, buckets, connections, lagMs } = aging;
  return {
    workload: 'aging',
    engine,
    connections,
    buckets,
    kind: 'aging',
    memory_bytes_per_connection: aging.bytesPerConnection,
    lag_p50_ms: lagMs.p50,
    lag_p99_ms: lagMs.p99,
    lag_max_ms: lagMs.max,
    sweeper_cpu_percent: aging.sweeperCpuPercent,
    sweeper_visited_ns: aging.nsPerVisited,
    sweeper_removed_ns: aging.nsPerRemoved,
    batch_p999_ratio_to_no_sweeper: aging.batchP999RatioToNoSweeper,
  };
}

function trialRow({ pps, offered, dropped, latencyUs }: RateTrialFigures, run: number): Row {
  return {
    run: run + 1,
    rate_packets_per_s: rounded(pps),
    packets: rounded(offered),
    packets_lost: dropped,
    latency_p50_us: latencyUs.p50,
    latency_p99_us: latencyUs.p99,
    latency_p999_us: latencyUs.p999,
  };
}

function rateRows(rate: RateFigures, buckets: Cell): Row[] {
  const { profile, engine, threads, flows, highestPps, medianHighestPps, medianConnectionsPerS } = rate;
  const common: Row = { workload: `rate-${profile}`, engine, threads, connections: flows, buckets };
  const perPacket = (medianConnectionsPerS ?? Number.NaN) / (medianHighestPps ?? 1);
  return [
    ...highestPps.map((pps, run) => ({
      kind: 'highest-rate',
      run: run + 1,
      rate_packets_per_s: pps === null ? undefined : rounded(pps),
      created_per_s: pps === null ? undefined : rounded(pps * perPacket),
      removed_per_s: pps === null ? undefined : rounded(pps * perPacket),
    })),
    ...rate.atShares.flatMap(({ share, samples }) =>
      samples.map((trial, run) => ({ kind: 'share', load_share: share, ...trialRow(trial, run) })),
    ),
    ...(rate.wanted?.runs ?? []).flatMap((trials, run) =>
      trials.map((trial) => ({ kind: 'given-rate', ...trialRow(trial, run) })),
    ),
  ].map((row) => ({ ...common, ...row }));
}

function rowsOf({ results, resultsNotPrefaulted = [], aging = [], rate, options = {} }: ResultsFile): Row[] {
  /* The other comparison engines have no buckets, and other programs may have any number. */
  const bucketsOf = ({ engine }: { engine: string }): Cell =>
    (engine === 'ct-bucket' || engine === 'wheel') && typeof options['buckets'] === 'number'
      ? options['buckets']
      : undefined;
  if (rate !== undefined) {
    return rate.flatMap((figures) => rateRows(figures, bucketsOf(figures)));
  }
  return [
    ...results.flatMap((result) => [
      ...sampleRows(result, 'shared', result.runsMs, bucketsOf(result)),
      ...sampleRows(result, 'control', result.control?.runsMs ?? [], bucketsOf(result)),
    ]),
    ...resultsNotPrefaulted.flatMap((result) => sampleRows(result, 'not-prefaulted', result.runsMs, bucketsOf(result))),
    ...aging.map(agingRow),
  ];
}

function cellText(cell: Cell): string {
  const isUnknown = cell === undefined || (typeof cell === 'number' && !Number.isFinite(cell));
  const text = isUnknown ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvReport(file: ResultsFile): string {
  const { machine, benchmark } = file;
  const common: Row = {
    benchmark,
    cpu: machine.cpu,
    cores: machine.cores,
    node: machine.node,
    load_1m: machine.loadAverage1m,
    busy: busyText(machine) !== undefined,
  };
  const lines = rowsOf(file).map((row) => {
    const whole: Row = { ...common, ...row };
    return CSV_COLUMNS.map((column) => cellText(whole[column])).join(',');
  });
  return `${[CSV_COLUMNS.join(','), ...lines].join('\n')}\n`;
}

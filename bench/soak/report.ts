/** The output of a soak, and its verdict. */

import type { Counters } from '../../src/core/counters.ts';
import { thousands } from '../../src/host/terminal.ts';
import { latencyQuantile } from '../samples/latency-histogram.ts';
import { type Trend, trendOf } from './trend.ts';

export interface IntervalFigures {
  type: 'interval';
  /** Seconds since the start. */
  s: number;
  /** Packets per second of PMDs and side thread, over the interval. */
  packetsPerSecond: number;
  packets: number;
  connections: number;
  limit: number;
  created: number;
  removed: number;
  tableFull: 'refuse' | 'early-drop';
  /** Broken invariants. */
  problems: string[];
  residentBytes: number;
  /** Heap of the main thread. */
  heapBytes: number;
  /** Bytes of all records, index lines, fragments and expectations that were ever handed out. */
  tableBytes: number;
  recordBytes: number;
  lineBytes: number;
  retired: number;
  /** Latency of the side thread's batches. */
  batchUs: { p50: number; p99: number; max: number };
  lost: number;
  /** Workers terminated, and the longest repair after one. */
  killed: number;
  longestRepairMs: number;
  unanswered: number;
  /** Events read and lost in the interval. null if the reader was not subscribed. */
  events: { read: number; lost: number } | null;
}

export interface Verdict {
  type: 'verdict';
  isRight: boolean;
  isInterrupted: boolean;
  seconds: number;
  packets: number;
  lost: number;
  killed: number;
  longestRepairMs: number;
  reasons: string[];
  resident: Trend;
  heap: Trend;
  table: Trend;
  counters: Counters;
}

/** Growth of resident memory to tolerate after the warm-up. The compiler's memory varies by as much. */
const MOST_RESIDENT_BYTES = 16 * 2 ** 20;
const MOST_HEAP_BYTES = 8 * 2 ** 20;
/** Growth of the table to tolerate. Each bucket doubles when it is fuller than ever before. */
const MOST_TABLE_SHARE = 1 / 4;
/** Warm-up as a share of the run, and its shortest and longest time. During it, compilers and caches fill. */
const WARM_UP_SHARE = 1 / 3;
const SHORTEST_WARM_UP_S = 30;
const WARM_UP_S = 600;

export function removedOf(counters: Counters): number {
  const { expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = counters;
  return expiredAtLookup + expiredAtSweep + killed + flushed + evicted;
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

export function lineOf(figures: IntervalFigures): string {
  const { batchUs, events } = figures;
  const us = [batchUs.p50, batchUs.p99, batchUs.max]
    .map((value) => (Number.isFinite(value) ? value.toFixed(0) : '-'))
    .join('/');
  return [
    `${figures.s.toFixed(0).padStart(6)} s`,
    `${thousands(figures.packetsPerSecond)} packets/s`,
    `live ${thousands(figures.connections)} of ${thousands(figures.limit)} (${figures.tableFull})`,
    `created ${thousands(figures.created)} removed ${thousands(figures.removed)}`,
    figures.problems.length === 0 ? 'invariants hold' : 'INVARIANTS VIOLATED',
    `resident ${mib(figures.residentBytes)} heap ${mib(figures.heapBytes)} table ${mib(figures.tableBytes)} MiB`,
    `retired ${figures.retired}`,
    `batch p50/p99/max ${us} us`,
    `lost ${figures.lost} killed ${figures.killed}`,
    ...(events === null ? [] : [`events ${thousands(events.read)}`]),
  ].join('  ');
}

export function batchUsOf(bins: Float64Array, longestNs: number): IntervalFigures['batchUs'] {
  return {
    p50: latencyQuantile(bins, 0.5) / 1000,
    p99: latencyQuantile(bins, 0.99) / 1000,
    max: longestNs / 1000,
  };
}

/** @param failures errors outside of the intervals' checks */
export function verdictOf(
  intervals: readonly IntervalFigures[],
  failures: readonly string[],
  isInterrupted: boolean,
  counters: Counters,
): Verdict {
  const last = intervals.at(-1);
  const seconds = last?.s ?? 0;
  const warm = intervals.filter(
    ({ s }) => s >= Math.min(Math.max(seconds * WARM_UP_SHARE, SHORTEST_WARM_UP_S), WARM_UP_S),
  );
  const trend = (of: (figures: IntervalFigures) => number) =>
    trendOf(warm.map((figures) => ({ s: figures.s, value: of(figures) })));
  const resident = trend(({ residentBytes }) => residentBytes);
  const heap = trend(({ heapBytes }) => heapBytes);
  const table = trend(({ tableBytes }) => tableBytes);
  const grows = (what: string, { leastGrowth }: Trend, most: number) =>
    leastGrowth > most ? [`${what} grew by at least ${mib(leastGrowth)} MiB`] : [];
  const lost = last?.lost ?? 0;
  const reasons = [
    ...intervals.flatMap(({ s, problems }) => problems.map((problem) => `${s.toFixed(0)} s: ${problem}`)),
    ...failures,
    ...(lost > 0 ? [`${lost} packets of pinned connections were lost`] : []),
    ...grows('resident memory', resident, MOST_RESIDENT_BYTES),
    ...grows("the main thread's heap", heap, MOST_HEAP_BYTES),
    ...grows('memory of the table', table, Math.max(MOST_HEAP_BYTES, (last?.tableBytes ?? 0) * MOST_TABLE_SHARE)),
  ];
  return {
    type: 'verdict',
    isRight: reasons.length === 0,
    isInterrupted,
    seconds,
    packets: intervals.reduce((sum, { packets }) => sum + packets, 0),
    lost,
    killed: last?.killed ?? 0,
    longestRepairMs: last?.longestRepairMs ?? 0,
    reasons,
    resident,
    heap,
    table,
    counters,
  };
}

/** The verdict as a sentence. */
export function sentenceOf({ isRight }: Verdict): string {
  return isRight
    ? 'All invariants held: no connection was lost, and memory did not grow.'
    : 'An invariant was violated, or memory grew: see above.';
}

const SHOWN_REASONS = 10;

export function summaryOf(verdict: Verdict): string {
  const { seconds, packets, counters, resident, heap, table, reasons, lost, killed } = verdict;
  const trend = (what: string, { perHour, low, high, samples }: Trend) =>
    samples < 3
      ? `  ${what}: too few intervals to tell`
      : `  ${what}: ${mib(perHour)} MiB an hour (95 %: ${mib(low)} to ${mib(high)})`;
  return [
    `${seconds.toFixed(0)} s, ${thousands(packets)} packets, ${thousands(counters.created)} connections created: ` +
      `${thousands(counters.expiredAtLookup + counters.expiredAtSweep)} expired, ${thousands(counters.evicted)} evicted, ` +
      `${thousands(counters.flushed)} flushed, ${thousands(counters.killed)} killed by packets; ` +
      `${thousands(counters.tableFull + counters.zoneFull)} refused; ${lost} lost; ` +
      `${killed} workers terminated${killed > 0 ? `, repaired within ${verdict.longestRepairMs.toFixed(1)} ms` : ''}`,
    'Trend after the warm-up:',
    trend('resident memory', resident),
    trend("the main thread's heap", heap),
    trend('memory of the table', table),
    ...reasons.slice(0, SHOWN_REASONS).map((reason) => `  wrong: ${reason}`),
    ...(reasons.length > SHOWN_REASONS ? [`  and ${reasons.length - SHOWN_REASONS} more`] : []),
    sentenceOf(verdict),
  ].join('\n');
}

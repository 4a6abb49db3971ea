/** The tables of a profile, for text, Markdown and HTML. */

import { groups, short } from '../report/format.ts';
import type { ReportTable } from '../report/table-text.ts';
import { COLUMNS, DEFAULT_COLUMNS, type NamedFigures, type ProfileAnalysis } from './analysis.ts';

export interface TableOptions {
  /** Most rows of a table. */
  top: number;
  /** Names of COLUMNS. */
  columns: readonly string[];
}

export const DEFAULT_TABLES: TableOptions = { top: 10, columns: DEFAULT_COLUMNS };

/** Writes 1234567 ns as 1.23 ms. */
export function time(ns: number): string {
  const [value, unit] =
    ns >= 1e9 ? [ns / 1e9, 's'] : ns >= 1e6 ? [ns / 1e6, 'ms'] : ns >= 1e3 ? [ns / 1e3, 'us'] : [ns, 'ns'];
  return ns === 0 ? '0' : `${short(value)}\u00a0${unit}`;
}

function cell(column: string, row: NamedFigures): string {
  const value = COLUMNS[column]!(row);
  if (typeof value === 'string') {
    return value;
  }
  if (/^(wait|hold|caused)/.test(column)) {
    return time(value);
  }
  return column.endsWith('%') ? `${value.toFixed(2)}\u00a0%` : groups(value);
}

function figuresTable(
  title: string,
  what: string,
  rows: readonly NamedFigures[],
  { top, columns }: TableOptions,
): ReportTable {
  return {
    title,
    head: [what, ...columns],
    rows: rows.slice(0, top).map((row) => ({
      cells: [
        row.lock === undefined ? row.name : `${row.name} (${row.lock})`,
        ...columns.map((column) => cell(column, row)),
      ],
    })),
  };
}

function matrixTable({ matrix }: ProfileAnalysis): ReportTable {
  return {
    title: 'Waiting time by waiter and holder',
    head: ['waiter', ...matrix.threads.map((name) => `for ${name}`)],
    rows: matrix.waitNs.map((row, i) => ({ cells: [matrix.threads[i]!, ...row.map(time)] })),
  };
}

function suspectedTable({ suspected }: ProfileAnalysis): ReportTable {
  return {
    title: 'Holders that probably lost their core (waits of 1 ms and more)',
    head: ['holder', 'waits', 'time'],
    rows: suspected.map(({ threads: name, waits, ns }) => ({ cells: [name, groups(waits), time(ns)] })),
  };
}

function bucketsTable(busy: ProfileAnalysis['buckets']): ReportTable {
  return {
    title: 'Buckets with the longest waits',
    head: ['bucket', 'acquisitions', 'contended', 'waited', 'entries', 'lines', 'displaced'],
    rows: busy.map((line) => ({
      cells: [
        String(line.bucket),
        groups(line.acquisitions),
        groups(line.contended),
        time(line.waitNs),
        groups(line.entries),
        groups(line.lines),
        groups(line.displaced),
      ],
    })),
  };
}

function skewTable(skew: NonNullable<ProfileAnalysis['skew']>): ReportTable {
  const cells = [
    String(skew.buckets),
    `${(100 * skew.observed).toFixed(3)}\u00a0%`,
    `${(100 * skew.expected).toFixed(3)}\u00a0%`,
    skew.entriesSkew.toFixed(2),
    skew.acquisitionsSkew.toFixed(2),
    `${(100 * skew.displacedShare).toFixed(2)}\u00a0%`,
  ];
  return {
    title: 'Skew of the hash',
    head: ['buckets', 'contended', 'expected with an even hash', 'fullest / mean', 'busiest / mean', 'displaced'],
    rows: [{ cells }],
  };
}

export function profileTables(analysis: ProfileAnalysis, options: TableOptions): ReportTable[] {
  const { locks, sites, threads, buckets, skew, suspected } = analysis;
  const busy = buckets.filter(({ acquisitions }) => acquisitions > 0).slice(0, options.top);
  return [
    figuresTable('By lock', 'lock', locks, options),
    figuresTable('By site', 'site (lock)', sites, options),
    figuresTable('By thread: suffered (wait) and caused', 'thread', threads, options),
    ...(analysis.waitNs === 0 ? [] : [matrixTable(analysis)]),
    ...(suspected.length === 0 ? [] : [suspectedTable(analysis)]),
    ...(busy.length === 0 ? [] : [bucketsTable(busy)]),
    ...(skew === undefined ? [] : [skewTable(skew)]),
  ];
}

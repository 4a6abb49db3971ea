/** CSV has a row for each sample, for spreadsheets and statistics programs. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CSV_COLUMNS, csvReport } from '../../../bench/report/csv.ts';
import type { ResultsFile } from '../../../bench/report/results-file.ts';
import { REPOSITORY } from '../../support/child.ts';
import { resultsOf } from '../../support/report-files.ts';

/** Reads CSV as RFC 4180 has it. */
function parse(text: string): Record<string, string>[] {
  const rows = Array.from(text.matchAll(/(?:(?:"(?:[^"]|"")*"|[^",\n]*)[,\n])+?(?<=\n)/g), ([row]) =>
    Array.from(row.matchAll(/("(?:[^"]|"")*"|[^",\n]*)[,\n]/g), ([, cell]) =>
      cell!.startsWith('"') ? cell!.slice(1, -1).replaceAll('""', '"') : cell!,
    ),
  );
  const [head, ...body] = rows;
  return body.map((cells) => {
    expect(cells).toHaveLength(head!.length);
    return Object.fromEntries(cells.map((cell, i) => [head![i]!, cell]));
  });
}

const samplesIn = ({ results, aging = [] }: ResultsFile): number =>
  results.reduce((sum, { runsMs, control }) => sum + runsMs.length + (control?.runsMs.length ?? 0), aging.length);

it('every run is a row with its time, its rate, and what was measured', () => {
  const file = resultsOf('three-engines');
  const rows = parse(csvReport(file));
  expect(rows).toHaveLength(samplesIn(file));
  const { workload, engine, threads, packets, runsMs } = file.results[0]!;
  const own = rows.filter(
    (row) =>
      row['workload'] === workload &&
      row['engine'] === engine &&
      row['threads'] === String(threads) &&
      row['kind'] === 'shared',
  );
  expect(own.map((row) => Number(row['time_ms']))).toEqual(runsMs);
  expect(own.map((row) => row['run'])).toEqual(runsMs.map((_, i) => String(i + 1)));
  expect(Number(own[0]!['rate_packets_per_s'])).toBeCloseTo((packets / runsMs[0]!) * 1000, 0);
  expect(Number(own[0]!['packet_ns'])).toBeCloseTo((runsMs[0]! * 1e6) / packets, 4);
  expect(own[0]).toMatchObject({ benchmark: 'suite', cores: '4', busy: 'false', connections: '1000000' });
});

it('tables for each thread, memory that is not prefaulted, and aging are kinds of their own', () => {
  const file = resultsOf('three-engines');
  const rows = parse(csvReport({ ...file, resultsNotPrefaulted: file.results.slice(0, 1) }));
  const count = (kind: string) => rows.filter((row) => row['kind'] === kind).length;
  expect(count('control')).toBe(4);
  expect(count('not-prefaulted')).toBe(file.results[0]!.runsMs.length);
  expect(count('aging')).toBe(file.aging!.length);
  const aging = rows.find((row) => row['kind'] === 'aging')!;
  expect(aging).toMatchObject({ time_ms: '', run: '', lag_p99_ms: String(file.aging![0]!.lagMs.p99) });
});

it('a busy machine is marked in each row', () => {
  expect(new Set(parse(csvReport(resultsOf('busy-machine'))).map((row) => row['busy']))).toEqual(new Set(['true']));
});

it('text with a comma, a quote or a line break stays one cell', () => {
  const file = resultsOf('one-engine');
  const engine = 'a, "b"\nc';
  const rows = parse(csvReport({ ...file, results: file.results.map((result) => ({ ...result, engine })) }));
  expect(rows).toHaveLength(samplesIn(file));
  expect(new Set(rows.map((row) => row['engine']))).toEqual(new Set([engine]));
});

it('each column is explained in docs/measuring.md', () => {
  const page = readFileSync(join(REPOSITORY, 'docs', 'measuring.md'), 'utf8');
  expect(CSV_COLUMNS.filter((column) => !page.includes(`\`${column}\``))).toEqual([]);
});

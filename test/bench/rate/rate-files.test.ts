/** The results of `bench rate` have the same forms as those of other benchmarks: JSON, CSV, Markdown, a page, and comparisons. */

import { expect, it } from 'vitest';
import { compareResults } from '../../../bench/report/compare.ts';
import { CSV_COLUMNS, csvReport } from '../../../bench/report/csv.ts';
import { htmlReport } from '../../../bench/report/html.ts';
import { markdownReport } from '../../../bench/report/report.ts';
import { parseResults } from '../../../bench/report/results-reader.ts';
import { resultOn } from './fake-machine.ts';

const RUNS = 3;

/** As read from the file. */
async function fileOn(capacityPps: number, options: Parameters<typeof resultOn>[1] = {}) {
  const { results } = await resultOn({ capacityPps }, { runs: RUNS, ...options });
  const quiet = { ...results, machine: { ...results.machine, loadAverage1m: 0 } };
  return parseResults(JSON.stringify(quiet), 'rate.json');
}

it('two files are compared by their highest rates, and by each latency', async () => {
  const { comparisons, states } = compareResults(await fileOn(5e6), await fileOn(10e6));
  expect(states).toEqual([]);
  const of = (workload: string) => comparisons.find((each) => each.workload === workload)!;
  expect(of('rate-mobile').ratio).toBeCloseTo(0.5, 1);
  expect(of('rate-mobile').verdict).toBe('differs');
  /* The simulated latency is the load in percent, and both searches end near the capacity. */
  const latency = of('mobile, 1,000,000 flows, latency p99.9 at 50 %');
  expect(latency.medianMsA).toBeCloseTo(0.15, 1);
  expect(latency.ratio).toBeCloseTo(1, 1);
  expect(of('mobile, 1,000,000 flows, latency p50 at 4 Mpps').ratio).toBeCloseTo(0.5, 1);
  expect(comparisons).toHaveLength(1 + 3 * 4);
});

it('several numbers of flows are results of their own', async () => {
  const file = await fileOn(5e6, { connections: [1000, 2000] });
  expect(file.results.map(({ workload, connections }) => [workload, connections])).toEqual([
    ['rate-mobile-1000', 1000],
    ['rate-mobile-2000', 2000],
  ]);
  expect(file.results[0]!.runsMs).toHaveLength(RUNS);
});

it('a given rate has no highest rate, but latencies to compare', async () => {
  const file = await fileOn(5e6, { rate: 1000 });
  expect(file.results).toEqual([]);
  const { comparisons } = compareResults(file, file);
  expect(comparisons.map(({ ratio }) => ratio)).toEqual([1, 1, 1]);
});

it('a rate that always loses packets has a row, and no rate', async () => {
  const file = await fileOn(10);
  expect(file.results).toEqual([]);
  expect(csvReport(file)).toMatch(/,highest-rate,1,,,/);
});

it('CSV has a row for each search, for each latency, and for each trial at the wanted rate', async () => {
  const rows = csvReport(await fileOn(3e6))
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  const at = (name: (typeof CSV_COLUMNS)[number]) => CSV_COLUMNS.indexOf(name);
  const kinds = (kind: string) => rows.filter((row) => row[at('kind')] === kind);
  expect(rows.every((row) => row.length === CSV_COLUMNS.length)).toBe(true);
  expect(kinds('highest-rate').map((row) => row[at('run')])).toEqual(['1', '2', '3']);
  expect(kinds('share').map((row) => row[at('load_share')])).toEqual(
    [0.1, 0.5, 0.9].flatMap((x) => Array(3).fill(`${x}`)),
  );
  expect(kinds('given-rate')).toHaveLength(3 * RUNS);
  const [search] = kinds('highest-rate');
  expect(Number(search![at('rate_packets_per_s')]) / Number(search![at('created_per_s')])).toBeCloseTo(20);
  expect(Number(kinds('given-rate')[0]![at('packets_lost')])).toBe(2e6);
  expect(Number(kinds('given-rate')[0]![at('latency_p999_us')])).toBe(400);
});

it('the page and Markdown show the tables of the rate, not times of a million packets', async () => {
  const file = await fileOn(5e6);
  for (const text of [htmlReport(file), markdownReport(file)]) {
    expect(text).toContain('Highest rate without loss');
    expect(text).toContain('At the rate that was asked for');
    expect(text).not.toContain('median time (speed-up)');
  }
});

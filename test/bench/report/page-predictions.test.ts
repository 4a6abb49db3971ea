/** The page draws predictions only as far as the measured points determine them. */

import { describe, expect, it } from 'vitest';
import { htmlReport } from '../../../bench/report/html.ts';
import type { ResultsFile } from '../../../bench/report/results-file.ts';
import { plotsIn, pageOf, resultsOf, sectionOf } from '../../support/report-files.ts';

const SECTION = 'What would more cores bring?';

/** Measured rates that follow the law with these intervals: `spread` is the distance of the runs, as a share. */
function lawful(spread: number): ResultsFile {
  const { benchmark, machine, options } = resultsOf('three-engines');
  const results = [1, 2, 4].map((threads) => {
    const ms = (100 * (1 + 0.05 * (threads - 1) + 0.001 * threads * (threads - 1))) / threads;
    const runsMs = [-1, -0.5, 0, 0.5, 1].map((step) => ms * (1 + step * spread));
    return { workload: 'w', engine: 'ct-bucket', threads, connections: 1000, packets: 1000, medianMs: ms, runsMs };
  });
  return { benchmark, machine, options, results };
}

const predictedIn = (page: string) =>
  plotsIn(page).flatMap(({ data, names }) =>
    data.series.flatMap((series, i) => (series.kind === 'predicted' ? [{ name: names[i]!, ...series }] : [])),
  );

describe('a scaling law', () => {
  it('of two numbers of threads is not drawn, not even in tables, and the page says why', () => {
    const page = pageOf('more-threads-than-cores');
    expect(predictedIn(page).filter(({ name }) => name.includes('law'))).toEqual([]);
    expect(sectionOf(page, SECTION)).toContain(
      'ct-bucket: the scaling law is not drawn. Two numbers of threads cannot tell contention from coherence',
    );
    expect(page).not.toContain('not told apart');
    expect(page).not.toContain('128 predicted');
  });

  it('of three is drawn hollow and dashed, up to 128 threads if the runs determine it', () => {
    const page = htmlReport(lawful(0.0002));
    const [law, ...others] = predictedIn(page);
    expect(others).toEqual([]);
    expect(law!.name).toBe('ct-bucket, scaling law');
    expect(law!.ys.filter((y) => y !== null)).toHaveLength(5);
    expect(page).toMatch(/\.predicted \.mark\{fill:var\(--back\)\}/);
  });

  it('ends where its interval is wider than a factor of two', () => {
    const page = htmlReport(lawful(0.03));
    const [law] = predictedIn(page);
    const known = law!.ys.flatMap((y, i) => (y === null ? [] : [{ low: law!.lows[i]!, high: law!.highs[i]! }]));
    expect(known.length).toBeGreaterThan(0);
    expect(known.length).toBeLessThan(5);
    expect(known.every(({ low, high }) => high <= 2 * low)).toBe(true);
    expect(sectionOf(page, SECTION)).toMatch(/the scaling law is not drawn for \d+ threads and more/);
  });
});

describe('a simulation', () => {
  const withWork = (outsideNs: number): string =>
    htmlReport({
      ...lawful(0.001),
      simulation: [
        {
          workload: 'w',
          engine: 'ct-bucket',
          work: { outsideNs, sections: [{ locks: 1, holdNs: 5000 }], lineTransferNs: 60 },
        },
      ],
    });

  it('that misses a measured point is not drawn, and the page says by how much', () => {
    const page = withWork(1000);
    expect(predictedIn(page).map(({ name }) => name)).toEqual(['ct-bucket, scaling law']);
    expect(sectionOf(page, SECTION)).toMatch(/the simulation is not drawn\. It misses a measured point by \d+\.\d.%/);
  });

  it('that agrees with the measured points is drawn', () => {
    expect(predictedIn(withWork(95_000)).map(({ name }) => name)).toEqual([
      'ct-bucket, scaling law',
      'ct-bucket, simulation',
    ]);
  });
});

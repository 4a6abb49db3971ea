/** A page needs no other file and no network, and stays small. */

import { describe, expect, it } from 'vitest';
import { htmlReport } from '../../../bench/report/html.ts';
import { htmlPlot } from '../../../bench/report/page/plot.ts';
import { pageOf, plotsIn, REPORTS, resultsOf } from '../../support/report-files.ts';

const MOST_BYTES = 1_000_000;

describe.each(REPORTS)('the page of %s', (name) => {
  it('loads nothing, and tells the browser to load nothing', () => {
    const page = pageOf(name);
    const markup = page.replaceAll(/<script>[^]*?<\/script>/g, '');
    expect(markup).not.toMatch(/<link|<img|<iframe|@import|url\(|https?:|src=|href=/);
    expect(page.match(/<script [^>]*>/g) ?? []).toEqual(
      (page.match(/<figure data-plot/g) ?? []).map(() => '<script type="application/json">'),
    );
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"`);
  });

  it('follows dark mode, and fits on a narrow screen', () => {
    const page = pageOf(name);
    expect(page).toContain('@media(prefers-color-scheme:dark)');
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    /* Every table but bars is in a box that scrolls by itself, also by keyboard. */
    const tables = page.match(/<table aria/g) ?? [];
    expect(
      page.match(/<div class="table" role="region" tabindex="0" aria-label="([^"]+)"><table aria-label="\1">/g),
    ).toHaveLength(tables.length);
  });
});

it('a page with plots carries the library with its notice, and one without plots does not', () => {
  const page = pageOf('three-engines');
  expect(page).toContain('https://github.com/leeoniya/uPlot');
  expect(page).toContain('The MIT License (MIT)');
  expect(page).toContain('Permission is hereby granted, free of charge');
  const plain = htmlReport({ ...resultsOf('one-engine'), results: resultsOf('one-engine').results.map(once) });
  expect(plain).not.toContain('uPlot');
});

function once<Result extends { runsMs: number[]; medianMs: number }>(result: Result): Result {
  return { ...result, runsMs: [result.medianMs] };
}

it('text in a plot cannot end the script that carries it', () => {
  const text = '</script><b>';
  const series = [{ name: text, style: 0, kind: 'measured' as const, points: [{ x: 1, y: 1 }] }];
  const all = { caption: text, explanation: text, xLabel: text, unit: text, textX: () => text, textY: () => text };
  const figure = htmlPlot({ ...all, series }, 'plot-0');
  expect(figure).not.toContain('<b>');
  expect(figure.match(/<script/g)).toHaveLength(1);
  expect(figure.match(/<\/script>/g)).toHaveLength(1);
  expect(plotsIn(figure)[0]!.data).toMatchObject({ xLabel: text });
});

it('a page of three workloads, nine engines, three numbers of threads and ten runs each stays below 1 MB', () => {
  const results = ['a', 'b', 'c'].flatMap((workload) =>
    Array.from({ length: 9 }, (_, i) => `engine-${i}`).flatMap((engine) =>
      [1, 2, 4].map((threads) => ({
        workload,
        engine,
        threads,
        connections: 1_000_000,
        packets: 1_000_000,
        medianMs: 321.987,
        runsMs: Array.from({ length: 10 }, (_each, run) => 300.123 + run * 0.7),
      })),
    ),
  );
  const page = htmlReport({ ...resultsOf('busy-machine'), results });
  expect(Buffer.byteLength(page)).toBeLessThan(MOST_BYTES);
});

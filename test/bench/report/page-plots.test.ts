/** Each plot of a page can be read without seeing it, and by any script of a browser. */

import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { htmlReport } from '../../../bench/report/html.ts';
import { htmlPlot } from '../../../bench/report/page/plot.ts';
import { pageOf, plotsIn, resultsOf } from '../../support/report-files.ts';

describe('each plot', () => {
  const plots = plotsIn(pageOf('three-engines'));

  it('has a caption, an explanation, and its figures in a table', () => {
    const page = pageOf('three-engines');
    expect(plots.length).toBe(2 * 2 + 2 + 4 + 2);
    expect(new Set(plots.map(({ id }) => id)).size).toBe(plots.length);
    expect(page.match(/<figcaption><b id="plot-\d+-caption">[^<]+<\/b> [^<]+\.<\/figcaption>/g)).toHaveLength(
      plots.length,
    );
    for (const { data, cells } of plots) {
      expect(cells).toEqual(data.xs.flatMap((_, at) => data.series.map(({ texts }) => texts[at])));
    }
  });

  it('can be focused, and has a button for each line', () => {
    const places = pageOf('three-engines').match(
      /<div class="plot" role="group" tabindex="0" aria-label="Plot: [^"]+arrow keys[^"]+">/g,
    );
    expect(places).toHaveLength(plots.length);
    for (const { names, data } of plots) {
      expect(names).toHaveLength(data.series.length);
      expect(names.every((name) => name !== '')).toBe(true);
    }
  });

  it('has a figure or a gap at every x, and no figure that is no number', () => {
    for (const { data } of plots) {
      expect(data.xs).toEqual(data.xs.toSorted((a, b) => a - b));
      for (const { ys, lows, highs, texts } of data.series) {
        expect([ys.length, lows.length, highs.length, texts.length]).toEqual(Array(4).fill(data.xs.length));
        expect([...ys, ...lows, ...highs].every((y) => y === null || Number.isFinite(y))).toBe(true);
      }
    }
  });

  it('gives an engine the same colour and shape as the others do', () => {
    const rates = plots.filter(({ caption }) => caption.includes('rate by threads'));
    expect(rates).toHaveLength(2);
    for (const { names, data } of rates) {
      expect(names).toEqual(['ct-bucket', 'baseline', 'ct-scale']);
      expect(data.series.map(({ style }) => style)).toEqual([0, 1, 2]);
      expect(new Set(data.series.map(({ shape }) => shape)).size).toBe(3);
    }
  });
});

it('the y axis is logarithmic if the greatest figure is 20 times the least, else it begins at zero', () => {
  const isLog = (values: readonly number[]): boolean => {
    const points = values.map((y, i) => ({ x: i + 1, y }));
    const html = htmlPlot(
      {
        caption: 'C',
        explanation: 'E.',
        xLabel: 'x',
        textX: String,
        unit: 'u',
        textY: String,
        series: [{ name: 'a', style: 0, kind: 'measured', points }],
      },
      'plot-0',
    );
    return plotsIn(html)[0]!.data.isLogY;
  };
  expect(isLog([1, 19])).toBe(false);
  expect(isLog([1, 20])).toBe(true);
  expect(isLog([0, 20])).toBe(false);
});

it('points with more threads than cores are shaded and said to be so', () => {
  const [rates] = plotsIn(pageOf('more-threads-than-cores'));
  expect(rates!.data.shade).toEqual({ beyond: 2, text: 'more threads than cores' });
});

it('one number of connections gives bars instead of lines', () => {
  const page = pageOf('more-threads-than-cores');
  expect(plotsIn(page).filter(({ caption }) => caption.includes('lag'))).toEqual([]);
  expect(page).toMatch(/<figcaption><b>Expiration lag, p99<\/b>[^]*?<table class="bars">/);
});

describe('the script of the page', () => {
  type Options = { scales: { y: { range: () => [number, number] } }; axes: { splits: () => number[] }[] };
  interface Drawn {
    options: Options;
    data: (number | null)[][];
  }

  /** Runs the script against a browser with one figure, in which uPlot only notes what it is asked to draw. */
  function draw(plot: string): Drawn[] {
    const drawn: Drawn[] = [];
    const script = /<script>\n(\/\*\*[^]*?)<\/script>/.exec(pageOf('three-engines'))![1]!;
    const element = (more = {}) => ({ addEventListener() {}, querySelectorAll: () => [], setAttribute() {}, ...more });
    const place = element({ clientWidth: 400 });
    const figure = element({
      querySelector: (selector: string) =>
        ({ '.plot': place, script: { textContent: plot }, '.at': element() })[selector] ?? null,
    });
    runInNewContext(script, {
      document: { querySelectorAll: () => [figure], documentElement: element() },
      getComputedStyle: () => ({ getPropertyValue: () => '#000' }),
      matchMedia: () => element(),
      ResizeObserver: function (observed: () => void) {
        return { observe: observed };
      },
      uPlot: function (options: Options, data: Drawn['data']) {
        drawn.push({ options, data });
      },
    });
    return drawn;
  }

  it('draws each plot of the page, with all its lines and figures in view', () => {
    for (const { data } of plotsIn(pageOf('three-engines'))) {
      const [{ options, data: lines } = { options: undefined, data: [] }] = draw(JSON.stringify(data));
      expect(lines).toEqual([data.xs, ...data.series.map(({ ys }) => ys)]);
      const [low, high] = options!.scales.y.range();
      const figures = data.series
        .flatMap(({ ys, lows, highs }) => [...ys, ...lows, ...highs])
        .filter((y) => y !== null);
      expect(low).toBeLessThanOrEqual(Math.min(...figures));
      expect(high).toBeGreaterThanOrEqual(Math.max(...figures));
      const ticks = options!.axes[1]!.splits();
      expect(ticks.length).toBeGreaterThan(1);
      expect(ticks.length).toBeLessThan(16);
    }
  });
});

it('every column of every table is explained, or is named after an engine or a number of threads', () => {
  const page = htmlReport(resultsOf('three-engines'));
  const tables = [
    ...page
      .split('<h2>All figures')[1]!
      .matchAll(/<thead><tr>(.*?)<\/thead>[^]*?<\/table><\/div>(<details>.*?<\/details>)?/g),
  ];
  expect(tables.length).toBeGreaterThan(4);
  for (const [, head, terms = ''] of tables) {
    const names = Array.from(head!.matchAll(/<th scope="col">([^<]*)/g), ([, name]) => name!);
    const own = names.filter((name) => !/^(ct-bucket|baseline|ct-scale)/.test(name));
    expect(own.filter((name) => !terms.includes(`<dt>${name}</dt>`))).toEqual([]);
  }
});

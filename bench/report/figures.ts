/** The plots of a report. */

import type { WorkloadAnalysis } from './analysis.ts';
import { unique } from './analysis.ts';
import { scaled, short } from './format.ts';
import { barPlot, linePlot, type PlotPoint, type PlotSeries } from './plot.ts';
import type { AgingResult, BenchResult } from './results-file.ts';

export interface Figure {
  caption: string;
  svg: string;
}

const mega = (rate: number) => rate / 1e6;

function predictedRates({ engines }: WorkloadAnalysis, styleOf: (engine: string) => number): PlotSeries[] {
  return engines.flatMap(({ engine, law, simulation }): PlotSeries[] => [
    ...(law === undefined
      ? []
      : [
          {
            name: `${engine}, predicted by scaling law${law.fit.isSumOnly ? ' (range)' : ''}`,
            style: styleOf(engine),
            kind: 'predicted' as const,
            band: law.fit.isSumOnly ? ('only' as const) : ('around' as const),
            points: law.predicted.map(
              ({ threads, rate, low, high }): PlotPoint => ({
                x: threads,
                y: mega(law.fit.isSumOnly ? (low + high) / 2 : rate),
                low: mega(low),
                high: mega(high),
              }),
            ),
          },
        ]),
    ...(simulation === undefined
      ? []
      : [
          {
            name: `${engine}, predicted by simulation`,
            style: styleOf(engine),
            kind: 'predicted' as const,
            points: simulation.predicted.map(({ threads, rate }) => ({ x: threads, y: mega(rate) })),
          },
        ]),
  ]);
}

/** Rates by threads: one plot of the measured rates, and one with predictions for more threads. */
export function workloadFigures(
  workload: WorkloadAnalysis,
  styleOf: (engine: string) => number,
  { cores, idPrefix }: { cores: number; idPrefix: string },
): Figure[] {
  const { engines } = workload;
  const measured = engines.map(
    ({ engine, points }): PlotSeries => ({
      name: engine,
      style: styleOf(engine),
      kind: 'measured',
      points: points.map(({ threads, rate, rateInterval }) => ({
        x: threads,
        y: mega(rate),
        low: mega(rateInterval.low),
        high: mega(rateInterval.high),
      })),
    }),
  );
  const axes = { xLabel: 'threads', formatY: short };
  const figures: Figure[] = [];
  const add = (caption: string, options: { yLabel: string; series: PlotSeries[]; isLogY?: boolean }): void => {
    const title = `${workload.workload}: ${caption}`;
    figures.push({ caption, svg: linePlot({ title, ...axes, ...options }, `${idPrefix}-${figures.length}`) });
  };
  add('Rate by threads, measured, with 95 % intervals', {
    yLabel: 'million packets per second',
    series: measured,
  });
  const speedUps = speedUpSeries(workload, styleOf, cores);
  if (speedUps.length > 0) {
    add('Speed-up over one thread, measured', { yLabel: 'times the rate of one thread', series: speedUps });
  }
  const predicted = predictedRates(workload, styleOf);
  if (predicted.length > 0) {
    add('Rate by threads, measured (solid) and predicted (dashed, hollow)', {
      yLabel: 'million packets per second',
      series: [...measured, ...predicted],
      isLogY: true,
    });
  }
  return figures;
}

function speedUpSeries(
  { engines, threads }: WorkloadAnalysis,
  styleOf: (engine: string) => number,
  cores: number,
): PlotSeries[] {
  const own = engines
    .map(
      ({ engine, points }): PlotSeries => ({
        name: engine,
        style: styleOf(engine),
        kind: 'measured',
        points: points.flatMap(({ threads: x, speedUp }) =>
          speedUp === undefined
            ? []
            : [{ x, y: speedUp.ratio, ...(x > 1 && { low: speedUp.low, high: speedUp.high }) }],
        ),
      }),
    )
    .filter((series) => series.points.length > 0);
  const controls = engines.flatMap(({ engine, points }): PlotSeries[] => {
    const shown = points.flatMap(({ threads: x, controlSpeedUp: y }) => (y === undefined ? [] : [{ x, y }]));
    return shown.length === 0
      ? []
      : [
          {
            name: `control: ${engine}, a table for each thread`,
            style: styleOf(engine),
            kind: 'reference',
            points: [{ x: 1, y: 1 }, ...shown],
          },
        ];
  });
  return own.length === 0
    ? []
    : [
        ...own,
        ...controls,
        { name: 'ideal', style: 0, kind: 'reference', points: threads.map((x) => ({ x, y: Math.min(x, cores) })) },
      ];
}

/** Bytes per connection, from the first figure of each engine. */
export function memoryFigure(
  results: readonly BenchResult[],
  styleOf: (engine: string) => number,
  id: string,
): Figure | undefined {
  const bars = unique(results.map((result) => result.engine)).flatMap((engine) => {
    const value = results.find((r) => r.engine === engine && r.bytesPerConnection !== undefined)?.bytesPerConnection;
    return value === undefined ? [] : [{ label: engine, style: styleOf(engine), value }];
  });
  const caption = 'Memory per connection, index included';
  return bars.length === 0
    ? undefined
    : { caption, svg: barPlot({ title: caption, bars, format: (value) => `${short(value)} bytes` }, id) };
}

const AGING_FIGURES: { caption: string; yLabel: string; isLogY: boolean; value: (aging: AgingResult) => number }[] = [
  { caption: 'Expiration lag, p99', yLabel: 'ms', isLogY: true, value: (a) => a.lagMs.p99 },
  { caption: 'Sweeper CPU', yLabel: '% of a core', isLogY: false, value: (a) => a.sweeperCpuPercent },
  { caption: 'Sweeper, time per connection removed', yLabel: 'ns', isLogY: false, value: (a) => a.nsPerRemoved },
  {
    caption: 'Batch latency p99.9 against no sweeper',
    yLabel: 'ratio',
    isLogY: false,
    value: (a) => a.batchP999RatioToNoSweeper,
  },
];

/** Figures by number of connections, with a line for each engine and number of buckets. */
export function agingFigures(aging: readonly AgingResult[], styleOf: (engine: string) => number): Figure[] {
  const groupsOf = unique(aging.map(({ engine, buckets }) => `${engine}, ${buckets} buckets`));
  const engines = unique(aging.map(({ engine }) => engine));
  return AGING_FIGURES.map(({ caption, yLabel, isLogY, value }, i) => ({
    caption,
    svg: linePlot(
      {
        title: `Aging: ${caption}`,
        xLabel: 'connections',
        yLabel,
        isLogY,
        xBase: 10,
        formatX: scaled,
        formatY: isLogY ? scaled : short,
        series: groupsOf.map((name, group) => {
          const members = aging.filter(({ engine, buckets }) => `${engine}, ${buckets} buckets` === name);
          return {
            name,
            /* Several lines of one engine need different styles. */
            style: engines.length === groupsOf.length ? styleOf(members[0]!.engine) : group,
            kind: 'measured',
            points: members.map((member) => ({ x: member.connections, y: value(member) })),
          };
        }),
      },
      `aging-${i}`,
    ),
  }));
}

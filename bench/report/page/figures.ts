/** The plots and bars of a report. */

import { type MeasuredPoint, unique, type WorkloadAnalysis } from '../analysis.ts';
import { scaled, short } from '../format.ts';
import type { AgingResult, BenchResult } from '../results-file.ts';
import { contestants, threadsText } from './answers.ts';
import type { BarFigure } from './bars.ts';
import type { Plot, PlotPoint, PlotSeries } from './plot.ts';

export type StyleOf = (engine: string) => number;

const MPPS = 'million packets per second (Mpps)';
const hasIntervals = ({ engines }: WorkloadAnalysis): boolean =>
  engines.some(({ points }) => points.some(({ result }) => result.runsMs.length > 1));

/** Behind the explanation of a plot. */
const intervals = (workload: WorkloadAnalysis): string =>
  hasIntervals(workload) ? ' The small bars are 95 % intervals.' : '';

const mega = (packetsPerSecond: number): number => packetsPerSecond / 1e6;

const threadsAxis = { xLabel: 'threads', textX: threadsText, xBase: 2 } as const;

/** Several runs are needed for an interval. */
function intervalOf({ result, rateInterval }: MeasuredPoint): { low?: number; high?: number } {
  return result.runsMs.length > 1 ? rateInterval : {};
}

function ratePoint(point: MeasuredPoint): PlotPoint {
  const { low, high } = intervalOf(point);
  return {
    x: point.threads,
    y: mega(point.rate),
    ...(low !== undefined && high !== undefined && { low: mega(low), high: mega(high) }),
  };
}

/** The rates of all engines on one number of threads, the fastest first. */
export function fastestBars(
  workload: WorkloadAnalysis,
  styleOf: StyleOf,
  threads: number,
): Omit<BarFigure, 'explanation'> {
  return {
    caption: `${workload.workload} on ${threadsText(threads)}`,
    bars: contestants(workload, threads).map(({ engine, point }) => {
      const { low, high } = intervalOf(point);
      return {
        name: engine,
        style: styleOf(engine),
        value: point.rate,
        ...(low !== undefined && high !== undefined && { low, high }),
        text: `${short(mega(point.rate))}\u00a0Mpps`,
      };
    }),
  };
}

function shadeBeyond(cores: number): NonNullable<Plot['shade']> {
  return { beyond: cores, text: 'more threads than cores' };
}

export function measuredRates({ engines }: WorkloadAnalysis, styleOf: StyleOf): PlotSeries[] {
  return engines.map(({ engine, points }) => ({
    name: engine,
    style: styleOf(engine),
    kind: 'measured',
    points: points.map(ratePoint),
  }));
}

export function ratePlot(workload: WorkloadAnalysis, styleOf: StyleOf, cores: number): Plot {
  return {
    caption: `${workload.workload}: rate by threads`,
    explanation: `Packets of all threads together. Higher is faster.${intervals(workload)}`,
    ...threadsAxis,
    unit: MPPS,
    textY: short,
    series: measuredRates(workload, styleOf),
    shade: shadeBeyond(cores),
  };
}

export function speedUpPlot(workload: WorkloadAnalysis, styleOf: StyleOf, cores: number): Plot {
  const { engines, threads } = workload;
  const own = engines.map(
    ({ engine, points }): PlotSeries => ({
      name: engine,
      style: styleOf(engine),
      kind: 'measured',
      points: points.flatMap(({ threads: x, speedUp, result }) =>
        speedUp === undefined
          ? []
          : [
              {
                x,
                y: speedUp.ratio,
                ...(x > 1 && result.runsMs.length > 1 && { low: speedUp.low, high: speedUp.high }),
              },
            ],
      ),
    }),
  );
  const controls = engines.flatMap(({ engine, points }): PlotSeries[] => {
    const shown = points.flatMap(({ threads: x, controlSpeedUp: y }) => (y === undefined ? [] : [{ x, y }]));
    return shown.length === 0
      ? []
      : [
          {
            name: `${engine}, a table for each thread`,
            style: styleOf(engine),
            kind: 'reference',
            points: [{ x: 1, y: 1 }, ...shown],
          },
        ];
  });
  const ideal = threads.map((x) => ({ x, y: Math.min(x, cores) }));
  return {
    caption: `${workload.workload}: speed-up`,
    explanation:
      'The rate, divided by the rate of one thread. Ideal is the number of threads, up to the cores. ' +
      `A table for each thread is the bound of the machine: nothing is shared then.${intervals(workload)}`,
    ...threadsAxis,
    unit: 'times the rate of one thread',
    textY: short,
    series: [
      ...own.filter(({ points }) => points.length > 0),
      ...controls,
      { name: 'ideal', style: 0, kind: 'reference', points: ideal },
    ],
    shade: shadeBeyond(cores),
  };
}

export function predictionPlot(workload: WorkloadAnalysis, styleOf: StyleOf, predicted: readonly PlotSeries[]): Plot {
  return {
    caption: `${workload.workload}: predicted for more threads`,
    explanation:
      'Filled points are measured. Hollow points on dashed lines are predicted: a machine with a core for each thread.',
    ...threadsAxis,
    unit: MPPS,
    textY: short,
    series: [...measuredRates(workload, styleOf), ...predicted],
  };
}

/** Every run against the median of its figure: shows whether the machine changed while it measured. */
export function runsPlot({ workload, engines }: WorkloadAnalysis): Plot {
  const cases = engines.flatMap(({ engine, points }) => points.map(({ result }) => ({ engine, result })));
  return {
    caption: `${workload}: every run`,
    explanation:
      'The time of each run, in percent of the median of its engine and number of threads. Runs were taken in turn. ' +
      'Lines that rise or fall together show that the machine itself changed. The axis does not begin at zero.',
    xLabel: 'run',
    textX: (run) => `run ${run}`,
    unit: '% of the median time',
    isZoomed: true,
    textY: (value) => `${value.toFixed(1)}\u00a0%`,
    series: cases.map(({ engine, result }, style) => ({
      name: `${engine}, ${threadsText(result.threads)}`,
      style,
      kind: 'measured',
      points: result.runsMs.map((ms, run) => ({ x: run + 1, y: (ms / result.medianMs) * 100 })),
    })),
  };
}

/** Bytes per connection, from the first figure of each engine. */
export function memoryBars(results: readonly BenchResult[], styleOf: StyleOf): BarFigure | undefined {
  const bars = unique(results.map((result) => result.engine)).flatMap((engine) => {
    const value = results.find((r) => r.engine === engine && r.bytesPerConnection !== undefined)?.bytesPerConnection;
    return value === undefined ? [] : [{ name: engine, style: styleOf(engine), value, text: `${short(value)} bytes` }];
  });
  return bars.length === 0
    ? undefined
    : {
        caption: 'Memory per connection',
        explanation: 'Memory of the table with its index, divided by its connections. Shorter is better.',
        bars,
      };
}

interface AgingKind {
  caption: string;
  explanation: string;
  unit: string;
  value: (aging: AgingResult) => number;
}

const AGING_KINDS: readonly AgingKind[] = [
  {
    caption: 'Expiration lag, p99',
    explanation: '99 % of the expired connections were removed at most this long after they expired. Lower is better.',
    unit: 'ms',
    value: ({ lagMs }) => lagMs.p99,
  },
  {
    caption: 'Sweeper CPU',
    explanation: 'CPU time of the thread that removes expired connections. Lower is better.',
    unit: '% of a core',
    value: ({ sweeperCpuPercent }) => sweeperCpuPercent,
  },
  {
    caption: 'Sweeper, time per connection removed',
    explanation: 'CPU time of the sweeper, divided by the connections that it removed. Lower is better.',
    unit: 'ns',
    value: ({ nsPerRemoved }) => nsPerRemoved,
  },
  {
    caption: 'Batch latency p99.9 against no sweeper',
    explanation: 'How much longer the slowest batches take beside a sweeper. 1 means: the sweeper disturbs nobody.',
    unit: 'times',
    value: ({ batchP999RatioToNoSweeper }) => batchP999RatioToNoSweeper,
  },
];

const agingName = ({ engine, buckets }: AgingResult): string => `${engine}, ${buckets} buckets`;

/** Figures by number of connections, with a line for each engine and number of buckets. */
export function agingPlots(aging: readonly AgingResult[], styleOf: StyleOf): Plot[] {
  const names = unique(aging.map(agingName));
  const engines = unique(aging.map(({ engine }) => engine));
  return AGING_KINDS.map(({ value, ...kind }) => ({
    ...kind,
    xLabel: 'connections',
    textX: (count) => `${scaled(count)} connections`,
    xBase: 10,
    textY: short,
    series: names.map((name, group) => {
      const members = aging.filter((each) => agingName(each) === name);
      return {
        name,
        /* Several lines of one engine need different styles. */
        style: engines.length === names.length ? styleOf(members[0]!.engine) : group,
        kind: 'measured',
        points: members.map((member) => ({ x: member.connections, y: value(member) })),
      };
    }),
  }));
}

/** The same for one number of connections, where a line would be a point. */
export function agingBars(aging: readonly AgingResult[], styleOf: StyleOf): BarFigure[] {
  return AGING_KINDS.map(({ caption, explanation, unit, value }) => ({
    caption,
    explanation,
    bars: aging.map((each) => ({
      name: agingName(each),
      style: styleOf(each.engine),
      value: value(each),
      text: `${short(value(each))} ${unit}`,
    })),
  }));
}

/** Predicted rates for more threads: only as far as the measured points determine them. */

import type { EngineAnalysis, WorkloadAnalysis } from '../analysis.ts';
import { percent } from '../format.ts';
import type { PlotSeries } from './plot.ts';

/** An interval whose ends are further apart than this many times says nothing about the rate. */
const WIDEST_INTERVAL = 2;
/** Above this error on the measured points, the simulation leaves something out. */
const MOST_ERROR = 0.2;

export interface ShownPredictions {
  series: PlotSeries[];
  /** Why other predictions are not shown. */
  notes: string[];
}

const mega = (packetsPerSecond: number): number => packetsPerSecond / 1e6;

function lawOf({ engine, law }: EngineAnalysis, style: number): ShownPredictions {
  if (law === undefined) {
    return { series: [], notes: [] };
  }
  if (law.fit.isSumOnly) {
    const note = `${engine}: the scaling law is not drawn. Two numbers of threads cannot tell contention from coherence, and these lead to very different rates.`;
    return { series: [], notes: [note] };
  }
  const unclear = law.predicted.findIndex(({ low, high }) => high > WIDEST_INTERVAL * low);
  const known = unclear < 0 ? law.predicted : law.predicted.slice(0, unclear);
  const name = `${engine}, scaling law`;
  const points = known.map(({ threads, rate, low, high }) => ({
    x: threads,
    y: mega(rate),
    low: mega(low),
    high: mega(high),
  }));
  return {
    series: points.length === 0 ? [] : [{ name, style, kind: 'predicted', points }],
    notes:
      unclear < 0
        ? []
        : [
            `${engine}: the scaling law is not drawn for ${law.predicted[unclear]!.threads} threads and more, because the runs do not determine it there.`,
          ],
  };
}

function simulationOf({ engine, simulation }: EngineAnalysis, style: number): ShownPredictions {
  const checks = simulation?.checks.filter(({ threads }) => threads > 1) ?? [];
  if (simulation === undefined || simulation.predicted.length === 0) {
    return { series: [], notes: [] };
  }
  if (checks.length === 0) {
    const note = `${engine}: the simulation is not drawn, because no point with more than one thread checks it.`;
    return { series: [], notes: [note] };
  }
  const error = Math.max(...checks.map((check) => Math.abs(check.error)));
  if (error > MOST_ERROR) {
    const note = `${engine}: the simulation is not drawn. It misses a measured point by ${percent(error)}.`;
    return { series: [], notes: [note] };
  }
  const points = simulation.predicted.map(({ threads, rate }) => ({ x: threads, y: mega(rate) }));
  return { series: [{ name: `${engine}, simulation`, style, kind: 'predicted', points }], notes: [] };
}

/** The workload with the laws whose coefficients the measured points determine. */
export function withKnownLaws(workload: WorkloadAnalysis): WorkloadAnalysis {
  return { ...workload, engines: workload.engines.filter(({ law }) => law !== undefined && !law.fit.isSumOnly) };
}

/** @param isBusy nothing is predicted from figures of a busy machine */
export function shownPredictions(
  { engines }: WorkloadAnalysis,
  styleOf: (engine: string) => number,
  isBusy: boolean,
): ShownPredictions {
  const parts = isBusy
    ? []
    : engines.flatMap((engine) => [
        lawOf(engine, styleOf(engine.engine)),
        simulationOf(engine, styleOf(engine.engine)),
      ]);
  return { series: parts.flatMap(({ series }) => series), notes: parts.flatMap(({ notes }) => notes) };
}

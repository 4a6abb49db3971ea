/** Tables of predictions: the scaling law, the simulation, and a check of the simulation against measured points. */

import type { EngineAnalysis, WorkloadAnalysis } from './analysis.ts';
import { unique } from './analysis.ts';
import { mega, percent, rate, short } from './format.ts';
import type { ReportTable } from './table-text.ts';

/** Coefficients of the scaling law. */
export function lawTable(workload: WorkloadAnalysis): ReportTable | undefined {
  const fitted = workload.engines.filter((engine) => engine.law !== undefined);
  if (fitted.length === 0) {
    return undefined;
  }
  return {
    title: `${workload.workload}: scaling law fitted to the measured points`,
    head: ['engine', 'sigma (contention)', '95 % interval', 'kappa (coherence)', '95 % interval', 'fitted to'],
    rows: fitted.map(({ engine, law }) => {
      const { sigma, kappa, sigmaInterval, kappaInterval, isSumOnly, threads } = law!.fit;
      return {
        cells: [
          engine,
          isSumOnly ? 'not told apart' : short(sigma),
          `${short(sigmaInterval.low)} to ${short(sigmaInterval.high)}`,
          isSumOnly ? 'not told apart' : short(kappa),
          `${short(kappaInterval.low)} to ${short(kappaInterval.high)}`,
          `${threads.join(', ')} threads`,
        ],
      };
    }),
  };
}

/** Rates that the law and the simulation predict, by threads and engine. */
export function predictionTable(workload: WorkloadAnalysis): ReportTable | undefined {
  const columns = workload.engines.flatMap((engine) => [...lawColumn(engine), ...simulationColumn(engine)]);
  const threads = unique(columns.flatMap(({ cells }) => [...cells.keys()])).sort((a, b) => a - b);
  return threads.length === 0
    ? undefined
    : {
        title: `${workload.workload}: predicted, not measured (a core for each thread)`,
        head: ['threads', ...columns.map(({ name }) => name)],
        rows: threads.map((count) => ({
          cells: [`${count} predicted`, ...columns.map(({ cells }) => cells.get(count) ?? '')],
          isPredicted: true,
        })),
      };
}

interface PredictedColumn {
  name: string;
  /** Cells by number of threads. */
  cells: Map<number, string>;
}

function lawColumn({ engine, law }: EngineAnalysis): PredictedColumn[] {
  if (law === undefined) {
    return [];
  }
  const cells = law.predicted.map(({ threads, rate: value, low, high }): [number, string] => {
    const interval = `${mega(low)} to ${rate(high)}`;
    /* Two points cannot tell contention from coherence, so no single figure stands for the range. */
    return [threads, law.fit.isSumOnly ? `≈ ${interval}` : `≈ ${rate(value)} (${interval})`];
  });
  return [{ name: `${engine}, law`, cells: new Map(cells) }];
}

function simulationColumn({ engine, simulation }: EngineAnalysis): PredictedColumn[] {
  if (simulation === undefined) {
    return [];
  }
  const cells = simulation.predicted.map((run): [number, string] => [
    run.threads,
    `≈ ${rate(run.rate)} (waits ${percent(run.waitingShare)})`,
  ]);
  return [{ name: `${engine}, simulation`, cells: new Map(cells) }];
}

/** The simulation against every measured point. */
export function checkTable(workload: WorkloadAnalysis): ReportTable | undefined {
  const rows = workload.engines.flatMap(({ engine, simulation }) =>
    (simulation?.checks ?? []).map(({ threads, measured, predicted, error }) => ({
      cells: [
        engine,
        String(threads),
        rate(measured),
        `≈ ${rate(predicted)}`,
        `${error >= 0 ? '+' : '−'}${percent(Math.abs(error))}`,
      ],
    })),
  );
  const head = ['engine', 'threads', 'measured', 'simulated', 'error of the simulation'];
  return rows.length === 0
    ? undefined
    : { title: `${workload.workload}: simulation against measured points`, head, rows };
}

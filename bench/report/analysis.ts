/** The analysis of a results file. It is computed once for all forms of the report. */

import { ENGINES } from '../../src/core/engines/engine.ts';
import { doubtsAbout } from '../machine/probe-rules.ts';
import { fitScalingLaw, predictRate, type PredictedRate, type ScalingFit } from '../statistics/scaling-law.ts';
import { checkSimulation, simulate, type SimulatedRun, type SimulationCheck } from '../statistics/simulation.ts';
import { medianInterval, medianRatio, type Interval, type Ratio } from '../statistics/statistics.ts';
import type { BenchResult, ResultsFile } from './results-file.ts';

/** Numbers of threads to predict. */
export const PREDICTED_THREADS = [4, 8, 16, 32, 64, 128] as const;

export interface MeasuredPoint {
  result: BenchResult;
  threads: number;
  msInterval: Interval;
  /** Packets per second. */
  rate: number;
  rateInterval: Interval;
  speedUp: Ratio | undefined;
  /** Speed-up of two and more threads with a table each. */
  controlSpeedUp: number | undefined;
  /** There are more threads than cores. */
  isCrowded: boolean;
}

export interface EngineAnalysis {
  engine: string;
  points: MeasuredPoint[];
  law: { fit: ScalingFit; predicted: PredictedRate[] } | undefined;
  simulation: { predicted: SimulatedRun[]; checks: SimulationCheck[] } | undefined;
}

export interface WorkloadAnalysis {
  workload: string;
  connections: number;
  threads: number[];
  engines: EngineAnalysis[];
}

export function analyse(file: ResultsFile): WorkloadAnalysis[] {
  return unique(file.results.map((result) => result.workload)).map((workload) => {
    const results = file.results.filter((result) => result.workload === workload);
    return {
      workload,
      connections: results[0]!.connections,
      threads: unique(results.map((result) => result.threads)).sort((a, b) => a - b),
      engines: unique(results.map((result) => result.engine)).map((engine) =>
        analyseEngine(
          file,
          workload,
          results.filter((result) => result.engine === engine),
        ),
      ),
    };
  });
}

function analyseEngine(file: ResultsFile, workload: string, results: BenchResult[]): EngineAnalysis {
  const { engine } = results[0]!;
  const { cores } = file.machine;
  const sorted = results.toSorted((a, b) => a.threads - b.threads);
  const single = sorted.find((result) => result.threads === 1);
  const points = sorted.map((result) => measuredPoint(result, single, cores));
  const measured = new Set(points.map((point) => point.threads));
  const threads = PREDICTED_THREADS.filter((count) => !measured.has(count) || count > cores);
  /* Figures of a machine that was not quiet would lead to wrong laws and predictions. */
  const isTrusted = doubtsAbout(file.machine).length === 0;
  const fit = isTrusted ? fitScalingLaw(sorted, cores) : undefined;
  const inputs = isTrusted ? file.simulation : undefined;
  const work = inputs?.find((input) => input.workload === workload && input.engine === engine)?.work;
  return {
    engine,
    points,
    law: fit && { fit, predicted: threads.map((count) => predictRate(fit, count)) },
    simulation: work && {
      predicted: threads.map((count) => simulate(work, { threads: count })),
      checks: checkSimulation(work, points, cores),
    },
  };
}

function measuredPoint(result: BenchResult, single: BenchResult | undefined, cores: number): MeasuredPoint {
  const { threads, packets, medianMs, runsMs, control } = result;
  const msInterval = medianInterval(runsMs);
  const rateOf = (ms: number) => (packets / ms) * 1000;
  /* Threads may share the packets or send as many each. So scale the times to make the speed-up one of rates. */
  const scale = single === undefined ? 1 : packets / single.packets;
  const ratio = single === undefined ? undefined : medianRatio(single.runsMs, runsMs);
  return {
    result,
    threads,
    msInterval,
    rate: rateOf(medianMs),
    rateInterval: { low: rateOf(msInterval.high), high: rateOf(msInterval.low) },
    speedUp: ratio && { ratio: ratio.ratio * scale, low: ratio.low * scale, high: ratio.high * scale },
    controlSpeedUp: single && control ? (single.medianMs / control.medianMs) * scale : undefined,
    isCrowded: threads > cores,
  };
}

export function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

export interface PeerRatio extends Ratio {
  workload: string;
  threads: number;
  peer: string;
}

/** Rate of ct-bucket / rate of a peer, wherever both did the same work. */
export function peerRatios(results: readonly BenchResult[], peers: readonly string[]): PeerRatio[] {
  return results.flatMap((theirs) => {
    const { workload, threads, engine, packets, connections } = theirs;
    const ours = results.find(
      (result) =>
        result.engine === 'ct-bucket' &&
        result.workload === workload &&
        result.threads === threads &&
        result.packets === packets &&
        result.connections === connections,
    );
    return peers.includes(engine) && ours !== undefined
      ? [{ workload, threads, peer: engine, ...medianRatio(theirs.runsMs, ours.runsMs) }]
      : [];
  });
}

const OWN_ENGINES = new Set<string>(ENGINES);

/** Engines that do not belong to this package. */
export function peersIn(results: readonly BenchResult[]): string[] {
  return unique(results.map((result) => result.engine)).filter((engine) => !OWN_ENGINES.has(engine));
}

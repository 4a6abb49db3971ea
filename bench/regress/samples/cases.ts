/** Samples of a case, and the figures of its pairs. */

import { scalingReference, thresholdsOf, type RegressCase, type RegressConfig } from '../config.ts';
import type { Figure, Gate } from '../verdict/verdict.ts';

export interface CaseSample {
  /** Times in ms by workload. With one thread it is the processor time, if the build reports it. */
  timesMs: Record<string, number>;
  bytesPerConnection?: number;
  /** Figures of contention by name (CONTENTION_FLOORS). */
  contention?: Record<string, number>;
}

/** Which build is measured first. It is chosen at random: then equal builds differ as often one way as the other. */
export type Order = 'ab' | 'ba';

export interface SamplePair {
  a: CaseSample;
  b: CaseSample;
}

/** Measures a case with both builds. @throws SampleError */
export type PairSampler = (each: RegressCase, order: Order) => SamplePair | Promise<SamplePair>;

/** A sample process failed, or its accounting is wrong. There is no verdict then. */
export class SampleError extends Error {}

/** Added to a figure of contention before a ratio is taken, so that tiny differences do not count. */
const CONTENTION_FLOORS: Record<string, number> = {
  waitNsPerOperation: 5,
  contendedShare: 0.005,
  parksPer1000: 0.5,
};

/** A pair of samples as measured. */
export interface RawPair extends SamplePair {
  case: string;
  /** Pairs of one round are adjacent in time. */
  round: number;
  order: Order;
}

export interface FigureRatio {
  figure: Figure;
  logRatio: number;
}

/** ln(B/A) of each gated figure of a round's pairs. Positive means worse. */
export function ratiosOfRound(config: RegressConfig, round: readonly RawPair[]): FigureRatio[] {
  return config.cases.flatMap((each) => {
    const pair = round.find((other) => other.case === each.name);
    if (pair === undefined) {
      return [];
    }
    const { a, b } = pair;
    const { time, memory, contention, scaling } = each.gates;
    const ratios: FigureRatio[] = [];
    const add = (gate: Gate, name: string, ratio: number): void => {
      const figure = { case: each.name, gate, name, ...thresholdsOf(config, each, gate) };
      ratios.push({ figure, logRatio: Math.log(ratio) });
    };
    const names = Object.keys(a.timesMs).filter((name) => name in b.timesMs);
    if (time !== undefined) {
      names.forEach((name) => add('time', name, b.timesMs[name]! / a.timesMs[name]!));
    }
    if (memory !== undefined && a.bytesPerConnection !== undefined && b.bytesPerConnection !== undefined) {
      add('memory', 'bytes per connection', b.bytesPerConnection / a.bytesPerConnection);
    }
    if (contention !== undefined) {
      for (const [name, floor] of Object.entries(CONTENTION_FLOORS)) {
        const [before, after] = [a.contention?.[name], b.contention?.[name]];
        if (before !== undefined && after !== undefined) {
          add('contention', name, (after + floor) / (before + floor));
        }
      }
    }
    const one = round.find((other) => other.case === scalingReference(config, each)?.name);
    if (scaling !== undefined && one !== undefined) {
      /* Scaling: the speed-up of A / the speed-up of B. */
      names
        .filter((name) => name in one.a.timesMs && name in one.b.timesMs)
        .forEach((name) =>
          add('scaling', name, one.a.timesMs[name]! / a.timesMs[name]! / (one.b.timesMs[name]! / b.timesMs[name]!)),
        );
    }
    return ratios;
  });
}

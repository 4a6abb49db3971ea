/** Whole sequences of `regress` on made-up pairs, without processes and without a clock. */

import type { PairSampler, RawPair } from '../../../bench/regress/samples/cases.ts';
import { checkConfig, type RegressConfig } from '../../../bench/regress/config.ts';
import { pairsByFigure, takePairs, type Families } from '../../../bench/regress/verdict/pairs.ts';
import { conclude } from '../../../bench/regress/run.ts';
import type { FigureVerdict } from '../../../bench/regress/verdict/verdict.ts';
import type { Noise } from './made-up-noise.ts';

/** A configuration with one case for each figure. */
export function configOf(figures: number, more: object = {}): RegressConfig {
  return checkConfig({
    ...more,
    cases: Array.from({ length: figures }, (_, i) => ({
      name: `case ${i}`,
      workload: 'insert',
      threads: 1,
      connections: 1000,
      gates: { time: 1 },
    })),
  });
}

/** Times around 10 ms with this noise. @param slower by case: how many times as long B takes */
export function pairSampler(slower: Record<string, number>, noise: Noise): PairSampler {
  let taken = 0;
  return ({ name }, order) => {
    const { first, second } = noise(order, taken++);
    const ms = (ratio: number, log: number) => ({ timesMs: { time: 10 * ratio * Math.exp(log) } });
    const ratio = slower[name] ?? 1;
    return order === 'ab' ? { a: ms(1, first), b: ms(ratio, second) } : { a: ms(1, second), b: ms(ratio, first) };
  };
}

const RESULTS: Record<string, string[]> = {
  insert: ['udp-insert', 'udp-lookup'],
  'tcp-life': ['tcp-life'],
  'tcp-data': ['tcp-data'],
  churn: ['churn'],
};

/** Every figure that a configuration can gate, almost without noise. @param slower by 'case, result': how many times as long B takes */
export function plainPairs(slower: Record<string, number>): PairSampler {
  let taken = 0;
  return (each) => {
    const sample = (isHead: boolean) => ({
      timesMs: Object.fromEntries(
        RESULTS[each.workload]!.map((name) => [
          name,
          (isHead ? (slower[`${each.name}, ${name}`] ?? 1) : 1) * (10 + 1e-6 * taken++),
        ]),
      ),
      bytesPerConnection: 128,
      contention: { waitNsPerOperation: 10, contendedShare: 0.01, parksPer1000: 1 },
    });
    return { a: sample(false), b: sample(true) };
  };
}

export function figuresOf(config: RegressConfig): number {
  const sample = plainPairs({});
  const pairs = config.cases.map(
    (each): RawPair => ({
      case: each.name,
      round: 0,
      order: 'ab',
      ...(sample(each, 'ab') as Pick<RawPair, 'a' | 'b'>),
    }),
  );
  return pairsByFigure(config, pairs).length;
}

export interface Outcome {
  verdict: string;
  figures: FigureVerdict[];
  rounds: number;
  pairs: RawPair[];
  families: Families;
}

/** Takes pairs and judges them. The clock stands still by default, so that there is time for all pairs. */
export async function outcomeOf(
  config: RegressConfig,
  sample: PairSampler,
  msPerPair = 0,
  shards = 1,
  seed = 1,
): Promise<Outcome> {
  let nowMs = 0;
  const { pairs, families } = await takePairs({
    config,
    sample: (each, order) => {
      nowMs += msPerPair;
      return sample(each, order);
    },
    seed,
    shards,
    nowMs: () => nowMs,
  });
  const { verdict, figures } = conclude(config, pairs, families);
  return { verdict, figures, rounds: new Set(pairs.map(({ round }) => round)).size, pairs, families };
}

export function pairsOf({ pairs }: Outcome, name: string): number {
  return pairs.filter((pair) => pair.case === name).length;
}

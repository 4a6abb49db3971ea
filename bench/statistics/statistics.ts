/** Statistics of samples. All random draws are seeded: equal samples give equal intervals. */

export interface Interval {
  low: number;
  high: number;
}

/** Resamples of a bootstrap. With as many, the ends of a 95 % interval vary by less than a table shows. */
export const RESAMPLES = 4000;
const SEED = 0x5eed;

export function median(samples: readonly number[]): number {
  return sortedQuantile(
    samples.toSorted((a, b) => a - b),
    0.5,
  );
}

/** Quantile with linear interpolation between order statistics (type 7 of Hyndman and Fan, 1996). NaN without samples. */
export function quantile(samples: readonly number[], share: number): number {
  return sortedQuantile(
    samples.toSorted((a, b) => a - b),
    share,
  );
}

/** Like quantile, for sorted samples. */
export function sortedQuantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) {
    return Number.NaN;
  }
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below === above ? below : below + (above - below) * (at - Math.floor(at));
}

export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** Numbers in [0, 1) with 32 bits, by the mulberry32 generator. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Draws as many samples as there are, with replacement. */
export function resample(samples: readonly number[], random: () => number): number[] {
  return samples.map(() => samples[Math.floor(random() * samples.length)]!);
}

/**
 * 95 % percentile bootstrap interval of a statistic of several independent sets of samples (Efron, 1979). Resamples without a
 * finite statistic are left out.
 */
export function bootstrapInterval(
  sets: readonly (readonly number[])[],
  statistic: (sets: number[][]) => number,
  resamples = RESAMPLES,
): Interval {
  const random = seededRandom(SEED);
  const values: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const value = statistic(sets.map((set) => resample(set, random)));
    if (Number.isFinite(value)) {
      values.push(value);
    }
  }
  return intervalOf(values);
}

/** The middle 95 % of values. */
export function intervalOf(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  return { low: sortedQuantile(sorted, 0.025), high: sortedQuantile(sorted, 0.975) };
}

export function medianInterval(samples: readonly number[]): Interval {
  return bootstrapInterval([samples], ([set]) => median(set!));
}

export interface Ratio extends Interval {
  ratio: number;
}

/** Ratio of two medians, with its 95 % interval. */
export function medianRatio(numerator: readonly number[], denominator: readonly number[]): Ratio {
  const statistic = ([above, below]: number[][]) => median(above!) / median(below!);
  return {
    ratio: median(numerator) / median(denominator),
    ...bootstrapInterval([numerator, denominator], statistic),
  };
}

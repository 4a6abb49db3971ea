/**
 * The Universal Scalability Law (Gunther, 2007). The rate of N threads is
 *
 *     X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))
 *
 * sigma is contention (the share of the work that threads do one at a time), kappa coherence (the cost that each thread adds to
 * each other thread).
 *
 * N / X(N) is linear in 1 / lambda, sigma / lambda and kappa / lambda. The fit minimises the squares of relative errors, with
 * none of the three below zero. Intervals are bootstrapped from the runs of each number of threads.
 */

import { intervalOf, median, resample, seededRandom, type Interval } from './statistics.ts';

export interface ScalingPoint {
  threads: number;
  /** Packets of all threads in one run. */
  packets: number;
  runsMs: readonly number[];
}

export interface ScalingCoefficients {
  /** Packets per second of one thread. */
  lambda: number;
  sigma: number;
  kappa: number;
}

export interface ScalingFit extends ScalingCoefficients {
  sigmaInterval: Interval;
  kappaInterval: Interval;
  /** All bootstrapped fits. Intervals of predictions come from them. */
  fits: readonly ScalingCoefficients[];
  /**
   * Two numbers of threads, 1 and 2, determine only sigma + 2 kappa. Either coefficient alone explains the points, so the intervals
   * reach from all contention to all coherence.
   */
  isSumOnly: boolean;
  threads: readonly number[];
}

const RESAMPLES = 1000;
const SEED = 0xcafe;

/**
 * @param cores points with more threads than cores are left out, since they measure the scheduler
 * @returns undefined with fewer than two numbers of threads
 */
export function fitScalingLaw(points: readonly ScalingPoint[], cores: number): ScalingFit | undefined {
  const usable = points.filter((point) => point.threads <= cores).sort((a, b) => a.threads - b.threads);
  const threads = [...new Set(usable.map((point) => point.threads))];
  if (threads.length < 2) {
    return undefined;
  }
  const isSumOnly = threads.length === 2;
  const middle = fitOnce(usable, (runs) => median(runs), isSumOnly ? 'sigma' : 'both');
  const random = seededRandom(SEED);
  const fits: ScalingCoefficients[] = [];
  for (let i = 0; i < RESAMPLES; i++) {
    const drawn = usable.map((point) => ({ ...point, runsMs: resample(point.runsMs, random) }));
    if (isSumOnly) {
      fits.push(fitOnce(drawn, median, 'sigma'), fitOnce(drawn, median, 'kappa'));
    } else {
      fits.push(fitOnce(drawn, median, 'both'));
    }
  }
  return {
    ...middle,
    sigmaInterval: intervalOf(fits.map((fit) => fit.sigma)),
    kappaInterval: intervalOf(fits.map((fit) => fit.kappa)),
    fits,
    isSumOnly,
    threads,
  };
}

/** Packets per second. */
export function scalingRate({ lambda, sigma, kappa }: ScalingCoefficients, threads: number): number {
  return (lambda * threads) / (1 + sigma * (threads - 1) + kappa * threads * (threads - 1));
}

export interface PredictedRate extends Interval {
  threads: number;
  /** Packets per second. */
  rate: number;
}

export function predictRate(fit: ScalingFit, threads: number): PredictedRate {
  return { threads, rate: scalingRate(fit, threads), ...intervalOf(fit.fits.map((f) => scalingRate(f, threads))) };
}

type Unknowns = 'both' | 'sigma' | 'kappa';

/** Fits the columns 1, N - 1, N (N - 1), scaled to relative errors. Takes the feasible subset with the least residual. */
function fitOnce(
  points: readonly ScalingPoint[],
  centre: (runsMs: readonly number[]) => number,
  unknowns: Unknowns,
): ScalingCoefficients {
  const rows = points.map(({ threads, packets, runsMs }) => {
    /* Thread-seconds per packet. */
    const cost = ((centre(runsMs) / 1000) * threads) / packets;
    return [1 / cost, (threads - 1) / cost, (threads * (threads - 1)) / cost];
  });
  const subsets = { both: [[0, 1, 2], [0, 1], [0, 2], [0]], sigma: [[0, 1], [0]], kappa: [[0, 2], [0]] }[unknowns];
  let best: number[] = [1, 0, 0];
  let bestResidual = Number.POSITIVE_INFINITY;
  for (const columns of subsets) {
    const solution = leastSquares(rows, columns);
    if (solution === undefined || solution.some((value) => value < 0) || solution[0]! <= 0) {
      continue;
    }
    const residual = rows.reduce((sum, row) => sum + (1 - dot(row, solution)) ** 2, 0);
    if (residual < bestResidual - 1e-15) {
      best = solution;
      bestResidual = residual;
    }
  }
  const [perPacket, contention, coherence] = best as [number, number, number];
  return { lambda: 1 / perPacket, sigma: contention / perPacket, kappa: coherence / perPacket };
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** Solves rows * x = 1 for these columns, with the other x zero, by normal equations. @returns undefined if singular */
function leastSquares(rows: readonly (readonly number[])[], columns: readonly number[]): number[] | undefined {
  /* The columns differ by orders of magnitude. Scale them to length one to keep the equations well conditioned. */
  const lengths = columns.map((c) => Math.sqrt(rows.reduce((sum, row) => sum + row[c]! ** 2, 0)));
  if (lengths.includes(0) || rows.length < columns.length) {
    return undefined;
  }
  const matrix = columns.map((a, i) => [
    ...columns.map((b, j) => rows.reduce((sum, row) => sum + (row[a]! / lengths[i]!) * (row[b]! / lengths[j]!), 0)),
    rows.reduce((sum, row) => sum + row[a]! / lengths[i]!, 0),
  ]);
  const values = eliminate(matrix);
  if (values === undefined) {
    return undefined;
  }
  const solution = [0, 0, 0];
  for (const [i, column] of columns.entries()) {
    solution[column] = values[i]! / lengths[i]!;
  }
  return solution;
}

/** Gauss-Jordan elimination of an augmented matrix, with pivots. */
function eliminate(matrix: number[][]): number[] | undefined {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      pivot = Math.abs(matrix[row]![column]!) > Math.abs(matrix[pivot]![column]!) ? row : pivot;
    }
    [matrix[column], matrix[pivot]] = [matrix[pivot]!, matrix[column]!];
    const lead = matrix[column]!;
    if (Math.abs(lead[column]!) < 1e-12) {
      return undefined;
    }
    for (const row of matrix) {
      if (row !== lead) {
        const factor = row[column]! / lead[column]!;
        row.forEach((value, i) => (row[i] = value - factor * lead[i]!));
      }
    }
  }
  return matrix.map((row, i) => row[size]! / row[i]!);
}

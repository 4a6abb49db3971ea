/** Detects growth: fits a line to samples, with an interval for its slope. */

export interface Trend {
  /** Slope per hour. */
  perHour: number;
  low: number;
  high: number;
  /** Least growth from the first sample to the last, by the low end of the interval. */
  leastGrowth: number;
  samples: number;
}

/** 97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom. The last one also serves for more. */
const T_QUANTILES = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12];
const MOST_T = 2.1;
const HOUR_S = 3600;

/** Least squares, with a 95 % interval from the residuals. NaN for fewer than three samples. */
export function trendOf(points: readonly { s: number; value: number }[]): Trend {
  const n = points.length;
  const mean = (of: (point: { s: number; value: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / n;
  const meanS = mean(({ s }) => s);
  const meanValue = mean(({ value }) => value);
  const squares = points.reduce((sum, { s }) => sum + (s - meanS) ** 2, 0);
  if (n < 3 || squares === 0) {
    return { perHour: Number.NaN, low: Number.NaN, high: Number.NaN, leastGrowth: Number.NaN, samples: n };
  }
  const slope = points.reduce((sum, { s, value }) => sum + (s - meanS) * (value - meanValue), 0) / squares;
  const residuals = points.reduce((sum, { s, value }) => sum + (value - meanValue - slope * (s - meanS)) ** 2, 0);
  const error = Math.sqrt(residuals / (n - 2) / squares) * (T_QUANTILES[n - 3] ?? MOST_T);
  return {
    perHour: slope * HOUR_S,
    low: (slope - error) * HOUR_S,
    high: (slope + error) * HOUR_S,
    leastGrowth: (slope - error) * (points.at(-1)!.s - points[0]!.s),
    samples: n,
  };
}

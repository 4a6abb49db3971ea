/** Noise for tests of verdicts, seeded. */

import { seededRandom } from '../../../bench/statistics/statistics.ts';

/** Normal deviates of deviation 1 (Box and Muller). */
export function deviates(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The noise of one pair in ln(time), for the build that is measured first and for the other one. */
export type Noise = (order: 'ab' | 'ba', round: number) => { first: number; second: number };

/**
 * Noise as busy machines have it. Tails are heavy. The machine gets slower while it measures. What is measured second is slower
 * than what is measured first. In every tenth pair a process has other compiled code, and is a fifth slower.
 */
export function roughNoise(seed: number, deviation = 0.01): Noise {
  const random = seededRandom(seed);
  const deviate = deviates(seed + 1);
  /* Student's t with three degrees of freedom. */
  const heavy = () => deviate() / Math.sqrt((deviate() ** 2 + deviate() ** 2 + deviate() ** 2) / 3);
  const process = () => (deviation * heavy()) / Math.SQRT2 + (random() < 0.05 ? 0.2 : 0);
  return (_order, round) => ({ first: 0.001 * round + process(), second: 0.001 * round + 0.004 + process() });
}

/** Normal noise, of this deviation in ln(B/A). */
export function plainNoise(seed: number, deviation = 0.01): Noise {
  const deviate = deviates(seed);
  const process = () => (deviation * deviate()) / Math.SQRT2;
  return () => ({ first: process(), second: process() });
}

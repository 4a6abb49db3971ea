/** Compares the statistics, the scaling law and the simulation with known values. */

import { describe, expect, it } from 'vitest';
import { fitScalingLaw, predictRate, scalingRate } from '../../bench/statistics/scaling-law.ts';
import { checkSimulation, simulate, type SimulatedWork } from '../../bench/statistics/simulation.ts';
import { median, medianInterval, medianRatio, quantile, seededRandom } from '../../bench/statistics/statistics.ts';

describe('the statistics', () => {
  it('use the middle of the sorted samples as median', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
    expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9, 12);
  });

  it('give the same interval for the same samples, within their range and around their median', () => {
    const samples = [601, 598, 640, 612, 605];
    const interval = medianInterval(samples);
    expect(medianInterval(samples)).toEqual(interval);
    expect(interval).toEqual({ low: 598, high: 640 });
  });

  it('give an interval that contains the ratio of two medians', () => {
    const ratio = medianRatio([200, 202, 198, 201, 199], [100, 101, 99, 100, 100]);
    expect(ratio.ratio).toBe(2);
    expect(ratio.low).toBeGreaterThan(1.94);
    expect(ratio.low).toBeLessThan(2);
    expect(ratio.high).toBeGreaterThan(2);
    expect(ratio.high).toBeLessThan(2.06);
  });
});

describe('the scaling law', () => {
  const law = { lambda: 1.5e6, sigma: 0.05, kappa: 0.002 };
  const points = (threads: readonly number[], noise: number) => {
    const random = seededRandom(7);
    return threads.map((count) => ({
      threads: count,
      packets: 1e6,
      runsMs: Array.from({ length: 9 }, () => (1e9 / scalingRate(law, count)) * (1 + noise * (random() - 0.5))),
    }));
  };

  it('is found exactly from points without noise', () => {
    const fit = fitScalingLaw(points([1, 2, 4, 8, 16, 32], 0), 32)!;
    expect(fit.sigma).toBeCloseTo(0.05, 8);
    expect(fit.kappa).toBeCloseTo(0.002, 8);
    expect(fit.lambda).toBeCloseTo(1.5e6, 0);
    expect(predictRate(fit, 64).rate).toBeCloseTo(scalingRate(law, 64), 0);
  });

  it('lies within the intervals of a fit to noisy points', () => {
    const fit = fitScalingLaw(points([1, 2, 4, 8, 16, 32], 0.06), 32)!;
    expect(fit.isSumOnly).toBe(false);
    for (const name of ['sigma', 'kappa'] as const) {
      const { low, high } = fit[`${name}Interval`];
      expect(low).toBeLessThan(law[name]);
      expect(high).toBeGreaterThan(law[name]);
      expect(high - low).toBeLessThan(law[name]);
    }
  });

  it('leaves contention and coherence unknown with two numbers of threads', () => {
    const fit = fitScalingLaw(points([1, 2], 0), 2)!;
    expect(fit.isSumOnly).toBe(true);
    expect(fit.sigmaInterval.low).toBe(0);
    expect(fit.sigmaInterval.high).toBeCloseTo(law.sigma + 2 * law.kappa, 8);
    expect(fit.kappaInterval.high).toBeCloseTo(law.sigma / 2 + law.kappa, 8);
    const { low, high } = predictRate(fit, 32);
    expect(low).toBeLessThan(scalingRate(law, 32));
    expect(high).toBeGreaterThan(scalingRate(law, 32));
  });

  it('is not fitted to points with more threads than cores', () => {
    expect(fitScalingLaw(points([1, 2, 4], 0), 2)!.threads).toEqual([1, 2]);
    expect(fitScalingLaw(points([1, 2, 4], 0), 1)).toBeUndefined();
  });
});

describe('the simulation', () => {
  const work = (change: Partial<SimulatedWork> = {}): SimulatedWork => ({
    outsideNs: 400,
    sections: [{ locks: 1, holdNs: 100 }],
    lineTransferNs: 0,
    ...change,
  });

  it('lets one thread neither wait nor fetch a cache line', () => {
    const run = simulate(work({ lineTransferNs: 70 }), { threads: 1 });
    expect(run.rate).toBeCloseTo(1e9 / 500, 0);
    expect([run.waitingShare, run.contendedShare]).toEqual([0, 0]);
  });

  it('reaches the serial limit of one lock: one packet per hold time, including the fetch of the cache line', () => {
    expect(simulate(work(), { threads: 32 }).rate).toBeCloseTo(1e9 / 100, 0);
    expect(simulate(work({ lineTransferNs: 60 }), { threads: 32 }).rate).toBeCloseTo(1e9 / 160, 0);
  });

  it('agrees with the closed form of the machine-repair model at every number of threads', () => {
    for (const threads of [2, 4, 8]) {
      /* M/M/1 with a finite population: the lock is idle with probability 1 / sum T! / (T - n)! (hold / outside)^n. */
      let term = 1;
      let sum = 1;
      for (let n = 1; n <= threads; n++) {
        term *= (threads - n + 1) * (100 / 400);
        sum += term;
      }
      const expected = (1 - 1 / sum) * (1e9 / 100);
      const { rate } = simulate(work({ times: 'exponential' }), { threads, packets: 200_000 });
      expect(Math.abs(rate / expected - 1)).toBeLessThan(0.01);
    }
  });

  it('scales almost ideally with many more buckets than threads', () => {
    const many = work({ sections: [{ locks: 4096, holdNs: 100 }], times: 'exponential' });
    const run = simulate(many, { threads: 16 });
    expect(run.rate / ((16 * 1e9) / 500)).toBeGreaterThan(0.985);
    expect(run.contendedShare).toBeLessThan(0.002);
  });

  it('runs a section only for its share of the packets', () => {
    const { rate } = simulate(work({ sections: [{ locks: 1, holdNs: 100, share: 0.25 }] }), { threads: 1 });
    expect(Math.abs(rate / (1e9 / 425) - 1)).toBeLessThan(0.005);
  });

  it('is compared with measured points of at most as many threads as cores', () => {
    const checks = checkSimulation(
      work(),
      [1, 2, 4].map((threads) => ({ threads, rate: 2e6 })),
      2,
    );
    expect(checks.map(({ threads }) => threads)).toEqual([1, 2]);
    expect(checks[0]!.error).toBeCloseTo(0, 6);
    expect(checks[1]!.error).toBeGreaterThan(0.5);
  });
});

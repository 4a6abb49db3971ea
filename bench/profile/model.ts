/** Sums, means and quantiles of the records of a lock profile. Times in ns unless a name says otherwise. */

import type { Caused, LockFigures, Times } from '../../src/core/inspect/lock-records.ts';
import { binStart } from '../../src/shared/sync/lock-profile.ts';

export function noTimes(): Times {
  return { count: 0, total: 0, min: 0, max: 0, bins: [] };
}

export function noFigures(): LockFigures {
  return {
    acquisitions: 0,
    contended: 0,
    triesFailed: 0,
    spins: 0,
    parks: 0,
    notifies: 0,
    predecessors: 0,
    bounces: 0,
    longWaits: 0,
    longHolds: 0,
    wait: noTimes(),
    hold: noTimes(),
  };
}

export function sumOfTimes(a: Times, b: Times): Times {
  if (a.count === 0 || b.count === 0) {
    return a.count === 0 ? b : a;
  }
  const bins = new Map(a.bins);
  for (const [bin, count] of b.bins) {
    bins.set(bin, (bins.get(bin) ?? 0) + count);
  }
  return {
    count: a.count + b.count,
    total: a.total + b.total,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    bins: [...bins].sort(([x], [y]) => x - y),
  };
}

export function sumOfFigures(all: readonly LockFigures[]): LockFigures {
  const sum = noFigures();
  for (const figures of all) {
    sum.acquisitions += figures.acquisitions;
    sum.contended += figures.contended;
    sum.triesFailed += figures.triesFailed;
    sum.spins += figures.spins;
    sum.parks += figures.parks;
    sum.notifies += figures.notifies;
    sum.predecessors += figures.predecessors;
    sum.bounces += figures.bounces;
    sum.longWaits += figures.longWaits;
    sum.longHolds += figures.longHolds;
    sum.wait = sumOfTimes(sum.wait, figures.wait);
    sum.hold = sumOfTimes(sum.hold, figures.hold);
  }
  return sum;
}

export function sumOfCaused(all: readonly Caused[]): Caused {
  const sum: Caused = { waits: 0, ns: 0, long: 0, longNs: 0 };
  for (const caused of all) {
    sum.waits += caused.waits;
    sum.ns += caused.ns;
    sum.long += caused.long;
    sum.longNs += caused.longNs;
  }
  return sum;
}

export function meanOf(times: Times): number {
  return times.count === 0 ? 0 : times.total / times.count;
}

/** The quantile at `share`, as the middle of its bin (at most 1/16 off). */
export function quantileOf(times: Times, share: number): number {
  let rest = Math.ceil(times.count * share);
  for (const [bin, count] of times.bins) {
    rest -= count;
    if (rest <= 0) {
      const middle = (binStart(bin) + binStart(bin + 1)) / 2;
      return Math.min(times.max, Math.max(times.min, middle));
    }
  }
  return times.max;
}

/** Total hold time, estimated from the timed holds. */
export function holdNsOf(figures: LockFigures): number {
  return meanOf(figures.hold) * figures.acquisitions;
}

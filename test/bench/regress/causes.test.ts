/** What moved beside a regression: lock sites and functions, from made-up profiles. */

import { describe, expect, it } from 'vitest';
import { noFigures } from '../../../bench/profile/model.ts';
import { causeLines, confirmedFunctions, slowerFunctions } from '../../../bench/regress/causes/causes.ts';
import { middleMean, slowerSites } from '../../../bench/regress/causes/lock-causes.ts';
import type { FlameFrame } from '../../../bench/report/page/flame-graph.ts';
import type { LockProfile, Times } from '../../../src/core/inspect/lock-records.ts';
import { binOf, binStart } from '../../../src/shared/sync/lock-profile.ts';

/** 1000 holds around `ns`. The longest of them is a holder that lost its core. */
function holds(ns: number, count = 1000): Times {
  const bins = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const bin = binOf(i === 0 ? 5_000_000 : Math.round(ns * (0.8 + (0.4 * i) / count)));
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  return { count, total: ns * count, min: 1, max: 5_000_000, bins: [...bins].toSorted(([a], [b]) => a - b) };
}

function profileWith(create: Times, remove: Times): LockProfile {
  const site = (index: number, hold: Times) => ({
    ...noFigures(),
    site: index,
    lockClass: 1,
    firstMs: 0,
    lastMs: 0,
    byThread: [],
    bySite: [],
    hold,
  });
  return {
    version: 1,
    sampleEvery: 8,
    sites: [
      { name: 'create a connection', lock: 'bucket' },
      { name: 'remove a connection', lock: 'bucket' },
    ],
    threads: [{ thread: 1, role: 'pmd', sites: [site(0, create), site(1, remove)] }],
  } as unknown as LockProfile;
}

describe('the middle hold time', () => {
  it('moves by a few percent with all holds, and not with one very long one', () => {
    expect(middleMean(holds(206)) / middleMean(holds(200))).toBeCloseTo(1.03, 2);
    const bin = binOf(200);
    const alone = { count: 1000, total: 0, min: 0, max: 0, bins: [[bin, 1000]] as [number, number][] };
    expect(middleMean(alone)).toBeCloseTo((binStart(bin) + binStart(bin + 1)) / 2, 9);
  });
});

describe('lock sites', () => {
  const pair = (after: number, count = 1000): [LockProfile, LockProfile] => [
    profileWith(holds(200, count), holds(150)),
    profileWith(holds(after, count), holds(150)),
  ];

  it('are named if every pair of profiles shows longer holds', () => {
    const found = slowerSites([pair(220), pair(222), pair(218)]);
    expect(found).toMatchObject([{ site: 'create a connection', lock: 'bucket' }]);
    expect(found[0]!.changePercent).toBeGreaterThan(8);
  });

  it('are named if one pair of many disagrees', () => {
    const pairs = [190, ...Array.from({ length: 15 }, (_, i) => 215 + i)].map((ns) => pair(ns));
    expect(slowerSites(pairs)).toMatchObject([{ site: 'create a connection' }]);
    const mixed = Array.from({ length: 16 }, (_, i) => pair(i % 2 === 0 ? 190 : 215));
    expect(slowerSites(mixed)).toEqual([]);
  });

  it.each([
    ['one pair shows shorter holds', [pair(220), pair(190), pair(220)]],
    ['there are only two pairs', [pair(220), pair(220)]],
    ['the change is below two percent', [pair(202), pair(202), pair(202)]],
    ['there are few holds', [pair(220, 100), pair(220, 100), pair(220, 100)]],
    ['there are no profiles', []],
  ])('are not named if %s', (_, pairs) => {
    expect(slowerSites(pairs)).toEqual([]);
  });
});

describe('functions', () => {
  it('are named by the rise of their own time, the largest first', () => {
    const found = slowerFunctions([
      { parse: 5000, lookup: 5000 },
      { parse: 5010, lookup: 6000, added: 2000 },
    ]);
    expect(found).toEqual([
      { name: 'added', percent: 20 },
      { name: 'lookup', percent: 10 },
    ]);
  });

  it('are not named if chance explains the rise, or if it is small', () => {
    expect(slowerFunctions([{ lookup: 100 }, { lookup: 130 }])).toEqual([]);
    expect(slowerFunctions([{ lookup: 1_000_000 }, { lookup: 1_004_000 }])).toEqual([]);
  });
});

it('a function that a second profile does not show slower is not named', () => {
  const frame = (name: string, before: number, after: number): FlameFrame => {
    return { name, depth: 0, before, after, ownBefore: before, ownAfter: after };
  };
  const first = [frame('slow', 1000, 1500), frame('lucky', 1000, 1400)];
  const again = [frame('slow', 1000, 1300), frame('lucky', 1010, 1000)];
  expect(confirmedFunctions(first, again).map(({ name }) => name)).toEqual(['slow']);
  expect(confirmedFunctions(first).map(({ name }) => name)).toEqual(['slow', 'lucky']);
});

it('the lines of causes name the case, the lock, the site and the function', () => {
  const site = { site: 'create a connection', lock: 'bucket', before: 200, after: 220, changePercent: 10 };
  const functions = [{ name: 'lookup', percent: 3.04 }];
  expect(causeLines([{ case: 'insert', sites: [site], functions }])).toEqual([
    'cause in insert: the bucket lock is held longer by create a connection: 200 -> 220 ns (+10.0 %)',
    'cause in insert: function lookup takes 3.0 % of the time more',
  ]);
  expect(causeLines()).toEqual([]);
});

/** When `regress` looks at its pairs: the looks spend no more than the tolerated errors, and each can decide. */

import { describe, expect, it } from 'vitest';
import { FALSE_ALARMS, HUGE_CHANCE, looksAt, MISSES, planLooks } from '../../../bench/regress/verdict/looks.ts';
import { leastP } from '../../../bench/regress/verdict/pair-statistics.ts';

const FAMILIES = [1, 2, 3, 4, 5, 8, 16, 64, 300];

describe('the looks of a verdict', () => {
  it.each(FAMILIES)('spend the tolerated errors of %d figures, and no more', (family) => {
    const { looks, hugePairs } = planLooks(family);
    const alarms = family * (looks.reduce((sum, { low }) => sum + low, 0) + HUGE_CHANCE ** hugePairs);
    expect(alarms).toBeLessThanOrEqual(FALSE_ALARMS + 1e-12);
    expect(alarms).toBeGreaterThan(0.9 * FALSE_ALARMS);
    expect(looks.reduce((sum, { high }) => sum + high, 0)).toBeCloseTo(MISSES, 12);
  });

  it.each(FAMILIES)('can each call a regression and a fine figure among %d figures', (family) => {
    for (const { pairs, low, high } of planLooks(family).looks) {
      expect(leastP(pairs)).toBeLessThanOrEqual(Math.min(low, high));
    }
  });

  it('come after few pairs: a huge slowdown after two or three, another one after six to eleven', () => {
    const first = (family: number) => [planLooks(family).hugePairs, planLooks(family).looks[0]!.pairs];
    expect([1, 2, 4, 5, 6, 16, 100].map(first)).toEqual([
      [2, 6],
      [2, 7],
      [2, 8],
      [2, 8],
      [3, 8],
      [3, 10],
      [3, 13],
    ]);
    expect(planLooks(4).looks.map(({ pairs }) => pairs)).toEqual([8, 12, 17, 24, 34, 48, 68, 96]);
  });

  it('are those before the last pair; the end of the pairs gets one of its own', () => {
    const plan = planLooks(4);
    const pairsAt = (pairs: number, isEnd: boolean) => looksAt(plan, pairs, isEnd).map((look) => look.pairs);
    expect(pairsAt(7, true)).toEqual([]);
    expect(pairsAt(8, true)).toEqual([8]);
    expect(pairsAt(10, false)).toEqual([8]);
    expect(pairsAt(10, true)).toEqual([8, 10]);
    expect(pairsAt(12, true)).toEqual([8, 12]);
    expect(looksAt(plan, 500, true)).toHaveLength(8);
    expect(looksAt(plan, 10, true)[1]).toEqual({ ...plan.looks[1]!, pairs: 10 });
  });
});

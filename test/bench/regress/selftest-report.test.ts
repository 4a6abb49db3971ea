/** What a selftest requires of the verdicts, and what it says if they are not so. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { reportVerdicts, type SelftestLine } from '../../../bench/regress/selftest/selftest-report.ts';

function lines(slowdownPercent: number, verdicts: SelftestLine['verdict'][], more: Partial<SelftestLine> = {}) {
  return verdicts.map(
    (verdict, run): SelftestLine => ({
      slowdownPercent,
      run,
      verdict,
      changePercent: [],
      smallestEffectPercent: [],
      tookSeconds: 9,
      ...more,
    }),
  );
}

function mixed(regressed: number, fine: number): SelftestLine['verdict'][] {
  return [...Array<'regressed'>(regressed).fill('regressed'), ...Array<'fine'>(fine).fill('fine')];
}

describe('a selftest', () => {
  beforeEach(() => {
    vi.spyOn(console, 'log').mockImplementation(() => {});
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([
    { what: 'one false alarm in 20', of: lines(0, mixed(1, 19)) },
    {
      what: 'three inconclusive verdicts in 20 on equal builds',
      of: lines(0, [...mixed(0, 17), ...Array<'inconclusive'>(3).fill('inconclusive')]),
    },
    { what: 'seven of ten slowdowns of 3 % detected', of: lines(3, mixed(7, 3)) },
    { what: '18 of 20 slowdowns of 5 % detected', of: lines(5, mixed(18, 2)) },
    { what: '19 of 20 slowdowns of 10 % detected', of: lines(10, mixed(19, 1)) },
    { what: 'a build ten times as slow called after 11 s', of: lines(900, mixed(1, 0), { tookSeconds: 11 }) },
    { what: 'a verdict that takes 61 s', of: lines(10, mixed(1, 0), { tookSeconds: 61 }) },
    { what: 'one false alarm in 20 beside busy processes', of: lines(0, mixed(1, 19), { busy: 2 }) },
    { what: 'seven of ten slowdowns of 5 % detected beside busy processes', of: lines(5, mixed(7, 3), { busy: 2 }) },
  ])('does not accept $what', ({ of }) => {
    expect(reportVerdicts(of)).toBe(false);
  });

  it.each([
    { what: '18 of 20 equal builds fine', of: lines(0, [...mixed(0, 18), 'inconclusive', 'inconclusive']) },
    { what: 'eight of ten slowdowns of 3 % detected', of: lines(3, mixed(8, 2)) },
    { what: '19 of 20 slowdowns of 5 % detected', of: lines(5, mixed(19, 1)) },
    { what: 'a build ten times as slow called after 9 s', of: lines(900, mixed(3, 0)) },
    { what: 'eight of ten slowdowns of 5 % detected beside busy processes', of: lines(5, mixed(8, 2), { busy: 2 }) },
    {
      what: 'inconclusive verdicts on equal builds beside busy processes',
      of: lines(0, ['inconclusive', 'fine'], { busy: 2 }),
    },
  ])('accepts $what', ({ of }) => {
    expect(reportVerdicts(of)).toBe(true);
  });
});

/** Verdicts of `regress` on made-up pairs. */

import { describe, expect, it } from 'vitest';
import {
  judge,
  overallVerdict,
  type Figure,
  type FigurePairs,
  type FigureVerdict,
} from '../../../bench/regress/verdict/verdict.ts';
import { deviates } from './made-up-noise.ts';

const figure: Figure = { case: 'insert', gate: 'time', name: 'udp-insert', tolerate: 2, alarm: 6 };

function pairsAround(percent: number, deviation: number, count: number, seed: number): number[] {
  const deviate = deviates(seed);
  return Array.from({ length: count }, () => Math.log1p(percent / 100) + deviation * deviate());
}

function verdictOn(logRatios: number[], change: Partial<Figure> = {}, family = 1): FigureVerdict {
  return judge([{ figure: { ...figure, ...change }, logRatios, family }])[0]!;
}

describe('the verdict on a figure', () => {
  it('is fine only if the whole interval lies below the alarm', () => {
    const fine = verdictOn(pairsAround(0, 0.01, 12, 5));
    expect(fine.verdict).toBe('fine');
    expect(fine.intervalPercent.high).toBeLessThan(6);
    const wide = verdictOn([0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.04, -0.04]);
    expect(wide).toMatchObject({
      verdict: 'inconclusive',
      reason: 'within the tolerance, but the interval reaches the alarm',
    });
    expect(wide.smallestEffectPercent).toBeGreaterThan(6);
  });

  it('is regressed if the interval lies above the noise floor, and the estimate above the tolerance', () => {
    const regressed = verdictOn(pairsAround(3, 0.01, 12, 6));
    expect(regressed.verdict).toBe('regressed');
    expect(regressed.intervalPercent.low).toBeGreaterThan(0.5);
    expect(regressed.intervalPercent.low).toBeLessThan(figure.tolerate);
    expect(verdictOn(pairsAround(4, 0.06, 12, 6))).toMatchObject({
      verdict: 'inconclusive',
      reason: 'beyond the tolerance, but the interval reaches the noise floor',
    });
  });

  it('is fine for a certain change within the tolerance', () => {
    const verdict = verdictOn(pairsAround(1, 0.001, 20, 9));
    expect(verdict).toMatchObject({ verdict: 'fine' });
    expect(verdict.changePercent).toBeCloseTo(1, 0);
    expect(verdict.intervalPercent.low).toBeGreaterThan(0.5);
  });

  it('has a noise floor of half a percent, and none above the tolerance', () => {
    const small = pairsAround(0.3, 0.0005, 8, 13);
    expect(verdictOn(small, { tolerate: 0.2, alarm: 3 }).verdict).toBe('regressed');
    expect(verdictOn(small, { tolerate: 0.4, alarm: 3 }).verdict).toBe('fine');
  });

  it('is never inconclusive if its interval is narrower than from the noise floor to the alarm', () => {
    for (let seed = 0; seed < 300; seed++) {
      const { verdict, intervalPercent } = verdictOn(pairsAround((seed % 30) / 4, 0.015, 8, seed));
      if (intervalPercent.high! - intervalPercent.low! < figure.alarm - 0.5) {
        expect(verdict).not.toBe('inconclusive');
      }
    }
  });

  it('needs more pairs among many figures, and says how many', () => {
    const beyond = [0.03, 0.04, 0.05, 0.06, 0.05, 0.04];
    expect(verdictOn(beyond).verdict).toBe('regressed');
    expect(verdictOn(beyond, {}, 4)).toMatchObject({
      verdict: 'inconclusive',
      reason: 'only 6 pairs; what is not huge needs 8',
      intervalPercent: { low: null, high: null },
      smallestEffectPercent: null,
      fewestPairs: 8,
    });
    expect(verdictOn([...beyond, 0.05, 0.03], {}, 4).verdict).toBe('regressed');
  });

  it('is regressed after two pairs if both are more than twice as slow', () => {
    const huge = verdictOn([Math.log(14), Math.log(9)]);
    expect(huge).toMatchObject({
      verdict: 'regressed',
      reason: 'each of the first 2 pairs shows a huge slowdown',
      pairs: 2,
    });
    expect(verdictOn([Math.log(14)]).verdict).toBe('inconclusive');
    expect(verdictOn([Math.log(14), 0]).verdict).toBe('inconclusive');
    expect(verdictOn([Math.log(2.01), Math.log(2.01)]).verdict).toBe('inconclusive');
    expect(verdictOn([Math.log(2.05), Math.log(2.05)]).verdict).toBe('regressed');
  });

  it('on contention is not regressed by two pairs, since contention may double by chance', () => {
    const doubled = [Math.log(14), Math.log(9)];
    expect(verdictOn(doubled, { gate: 'contention' }).verdict).toBe('inconclusive');
    expect(verdictOn([...doubled, ...doubled, ...doubled], { gate: 'contention' }).verdict).toBe('regressed');
  });

  it('is that of the first look that is certain; later pairs can only add a regression', () => {
    const calm = pairsAround(0, 0.004, 6, 30);
    const wild = pairsAround(0, 0.2, 6, 31);
    expect(verdictOn([...calm, ...wild])).toMatchObject({ verdict: 'fine', pairs: 6 });
    expect(verdictOn([...calm, ...pairsAround(5, 0.004, 40, 32)]).verdict).toBe('regressed');
  });

  it('takes no look between the planned ones before the end', () => {
    /* With one figure the looks are after 6, 9 and 13 pairs. */
    const logRatios = pairsAround(0, 0.3, 11, 7);
    const all: FigurePairs[] = [{ figure, logRatios, family: 1 }];
    expect(judge(all, false)[0]!.pairs).toBe(9);
    expect(judge(all, true)[0]!.pairs).toBe(11);
  });

  it('is fine for a speed-up', () => {
    expect(verdictOn(pairsAround(-8, 0.02, 12, 12)).verdict).toBe('fine');
  });

  it('is summed up as the worst of all figures, or as inconclusive without any', () => {
    expect(overallVerdict([{ verdict: 'fine' }, { verdict: 'inconclusive' }, { verdict: 'regressed' }])).toBe(
      'regressed',
    );
    expect(overallVerdict([{ verdict: 'fine' }, { verdict: 'inconclusive' }])).toBe('inconclusive');
    expect(overallVerdict([{ verdict: 'fine' }])).toBe('fine');
    expect(overallVerdict([])).toBe('inconclusive');
  });
});

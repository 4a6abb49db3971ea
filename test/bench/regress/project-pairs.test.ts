/** Which figures of another project are compared, and what `regress` says about those that cannot be. */

import { describe, expect, it } from 'vitest';
import type { PairSampler, RawPair, SamplePair } from '../../../bench/regress/samples/cases.ts';
import { mergeResults } from '../../../bench/regress/report/result-file.ts';
import { resultOf } from './made-up-results.ts';
import { checkConfig } from '../../../bench/regress/config.ts';
import { wrongFigureIn } from '../../../bench/regress/projects/project-command.ts';
import { lonelyFigures, withCommonFigures, withEstimate } from '../../../bench/regress/projects/project-pairs.ts';

const STATES = [{ label: 'base' }, { label: 'head' }] as const;
const CASE = checkConfig(
  { cases: [{ name: 'parse', workload: 'command', threads: 1, connections: 1000, gates: { time: 2 } }] },
  'here',
).cases[0]!;
const pairOf = (a: Record<string, number>, b: Record<string, number>): SamplePair => ({
  a: { timesMs: a },
  b: { timesMs: b },
});
const samplerOf =
  (pair: SamplePair): PairSampler =>
  () =>
    pair;

describe('a printed figure', () => {
  it('is never compared with a run time', async () => {
    const sample = withCommonFigures(samplerOf(pairOf({ time: 1.5 }, { 'run time': 40 })), STATES);
    await expect(sample(CASE, 'ab')).rejects.toThrow(
      'parse: both states must have a figure of the same name: base has time, head has run time',
    );
  });

  it('is compared if the other state prints one of that name', async () => {
    const pair = pairOf({ time: 1.5, more: 1 }, { time: 1.6 });
    await expect(withCommonFigures(samplerOf(pair), STATES)(CASE, 'ab')).resolves.toBe(pair);
  });

  it.each([
    ['NaN', 'warm\nNaN\n', 'NaN'],
    ['zero', '12.5\n0\n', '0'],
    ['a negative number', '-3', '-3'],
    ['null in an object: JSON has no NaN', '{"a":1,"b":null}', '{"a":1,"b":null}'],
    ['null', 'null', 'null'],
  ])('is refused if it is %s', (_what, stdout, quoted) => {
    expect(wrongFigureIn(stdout)).toBe(quoted);
  });

  it.each([
    ['text', 'done in 3 s\n'],
    ['nothing', ''],
    ['a line of a log', '{"level":30,"msg":"ready"}\n'],
    ['a list', '[0]\n'],
    ['a figure after it', '0\n12.5\n'],
    ['a figure, then text', '12.5\ndone\n'],
  ])('is not meant by %s', (_what, stdout) => {
    expect(wrongFigureIn(stdout)).toBeUndefined();
  });
});

it('figures that only one state has are named once', () => {
  const pair = pairOf({ time: 1, gone: 2 }, { time: 1, fresh: 3 });
  const pairs = [0, 1].map((round): RawPair => ({ case: 'parse', round, order: 'ab', ...pair }));
  expect(lonelyFigures(pairs, STATES)).toEqual(['gone of parse: only base has it', 'fresh of parse: only head has it']);
});

it('a merged verdict names them, too', () => {
  const lines = ['gone of parse: only base has it'];
  const results = [{ ...resultOf({ changes: { parse: 0 } }), missing: lines }, resultOf({ changes: { print: 0 } })];
  expect(mergeResults(results)).toMatchObject({ verdict: 'fine', missing: lines });
});

describe('after the first round', () => {
  async function saidAfter(secondsOfPair: number): Promise<string[]> {
    const said: string[] = [];
    let nowMs = 0;
    const slow: PairSampler = () => {
      nowMs += secondsOfPair * 1000;
      return pairOf({ time: 1 }, { time: 1 });
    };
    const sample = withEstimate(slow, { cases: 2, seconds: 55, say: (line) => said.push(line), nowMs: () => nowMs });
    for (let i = 0; i < 6; i++) {
      await sample(CASE, 'ab');
    }
    return said;
  }

  it('a slow suite says once how long the fewest pairs take', async () => {
    expect(await saidAfter(20)).toEqual([
      'a round takes 40 s, and a verdict on 2 figures needs 7 rounds: about 280 s, more than --seconds 55. Measure fewer or shorter cases to be faster',
    ]);
  });

  it('a quick one says nothing', async () => {
    expect(await saidAfter(1)).toEqual([]);
  });
});

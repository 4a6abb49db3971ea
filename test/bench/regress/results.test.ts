/** Verdicts as files: merged from shards, collected in a history, and printed in several formats. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../bench/statistics/statistics.ts';
import { noFigures } from '../../../bench/profile/model.ts';
import type { RawPair } from '../../../bench/regress/samples/cases.ts';
import { changePoints } from '../../../bench/regress/report/change-points.ts';
import { checkConfig } from '../../../bench/regress/config.ts';
import { headline, regressJunit, regressMarkdown, regressText } from '../../../bench/regress/report/report.ts';
import { readSample } from '../../../bench/regress/samples/process-samples.ts';
import { historyEntryOf, mergeResults, readHistory, readResult } from '../../../bench/regress/report/result-file.ts';
import { LineLog } from '../../../src/host/line-log.ts';
import { conclude, type RegressResult } from '../../../bench/regress/run.ts';
import { machineWith } from '../../support/probe-readings.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-regress-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A verdict on one case. Its head takes `ratio` times as long as its base, and the times scatter by half a percent. */
function result(name: string, ratio: number, cpu = 'Example CPU', scatter = 0.01): RegressResult {
  const config = checkConfig({
    cases: [{ name, workload: 'insert', threads: 1, connections: 1000, gates: { time: 2 } }],
  });
  const random = seededRandom(7);
  const ms = (of: number) => ({ timesMs: { 'udp-insert': of * (1 + (random() - 0.5) * scatter) } });
  const pairs = Array.from(
    { length: 20 },
    (_, round): RawPair => ({ case: name, round, order: 'ab', a: ms(10), b: ms(10 * ratio) }),
  );
  return {
    format: 'ct-bucket regress',
    base: { label: 'main', commit: 'aaaaaaaaaaaaaaaa' },
    head: { label: 'HEAD', commit: 'bbbbbbbbbbbbbbbb' },
    machine: { ...machineWith(), cpu },
    time: '2026-01-01T00:00:00.000Z',
    seed: 1,
    config,
    pairs,
    ...conclude(config, pairs),
    tookSeconds: 60,
  };
}

describe('a sample', () => {
  it('has the contention of all locks and threads, per acquisition', () => {
    const site = (figures: object) => ({
      ...noFigures(),
      site: 0,
      lockClass: 1,
      firstMs: 0,
      lastMs: 0,
      byThread: [],
      bySite: [],
      ...figures,
    });
    const wait = (total: number) => ({ count: 1, total, min: total, max: total, bins: [] });
    const { contention } = readSample({
      results: [{ name: 'udp-insert', ms: 1 }],
      profile: {
        version: 1,
        sampleEvery: 64,
        sites: [],
        threads: [
          { thread: 1, role: 'pmd', sites: [site({ acquisitions: 500, contended: 10, parks: 1, wait: wait(2000) })] },
          { thread: 2, role: 'pmd', sites: [site({ acquisitions: 1500, contended: 30, parks: 3, wait: wait(4000) })] },
        ],
      },
    });
    expect(contention).toEqual({ waitNsPerOperation: 3, contendedShare: 0.02, parksPer1000: 2 });
  });
});

describe('a verdict file', () => {
  it('is printed with its commits and its conclusion', () => {
    expect(headline(result('insert', 1))).toMatch(/^HEAD \(bbbbbbbbbb\) against main \(aaaaaaaaaa\): fine/);
    expect(regressText(result('insert', 1.1))).toMatch(/REGRESSED/);
    expect(regressMarkdown(result('insert', 1.1))).toMatch(/## ct-bucket regress: regressed/);
  });

  it('is not printed as a pass if it is inconclusive, and names the smallest detectable effect', () => {
    const open = result('insert', 1.03, 'Example CPU', 0.5);
    expect(open.verdict).toBe('inconclusive');
    expect(regressText(open)).toMatch(/not detectable: insert, time udp-insert: changes below [\d.]+ %/);
    expect(regressJunit(open)).toMatch(/failures="0" errors="1"/);
  });

  it('as JUnit has a test for each figure, which fails if the figure regressed', () => {
    const xml = regressJunit(result('a "b" <c>'.replaceAll(/[^a-z ]/g, ''), 1.1));
    expect(xml).toMatch(/tests="1" failures="1" errors="0"/);
    expect(xml).toMatch(/<failure message="regressed: \+\d/);
    expect(regressJunit(result('insert', 1))).not.toMatch(/<failure|<error/);
  });

  it('can be read back, and other files are refused', () => {
    const file = join(folder, 'verdict.json');
    writeFileSync(file, JSON.stringify(result('insert', 1)));
    expect(readResult(file).verdict).toBe('fine');
    writeFileSync(file, '{"format":"another"}');
    expect(() => readResult(file)).toThrow(/is not a verdict: .*. Write one with/);
    expect(() => readResult(join(folder, 'none.json'))).toThrow(/^cannot read/);
  });

  it('of an older version is read without its pairs of A and A', () => {
    const file = join(folder, 'older.json');
    const older = result('insert', 1.1);
    delete older.families;
    const pairs = older.pairs.map((pair, i) => ({ ...pair, phase: ['same', 'first', 'confirming'][i % 3] }));
    writeFileSync(file, JSON.stringify({ ...older, pairs }));
    expect(readResult(file).pairs).toHaveLength(13);
    expect(mergeResults([readResult(file)])).toMatchObject({ verdict: 'regressed', figures: [{ pairs: 6 }] });
  });

  it('with two pairs of a case in a round is refused', () => {
    const file = join(folder, 'twice.json');
    const whole = result('insert', 1);
    writeFileSync(file, JSON.stringify({ ...whole, pairs: [...whole.pairs, whole.pairs[0]] }));
    expect(() => readResult(file)).toThrow(/is not a verdict: a round has two pairs of a case/);
  });
});

describe('shards', () => {
  it('of several machines are merged into one verdict, which one bad case makes bad', () => {
    const merged = mergeResults([result('insert', 1), result('tcp-life', 1.1, 'Other CPU')]);
    expect(merged.verdict).toBe('regressed');
    expect(merged.figures.map(({ case: name, verdict }) => [name, verdict])).toEqual([
      ['insert', 'fine'],
      ['tcp-life', 'regressed'],
    ]);
  });

  it('keep their own pairs after the merge', () => {
    const merged = mergeResults([result('insert', 1), result('tcp-life', 1)]);
    const pairsIn = (name: string) => merged.pairs.filter((pair) => pair.case === name).length;
    expect(['insert', 'tcp-life'].map(pairsIn)).toEqual([20, 20]);
    expect(new Set(merged.pairs.map(({ round }) => round)).size).toBe(40);
  });

  it('are judged as strictly together as each was alone', () => {
    const shard = (name: string, family: number) => ({ ...result(name, 1.1), families: { [name]: family } });
    const merged = mergeResults([shard('insert', 1), shard('tcp-life', 2)]);
    expect(merged.families).toEqual({ insert: 1, 'tcp-life': 2 });
    expect(merged.figures.map(({ fewestPairs }) => fewestPairs)).toEqual([6, 7]);
  });

  it('with the same case twice are refused, even from two machines', () => {
    expect(() => mergeResults([result('insert', 1), result('insert', 1)])).toThrow(/is in two of the files/);
    expect(() => mergeResults([result('insert', 1), result('insert', 1, 'Other CPU')])).toThrow(/from two machines/);
  });

  it('of other builds are refused', () => {
    const other = { ...result('tcp-life', 1), head: { label: 'x', commit: 'cccc' } };
    expect(() => mergeResults([result('insert', 1), other])).toThrow(/not of the same builds/);
  });
});

describe('a history', () => {
  it('gets a line for each verdict, and can be read back', () => {
    const file = join(folder, 'history.jsonl');
    const log = new LineLog(file);
    [1, 1.1].forEach((ratio) => log.add(JSON.stringify(historyEntryOf(result('insert', ratio)))));
    log.close();
    const entries = readHistory(file);
    expect(entries.map(({ verdict }) => verdict)).toEqual(['fine', 'regressed']);
    expect(entries[1]!.timesMs['insert, udp-insert']).toBeCloseTo(11, 0);
    writeFileSync(file, `${readFileSync(file, 'utf8')}broken\n`);
    expect(() => readHistory(file)).toThrow(/line 3 is not an entry of a history/);
  });

  const noisy = (level: (i: number) => number, length: number) => {
    const random = seededRandom(3);
    return Array.from({ length }, (_, i) => level(i) * (1 + (random() - 0.5) / 20));
  };

  it('with a step has a change point at the step', () => {
    const points = changePoints(noisy((i) => (i < 17 ? 100 : 112), 40));
    expect(points).toHaveLength(1);
    expect(points[0]!.at).toBe(17);
    expect(points[0]!.changePercent).toBeGreaterThan(9);
    expect(points[0]!.changePercent).toBeLessThan(15);
  });

  it('with two steps has two change points, in order', () => {
    const points = changePoints(noisy((i) => (i < 15 ? 100 : i < 30 ? 120 : 90), 45));
    expect(points.map(({ at }) => at)).toEqual([15, 30]);
  });

  it('without a step has no change point, even if it is noisy', () => {
    expect(changePoints(noisy(() => 100, 60))).toEqual([]);
    expect(changePoints([])).toEqual([]);
    expect(changePoints([1, 2, 3])).toEqual([]);
  });
});

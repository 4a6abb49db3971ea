/** The gate by exact counters: what they decide, and when they leave it to the time. */

import { afterAll, describe, expect, it } from 'vitest';
import { ownBuild } from '../../../bench/count/run.ts';
import { OPERATIONS } from '../../../bench/count/recorder.ts';
import type { PhaseCounts } from '../../../bench/count/count-options.ts';
import { type Stage, STAGES } from '../../../bench/count/stages.ts';
import { noOperations } from '../../../bench/count/recorder.ts';
import { checkConfig, type RegressConfig } from '../../../bench/regress/config.ts';
import { type CountedPhase, CounterGate, judgeCounters, workOf } from '../../../bench/regress/counters/counter-gate.ts';
import { regressJunit, regressText } from '../../../bench/regress/report/report.ts';
import { conclude, runRegress } from '../../../bench/regress/run.ts';
import { buildVariant, type Variant } from '../../../bench/studies/variants.ts';

/** A phase of 1000 packets. Counts are of one packet, in the stage that judges. */
function phase(counts: {
  load?: number;
  read?: number;
  left?: number;
  instructions?: number;
  bytes?: number;
}): CountedPhase {
  const { load = 1, read = 20, left = 0, instructions, bytes = 0 } = counts;
  const stage = (isJudge: boolean) => ({
    table: { ...noOperations(), ...(isJudge ? { load: 1000 * load, read: 1000 * read } : {}) },
    packets: noOperations(),
    linesRead: 0,
    linesWritten: 0,
  });
  const noFirst = Object.fromEntries(STAGES.map((name) => [name, 0])) as Record<Stage, number>;
  return {
    counts: {
      name: 'udp-lookup',
      packets: 1000,
      batches: 32,
      stages: Object.fromEntries(STAGES.map((name) => [name, stage(name === 'judge')])) as PhaseCounts['stages'],
      fields: { 'record line 1': { read: 0, written: 0, hot: 0, first: { ...noFirst, judge: 1000 * left } } },
      missesLeft: 1000 * left,
      missesBeyondFirst: 0,
    },
    bytes,
    ...(instructions === undefined ? {} : { instructions }),
  };
}

function verdictOn(before: CountedPhase, after: CountedPhase, tolerate = 1): string {
  return judgeCounters('insert', tolerate, [before], [after]).verdict;
}

describe('the counters of a case', () => {
  it('are silent if they are equal, or better', () => {
    expect(verdictOn(phase({}), phase({}))).toBe('silent');
    expect(verdictOn(phase({ load: 2 }), phase({}))).toBe('silent');
  });

  it('call a regression if one is worse by more than the case tolerates', () => {
    expect(verdictOn(phase({}), phase({ load: 2 }))).toBe('regressed');
    expect(verdictOn(phase({}), phase({ left: 0.1 }))).toBe('regressed');
    expect(verdictOn(phase({}), phase({ bytes: 24_000 }))).toBe('regressed');
    expect(verdictOn(phase({}), phase({ load: 2 }), 20)).toBe('silent');
  });

  it('are silent if the rise costs less than one percent, whatever the case tolerates', () => {
    expect(verdictOn(phase({}), phase({ load: 1.001 }), 0)).toBe('silent');
    expect(verdictOn(phase({}), phase({ read: 21 }), 0)).toBe('silent');
  });

  it('are silent if another one became better: only time tells which of the two weighs more', () => {
    expect(verdictOn(phase({ left: 0.5 }), phase({ load: 4, left: 0 }))).toBe('silent');
  });

  it('are the instructions themselves, where both builds have them', () => {
    expect(verdictOn(phase({ instructions: 2000 }), phase({ instructions: 2060 }))).toBe('regressed');
    expect(verdictOn(phase({ instructions: 2000 }), phase({ instructions: 2030 }))).toBe('silent');
    expect(verdictOn(phase({ instructions: 2000 }), phase({ instructions: 2000, read: 60 }))).toBe('silent');
    expect(verdictOn(phase({}), phase({ instructions: 9000 }))).toBe('silent');
  });

  it('name what moved, and in which stage', () => {
    const [found] = judgeCounters('insert', 1, [phase({})], [phase({ load: 3 })]).phases;
    expect(found!.kinds).toMatchObject([{ name: 'atomic loads', before: 1, after: 3 }]);
    expect(found!.stages).toEqual([{ stage: 'judge', counter: 'load', before: 1, after: 3 }]);
  });

  it('are silent if the builds do not count the same work', () => {
    const other = phase({ load: 9 });
    other.counts.packets = 2000;
    expect(judgeCounters('insert', 1, [phase({})], [other])).toMatchObject({
      verdict: 'silent',
      why: 'the two builds count different work',
    });
  });

  it('see every operation on shared memory', () => {
    for (const operation of OPERATIONS) {
      const more = phase({});
      more.counts.stages.judge.table[operation] += 4000;
      expect([operation, verdictOn(phase({}), more)]).toEqual([operation, 'regressed']);
    }
  });
});

function configWith(...cases: object[]): RegressConfig {
  const usual = { workload: 'insert', threads: 1, connections: 1000, rehearsalConnections: 1000, repetitions: 3 };
  return checkConfig({
    budgetSeconds: 10,
    cases: cases.map((each, i) => ({ name: `case ${i}`, ...usual, gates: { time: 1 }, ...each })),
  });
}

describe('a case without a counted equivalent', () => {
  it.each([
    [{ workload: 'churn' }, 'the counters have one thread, and no sweeper'],
    [{ workload: 'of-tomorrow' }, 'the counters do not know of-tomorrow'],
    [{ gates: { memory: 10 } }, 'the case has no gate for time'],
  ])('is left to the time, with the reason: %o', (more, why) => {
    expect(workOf(configWith(more).cases[0]!)).toBe(why);
  });
});

describe('a verdict on builds of this repository', () => {
  const variants: Variant[] = [];
  afterAll(() => variants.forEach(({ remove }) => remove()));

  async function variant(find: RegExp, replace: string) {
    const made = await buildVariant([{ path: 'src/core/path/execute.ts', find, replace }]);
    variants.push(made);
    return { label: 'head', dist: made.dist };
  }

  const run = async (head: { label: string; dist: string }, config = configWith({}, { threads: 2 })) =>
    runRegress({
      base: { label: 'base', dist: await ownBuild() },
      head,
      config,
      seed: 1,
      counters: 'shared',
      say: () => {},
    });

  it('is fine at once if only a comment differs, for every case', async () => {
    const result = await run(await variant(/^/, '/* A comment more. */\n'));
    expect([result.verdict, result.pairs.length, result.missing]).toEqual(['fine', 0, []]);
    expect(regressText(result)).toMatch(/the same compiled code, so there is nothing to measure: case 0, case 1/);
    expect(regressJunit(result)).toMatch(/tests="2" failures="0" errors="0"/);
  });

  it('is a regression after the first look if each packet makes more atomic operations, and names them', async () => {
    const head = await variant(
      /let count = batch\.count;\n/,
      'let count = batch.count; for (let i = 0; i < count; i++) Atomics.add(tracker.words, 0, 0);\n',
    );
    const result = await run(head, configWith({}));
    expect([result.verdict, result.pairs.length <= 2]).toEqual(['regressed', true]);
    expect(regressText(result)).toMatch(
      /counters of case 0, udp-insert: worse: atomic writes [\d.]+ -> [\d.]+ a packet/,
    );
    expect(regressText(result)).toMatch(/by stage: begin the batch: add 0 -> 1/);
    expect(regressText(result)).toMatch(/REGRESSED by exact counters/);
    expect(regressJunit(result)).toMatch(/name="counters"><failure/);
    expect(conclude(result.config, [], {}, { counters: result.counters! }).verdict).toBe('regressed');
  });

  it('is left to the time if the code differs and the counters do not', async () => {
    const head = await variant(/^/, 'const unusedByAnything = [1];\n');
    const gate = new CounterGate({ label: 'base', dist: await ownBuild() }, head, configWith({}), 'shared', []);
    expect(await gate.countShared()).toBe(false);
    expect(gate.findings.cases).toMatchObject([{ verdict: 'silent', phases: [{ kinds: [] }, { kinds: [] }] }]);
  });
});

/** `regress accept`: slowdowns that a project has accepted, and what they change. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type AcceptedSlowdown,
  acceptedText,
  applicableEntries,
  entriesFor,
  parseAccepted,
  withEntries,
} from '../../../bench/regress/verdict/accepted.ts';
import { checkConfig } from '../../../bench/regress/config.ts';
import { acceptedFor } from '../../../bench/regress/verdict/lineage.ts';
import { regressJunit, regressText } from '../../../bench/regress/report/report.ts';
import { conclude, type RegressResult } from '../../../bench/regress/run.ts';
import { CT_BUCKET, run } from '../../support/child.ts';
import { plainNoise } from './made-up-noise.ts';
import { configOf, outcomeOf, pairSampler } from './sequences.ts';
import { machineWith } from '../../support/probe-readings.ts';

const ENTRY: AcceptedSlowdown = {
  case: 'case 0',
  gate: 'time',
  ratio: 1.1,
  base: 'a'.repeat(40),
  head: 'b'.repeat(40),
  date: '2026-01-31',
  because: 'each packet checks its limit',
};

/** A verdict on two cases. The first takes `ratio` times as long. */
async function verdictOn(ratio: number, accepted: AcceptedSlowdown[] = []): Promise<RegressResult> {
  const config = configOf(2);
  const { pairs, families } = await outcomeOf(config, pairSampler({ 'case 0': ratio }, plainNoise(3, 0.002)));
  return {
    format: 'ct-bucket regress',
    base: { label: 'main', commit: ENTRY.base },
    head: { label: 'HEAD', commit: ENTRY.head },
    machine: machineWith(),
    time: '2026-01-01T00:00:00.000Z',
    seed: 1,
    config,
    pairs,
    families,
    accepted,
    ...conclude(config, pairs, families, { accepted }),
    tookSeconds: 60,
  };
}

describe('an accepted slowdown', () => {
  it('is no regression, and the report says accepted and why', async () => {
    const result = await verdictOn(1.1, [ENTRY]);
    expect(result.figures.map(({ verdict, accepted }) => [verdict, accepted])[0]).toEqual(['regressed', ENTRY.because]);
    expect(result.verdict).not.toBe('regressed');
    expect(regressText(result)).toMatch(/accepted: case 0, time: time: each packet checks its limit/);
    expect(regressJunit(result)).toMatch(/failures="0"/);
  });

  it('does not cover a larger one, another case or another gate', async () => {
    expect((await verdictOn(1.13, [ENTRY])).verdict).toBe('regressed');
    expect((await verdictOn(1.1, [{ ...ENTRY, case: 'case 1' }])).verdict).toBe('regressed');
    expect((await verdictOn(1.1, [{ ...ENTRY, gate: 'memory' }])).verdict).toBe('regressed');
  });

  it('lets the sequence go on to the other cases, and a second one is still found', async () => {
    const { takePairs } = await import('../../../bench/regress/verdict/pairs.ts');
    const sequence = (slower: Record<string, number>) =>
      takePairs({
        config: configOf(2),
        sample: pairSampler(slower, plainNoise(3, 0.002)),
        seed: 1,
        nowMs: () => 0,
        accepted: [ENTRY],
      });
    const fine = await sequence({ 'case 0': 1.1 });
    expect(conclude(configOf(2), fine.pairs, fine.families, { accepted: [ENTRY] }).verdict).toBe('fine');
    const slow = await sequence({ 'case 0': 1.1, 'case 1': 1.2 });
    expect(conclude(configOf(2), slow.pairs, slow.families, { accepted: [ENTRY] }).verdict).toBe('regressed');
  });

  it('makes the counters silent, so that time decides', () => {
    const phase = {
      phase: 'udp-lookup',
      risePercent: 9,
      fallPercent: 0,
      limitPercent: 1,
      isWorse: true,
      kinds: [],
      stages: [],
    };
    const counters = { cases: [{ case: 'case 0', verdict: 'regressed' as const, phases: [phase] }], tookSeconds: 1 };
    const verdictWith = (accepted: AcceptedSlowdown[]) => conclude(configOf(1), [], {}, { counters, accepted }).verdict;
    expect(verdictWith([])).toBe('regressed');
    expect(verdictWith([ENTRY])).toBe('inconclusive');
  });
});

describe('the entries that hold', () => {
  const lineage = { cases: ['case 0'], ofBase: [], isBeforeHead: () => true };
  it('are those of known cases, from the history of the head', () => {
    expect(applicableEntries([ENTRY], lineage)).toEqual({ entries: [ENTRY], notes: [] });
  });

  it.each([
    ['expired', { ...lineage, ofBase: [ENTRY] }, /expired: the base contains this slowdown already/],
    ['of an unknown case', { ...lineage, cases: ['other'] }, /unknown: the configuration has no such case/],
    [
      'of an unknown commit',
      { ...lineage, isBeforeHead: () => undefined },
      /unknown: this repository has no commit a{10}$/,
    ],
    ['of another line', { ...lineage, isBeforeHead: () => false }, /a{10} is not in the history of the head/],
  ])('are not the ones %s, which are named', (_, other, says) => {
    const { entries, notes } = applicableEntries([ENTRY], other);
    expect(entries).toEqual([]);
    expect(notes[0]).toMatch(/^accepted slowdown of case 0, time: /);
    expect(notes[0]).toMatch(says);
  });
});

describe('the file of accepted slowdowns', () => {
  it('has one sorted line for each entry, and is read back', () => {
    const other = { ...ENTRY, case: 'a case' };
    const text = acceptedText([ENTRY, other]);
    const entries = text.split('\n').filter((line) => line.includes('"case"'));
    expect(entries.map((line) => /^ {4}\{"case":"([^"]*)".*\},?$/.exec(line)?.[1])).toEqual(['a case', 'case 0']);
    expect(parseAccepted(text, 'f')).toEqual([other, ENTRY]);
    expect(acceptedText(parseAccepted(text, 'f'))).toBe(text);
  });

  it('replaces an entry of the same case, gate and base', () => {
    expect(withEntries([ENTRY], [{ ...ENTRY, ratio: 1.2 }])).toEqual([{ ...ENTRY, ratio: 1.2 }]);
    expect(withEntries([ENTRY], [{ ...ENTRY, base: 'c' }])).toHaveLength(2);
  });

  it.each([
    ['{', /^f is not JSON .*: solve a conflict in it line by line$/],
    ['{"format":"another","accepted":[]}', /^f: format must be "ct-bucket accepted slowdowns 1"/],
    [acceptedText([{ ...ENTRY, because: ' ' }]), /^f: accepted\[0\]\.because must be a reason/],
    [acceptedText([{ ...ENTRY, ratio: 0 }]), /^f: accepted\[0\]\.ratio must be a number above 0/],
    [acceptedText([{ ...ENTRY, date: 'today' }]), /^f: accepted\[0\]\.date must be a date like/],
  ])('with a fault is refused: %s', (text, says) => {
    expect(() => parseAccepted(text, 'f')).toThrow(says);
  });
});

describe('the command regress accept', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-accept-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(async () => writeFileSync(join(folder, 'regress.json'), JSON.stringify(await verdictOn(1.1))));
  const accept = (...args: string[]) => {
    const files = { '--verdict': 'regress.json', '--accepted': 'accepted.json' };
    const given = Object.entries(files).filter(([option]) => !args.includes(option));
    const paths = given.flatMap(([option, name]) => [option, join(folder, name)]);
    return run(process.execPath, [...CT_BUCKET, 'regress', 'accept', ...args, ...paths]);
  };

  it('writes an entry with both commits, the ratio, the day and the reason', async () => {
    const { code, stdout, stderr } = await accept('case 0', '--because', 'it is worth it');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/accepted: case 0, time: up to 10\.\d % slower/);
    const [entry] = parseAccepted(readFileSync(join(folder, 'accepted.json'), 'utf8'), 'f');
    expect(entry).toMatchObject({ case: 'case 0', base: ENTRY.base, head: ENTRY.head, because: 'it is worth it' });
    expect(entry!.ratio).toBeCloseTo(1.1, 1);
  });

  it.each([
    [['case 1', '--because', 'x'], /case 1 did not regress in this verdict/],
    [['case 9', '--because', 'x'], /the verdict has no case case 9: it has case 0, case 1/],
    [['case 0', '--because', ' '], /--because is empty/],
    [['case 0', '--because', 'x', '--verdict', 'none.json'], /none\.json/],
  ])('refuses %j in one line', async (args, says) => {
    const { code, stderr } = await accept(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('takes the slowdown of the counters if they alone decided', () => {
    const phase = { phase: 'p', risePercent: 9, fallPercent: 2, limitPercent: 1, isWorse: true, kinds: [], stages: [] };
    const result = {
      base: { label: 'x' },
      head: { label: 'y' },
      figures: [],
      config: checkConfig({
        cases: [{ name: 'a', workload: 'insert', threads: 1, connections: 1000, gates: { time: 1 } }],
      }),
      counters: { cases: [{ case: 'a', verdict: 'regressed', phases: [phase] }], tookSeconds: 1 },
    } as unknown as RegressResult;
    expect(entriesFor(result, 'a', 'why', '2026-01-31')).toMatchObject([{ gate: 'time', ratio: 1.07, base: 'x' }]);
  });
});

describe('the history of the repository', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-lineage-'));
  const before = process.cwd();
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
      encoding: 'utf8',
    }).trim();
  const file = join(folder, 'accepted.json');
  const commit = (text: string): string => {
    writeFileSync(join(folder, 'a.txt'), text);
    git('add', '.');
    git('commit', '-qm', text);
    return git('rev-parse', 'HEAD');
  };
  beforeAll(() => {
    git('init', '-q');
  });
  afterAll(() => {
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
    expect(process.cwd()).toBe(before);
  });

  it('says which entries hold: from a branch on, until the base has them', () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder);
    const root = commit('root');
    const main = commit('main');
    writeFileSync(file, acceptedText([{ ...ENTRY, base: root }]));
    const head = commit('slower, and accepted');
    const later = commit('later');
    const holds = (base: string, of: string) =>
      acceptedFor(file, { label: 'base', commit: base }, { label: 'head', commit: of }, ['case 0']);
    expect(holds(root, head).entries).toHaveLength(1);
    expect(holds(main, head).entries).toHaveLength(1);
    expect(holds(head, later).notes[0]).toMatch(/expired/);
    writeFileSync(file, acceptedText([ENTRY]));
    expect(holds(main, later).notes[0]).toMatch(/unknown: this repository has no commit aaaaaaaaaa/);
  });
});

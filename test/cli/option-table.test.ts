/** Every option of every command has an effect, or is refused in one line. Add each new option to this table. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/program.ts';
import { type Printed, printedBy } from '../fuzz/command-line.ts';
import { capturePath } from '../support/fixtures.ts';

/** A valid value of each option, by its name; `true`: the option takes no value. */
const VALUES: Record<string, string | true> = {
  version: true,
  accepted: 'a.json',
  advisory: true,
  annotate: true,
  alarm: '5',
  'at-end': 'exit',
  bad: 'HEAD',
  base: 'main',
  'base-command': 'true',
  because: 'reason',
  bisections: '2',
  busy: '2',
  batch: '8',
  buckets: '64',
  case: 'a',
  cases: 'a,b',
  check: 'c.json',
  checksums: 'verify',
  clock: 'capture',
  'code-quality': 'q.json',
  columns: 'acquisitions',
  command: 'true',
  commits: '8',
  config: 'c.json',
  connections: '5000',
  counters: 'shared',
  csv: 'c.csv',
  engine: 'ct-bucket',
  established: '100',
  events: true,
  force: true,
  format: 'json',
  github: true,
  gitlab: true,
  good: 'main',
  head: 'HEAD',
  'head-command': 'true',
  history: 'h.jsonl',
  html: 'h.html',
  hung: 'report',
  instructions: true,
  interval: '5',
  json: 'j.json',
  junit: 'j.xml',
  kills: '1',
  label: 'arm64',
  late: 'l.late',
  latency: true,
  'lock-profile': 'p.json',
  loop: '2',
  markdown: 'm.md',
  'max-connections': '1000',
  minutes: '1',
  module: 'cases.mjs',
  more: true,
  'must-post': true,
  name: 'peer',
  'no-commit': true,
  'no-control': true,
  'no-memory': true,
  'no-predict': true,
  out: 'o.jsonl',
  'own-zones': true,
  packets: '5000',
  'per-thread': true,
  plant: 'idle',
  pprof: 'p.gz',
  prepare: 'true',
  quick: true,
  rate: '100',
  reclaim: 'sweep',
  request: '1',
  restarts: '1',
  resume: true,
  ring: '64',
  runs: '2',
  runtime: 'node22',
  sample: '16',
  seconds: '60',
  seed: '1',
  shard: '1/2',
  slowdowns: '0,5',
  socket: 'c.sock',
  speedscope: 's.json',
  statistics: true,
  'stats-interval': '5',
  steering: 'flow',
  'table-full': 'refuse',
  table: '1000',
  threads: '1',
  timestamps: true,
  tinybench: 'bench.mjs',
  tolerate: '2',
  top: '5',
  update: 'c.json',
  variant: 'x',
  verdict: 'v.json',
  verdicts: '1',
  'wait-quiet': '5m',
  vitest: 'bench',
  window: '32',
  workload: 'insert',
  zone: '1',
  zones: '2',
};

/** Options that take a value in some commands, and none in these. */
const FLAGS_ALSO: Record<string, readonly string[]> = {
  json: ['run', 'ctl', 'verify', 'bench compare'],
};

interface Case {
  path: string[];
  option: Option;
}

function casesOf(command: Command, path: string[] = []): Case[] {
  return [
    ...command.options.map((option) => ({ path, option })),
    ...command.commands.flatMap((child) => casesOf(child, [...path, child.name()])),
  ];
}

const all = casesOf(makeProgram());

function argumentOf({ path, option }: Case): string[] {
  const flag = option.long!;
  const isFlag = VALUES[option.name()] === true || FLAGS_ALSO[option.name()]?.includes(path.join(' ')) === true;
  return isFlag ? [flag] : [flag, VALUES[option.name()] as string];
}

let folder: string;
let before: string;
/* The tests run in a temporary folder: an option that wrongly writes a file does not write it into the repository. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-options-'));
  before = process.cwd();
});
afterAll(() => {
  expect(process.cwd()).toBe(before);
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

async function refused(args: readonly string[], says: RegExp): Promise<Printed> {
  const printed = await printedBy(args);
  expect(printed).toMatchObject({ exitCode: 2, out: '' });
  expect(printed.error).toMatch(/^ct-bucket: [^\n]+\n$/);
  expect(printed.error).toMatch(says);
  return printed;
}

describe('the options of all commands', () => {
  it('are all in the table of this test', () => {
    const names = new Set(all.map(({ option }) => option.name()));
    expect(all.length).toBeGreaterThan(150);
    expect([...names].filter((name) => VALUES[name] === undefined)).toEqual([]);
    expect(Object.keys(VALUES).filter((name) => !names.has(name))).toEqual([]);
  });

  it('are refused if they are given twice', async () => {
    for (const each of all.filter(({ option }) => option.name() !== 'version')) {
      const argument = argumentOf(each);
      await refused([...each.path, ...argument, ...argument], /is given twice/);
    }
  });

  it('are refused with an empty value', async () => {
    for (const each of all.filter(({ option }) => option.required || option.optional)) {
      if (argumentOf(each).length === 2) {
        await refused([...each.path, `${each.option.long}`, ''], /is empty|is invalid/);
      }
    }
  });
});

describe('an option without effect', () => {
  const capture = capturePath('zeek_dnp3');
  it.each<[what: string, args: string[], says: RegExp]>([
    [
      'bench with --buckets for an engine without buckets',
      ['bench', 'insert', '--engine', 'baseline,ct-scale', '--buckets', '4'],
      /--buckets is for --engine ct-bucket or wheel: the other engines have no buckets/,
    ],
    [
      'run with --buckets for such an engine',
      ['run', capture, '--engine', 'baseline', '--buckets', '4'],
      /--buckets is for/,
    ],
    [
      'profile with --buckets for such an engine',
      ['profile', 'insert', '--engine', 'ct-scale', '--buckets', '4'],
      /--buckets is for/,
    ],
    [
      'zones for a workload without zones',
      ['bench', 'peer', '--command', 'x', '--zones', '4'],
      /insert has no --zones/,
    ],
    [
      'more connections in zones than a table holds',
      ['bench', 'peer', '--command', 'x', '--workload', 'zones', '--zones', '59999'],
      /connections in 59,999 zones do not fit into a table/,
    ],
    [
      'more zones than there are',
      ['bench', 'peer', '--command', 'x', '--workload', 'zones', '--zones', '40000', '--threads', '2'],
      /80,000 zones of all threads are too many, at most 59,999/,
    ],
    ['a variant that is no number of zones', ['profile', 'short', '--variant', 'x'], /numbers of zones, such as 16/],
    ['a window for a peer', ['bench', 'peer', '--command', 'x', '--window', '4'], /insert has no --window/],
    [
      'a runtime for another study',
      ['bench', 'study', 'spin', '--runtime', 'bun'],
      /--runtime is for bench study runtime/,
    ],
    ['a page of another study', ['bench', 'study', 'spin', '--html', 'x'], /--html is for bench study runtime/],
    [
      'runs for a quick study',
      ['bench', 'study', 'runtime', '--quick', '--runs', '3'],
      /--quick has runs and connections of/,
    ],
    ['a time for quick trials', ['bench', 'rate', '--quick', '--seconds', '5'], /--quick has trials of its own length/],
    ['a name without a program', ['bench', 'table', '--name', 'x'], /--name is the name of the program in --command/],
    ['connections for a capture', ['profile', capture, '--connections', '5000'], /--connections is for workloads/],
    ['a variant for a capture', ['profile', capture, '--variant', 'x'], /--variant is for workloads/],
    ['a window for a capture', ['profile', capture, '--window', '3'], /--window is for workloads/],
    ['a loop over standard input', ['run', '-', '--loop'], /--loop is for files/],
    ['timestamps without events', ['replay', capture, '--timestamps'], /--timestamps needs --events/],
    ['late verdicts on the same output', ['replay', capture, '--late', '-'], /--late -: .* name a file/],
    ['one file for two outputs', ['bench', 'insert', '--json', '/tmp/x.y', '--html', '/tmp/x.y'], /name the same file/],
    ['commits of verdicts', ['regress', 'selftest', '--commits', '8'], /--commits is for --bisections: give both/],
    [
      'counters for bisections',
      ['regress', 'selftest', '--bisections', '1', '--counters', 'all'],
      /--bisections <bisections>' cannot be used with option '--counters/,
    ],
    [
      'a plant that bisections do not have',
      ['regress', 'selftest', '--bisections', '1', '--plant', 'lock-hold'],
      /--plant lock-hold is not for --bisections: give idle or instructions/,
    ],
    [
      'bisections without a slow commit',
      ['regress', 'selftest', '--bisections', '1', '--slowdowns', '0,10'],
      /--slowdowns 0 is not for --bisections/,
    ],
    ['standard output for a history', ['regress', 'merge', 'x', '--history', '-'], /--history -: /],
    [
      'an alarm for this project',
      ['regress', '--base', 'x', '--alarm', '3'],
      /--alarm is for another project: give --/,
    ],
    [
      'a configuration for another project',
      ['regress', '--base', 'x', '--command', 'true', '--config', 'c.json'],
      /--command <command>' cannot be used with option '--config/,
    ],
    ['one command of two', ['regress', '--base-command', 'true'], /--base-command and --head-command go together/],
    ['no state at all', ['regress', '--command', 'true'], /required option '--base <state>' not specified/],
    [
      'a state besides two commands',
      ['regress', '--base', 'x', '--base-command', 'true', '--head-command', 'true'],
      /--base <state>' cannot be used with option '--base-command/,
    ],
    [
      'two kinds of benchmarks',
      ['regress', '--base', 'x', '--tinybench', 'a.mjs', '--vitest', 'b'],
      /cannot be used with option/,
    ],
    ['cases of benchmarks', ['regress', '--base', 'x', '--vitest', 'b', '--cases', 'a'], /cannot be used with option/],
    ['standard output for two outputs', ['bench', 'insert', '--json', '-', '--html', '-'], /name the same file/],
    [
      '-m for a command without more output',
      ['ctl', 'ct-get-nconns', '-m'],
      /ct-get-nconns has no -m: it is for dump-conntrack, /,
    ],
    ['-s for a command without statistics', ['ctl', 'ct-bkts', '-s'], /ct-bkts has no -s: /],
  ])('is refused: %s', async (_what, args, says) => {
    await refused(args, says);
  });
});

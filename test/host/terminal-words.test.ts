/** Texts on a terminal: progress, numbers, plurals, suggestions, and widths. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { join } from 'node:path';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { groups, ms, short } from '../../bench/report/format.ts';
import { textTable } from '../../bench/report/table-text.ts';
import { lineOf, type IntervalFigures } from '../../bench/soak/report.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { printSummary, type Summary } from '../../src/cli/tracking/tracking-summary.ts';
import { counted, showProgress, thousands } from '../../src/host/terminal.ts';
import { commandList } from '../../src/workers/control/commands.ts';
import { printedBy } from '../fuzz/command-line.ts';
import { type ChildResult, CT_BUCKET, run } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';
import { Running } from '../support/running.ts';

const CAPTURE = capturePath('zeek_dnp3');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-words-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function ctBucket(args: readonly string[]): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, ...args]);
}

describe('a line of progress', () => {
  let starts = 0;

  /** The output on standard error: a terminal with this number of columns, or not a terminal if undefined. */
  function written(columns: number | undefined, env: Record<string, string>, texts: string[]): string {
    for (const [name, value] of Object.entries({ TERM: 'xterm', NO_COLOR: '', ...env })) {
      vi.stubEnv(name, value);
    }
    const before = { isTTY: process.stderr.isTTY, columns: process.stderr.columns };
    let out = '';
    const spy = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      out += String(chunk);
      return true;
    });
    Object.assign(process.stderr, { isTTY: columns !== undefined, columns });
    try {
      texts.forEach((text) => showProgress(text));
    } finally {
      Object.assign(process.stderr, before);
      spy.mockRestore();
    }
    return out;
  }

  it('is overwritten by the next one on a terminal, cut at its width, and erased at the end', () => {
    expect(written(20, {}, ['short', 'x'.repeat(50), ''])).toBe(
      `\r\u001b[Kshort\r\u001b[K${'x'.repeat(16)}...\r\u001b[K`,
    );
  });

  it.each([
    ['with NO_COLOR', 80, { NO_COLOR: '1' }],
    ['on a dumb terminal', 80, { TERM: 'dumb' }],
    ['without a terminal', undefined, {}],
  ])('%s is plain text, at most one in ten seconds', (_what, columns, env) => {
    /* Each test of this table starts ten seconds or more after the one before. */
    const now = vi.spyOn(performance, 'now');
    const start = 1e9 * ++starts;
    now.mockReturnValue(start);
    const out = written(columns, env, ['first', 'at once', '']);
    now.mockReturnValue(start + 10_000);
    expect(out + written(columns, env, ['later'])).toBe('ct-bucket: first\nct-bucket: later\n');
  });
});

describe('the text of a number', () => {
  it('separates thousands in one way', () => {
    expect(groups(1_234_567)).toBe('1,234,567');
    expect(groups).toBe(thousands);
    expect(short(12_345)).toBe('12,345');
    expect(ms(12_345)).toBe('12,345\u00a0ms');
  });

  it('is a dash if nothing was measured', () => {
    expect([ms(Number.NaN), short(Number.NaN)]).toEqual(['–', '–']);
    const nothing = { p50: Number.NaN, p99: Number.NaN, max: Number.NaN };
    const line = lineOf({ s: 1, batchUs: nothing, events: null, problems: [] } as unknown as IntervalFigures);
    expect(line).toContain('batch p50/p99/max -/-/- us');
  });

  it('has its noun in the singular for one', () => {
    expect([counted(1, 'connection'), counted(0, 'connection'), counted(2, 'packet')]).toEqual([
      '1 connection',
      '0 connections',
      '2 packets',
    ]);
  });

  it('in the totals does not look like a fault if there is none', () => {
    const lines: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
    const none = { accepted: 0, completedSent: 0 };
    printSummary({
      file: 'x.pcap',
      packets: 1,
      connections: 1,
      verdicts: {},
      counters: { packets: 1, clash: 10_000 },
      fragments: { v4: none, v6: none },
      pmds: [{ packets: 1, batches: 1 }],
    } as unknown as Summary);
    expect(lines).toEqual([
      'x.pcap: 1 packet, 1 connection at the end',
      '  PMD 0: 1 packet in 1 batch',
      '  counters: packets 1, found just created 10000',
    ]);
  });
});

describe('a misspelt name', () => {
  it.each<[args: string[], says: string]>([
    [['replya', 'x'], "unknown command 'replya'; did you mean replay?"],
    [['replay', CAPTURE, '--thread', '2'], "unknown option '--thread'; did you mean --threads?"],
    [['bench', 'isnert'], 'did you mean insert?'],
    [['profile', 'inser'], 'did you mean insert?'],
    [['profile', 'dif', 'a', 'b'], "profile has no command 'dif'; did you mean diff?"],
    [['regress', 'mrege', 'a.json'], "regress has no command 'mrege'; did you mean merge?"],
  ])('is refused with a suggestion: %j', async (args, says) => {
    const { exitCode, error } = await printedBy(args);
    expect(exitCode).toBe(2);
    expect(error).toMatch(/^ct-bucket: [^\n]+\n$/);
    expect(error).toContain(says);
  });
});

describe('a running tracker', () => {
  it('suggests a command for a misspelt one, and ctl events says when it listens', async () => {
    const running = await Running.start([CAPTURE, '--socket', join(folder, 's')]);
    const { error } = await running.ask('ct-get-ncons');
    expect(error).toBe("unknown command 'ct-get-ncons'; did you mean ct-get-nconns?; list-commands lists all commands");
    const listening = spawn(process.execPath, [...CT_BUCKET, 'ctl', 'events', '--socket', join(folder, 's')]);
    const [said] = (await once(listening.stderr, 'data')) as [Buffer];
    const ended = once(listening.stdout.resume(), 'end');
    /* ctl events listens until the tracker ends. */
    await running.stop();
    await ended;
    expect(said.toString()).toMatch(/^ct-bucket: listening for events; Ctrl-C ends it\n/);
  });
});

describe('the width of a terminal', () => {
  it('holds each line of the help of ctl', () => {
    expect(commandList().filter((line) => line.length > 78)).toEqual([]);
  });

  it('holds each line of a verdict', async () => {
    const { stdout } = await ctBucket([
      'regress',
      'merge',
      join(import.meta.dirname, '..', 'fixtures', 'commands', 'fine-verdict.json'),
    ]);
    const table = stdout.slice(0, stdout.lastIndexOf('\n', stdout.lastIndexOf(' against ')));
    expect(table.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(table).toContain('detectable slowdown  ');
  });

  it('turns a table into a list if the table is too wide', () => {
    const table = { title: 'T', head: ['name', 'one', 'three'], rows: [{ cells: ['a', '1', '3'] }] };
    expect(textTable(table, 10)).toBe('T\na\n  one    1\n  three  3');
    expect(textTable(table, 200)).toContain('│ a    │');
  });
});

describe('help', () => {
  it.each([
    ['regress', '--base <state>'],
    ['profile', '--pprof <file>'],
    ['bench', '--html <file>'],
  ])('of %s has the options of its default command', async (name, option) => {
    const { out, exitCode } = await printedBy([name, '--help']);
    expect(exitCode).toBe(0);
    expect(out).toContain(option);
    expect(makeProgram().commands.map((command) => command.name())).toContain(name);
  });
});

describe('a failed replay', () => {
  it('prints only an error if it fails before the first packet', async () => {
    const path = join(folder, 'text.pcap');
    writeFileSync(path, 'This is text.');
    const { code, stdout, stderr } = await ctBucket(['replay', path]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^ct-bucket: [^\n]+\n$/);
  });

  it('prints its totals so far if it fails later', async () => {
    const path = join(folder, 'broken.pcap');
    writeFileSync(path, readFileSync(CAPTURE).subarray(0, -3));
    const { code, stdout } = await ctBucket(['replay', path]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/packets, \d+ connections? at the end/);
  });
});

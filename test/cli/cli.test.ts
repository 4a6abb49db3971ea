/** The command: its exit codes, its two outputs, and its JSON. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type ChildResult, CT_BUCKET, REPOSITORY, run } from '../support/child.ts';
import { capturePath, scenarioPath } from '../support/fixtures.ts';
import { udp } from '../support/frames.ts';

const CAPTURE = capturePath('zeek_dnp3');
const SCENARIO = scenarioPath('udp-basic-v4');

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function temporary(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function ctBucket(args: readonly string[], input?: Uint8Array): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, ...args], input);
}

function states(path: string): string {
  return readFileSync(path.replace('.pcap', '.states'), 'utf8');
}

/** The only line on standard error. */
function complaintIn({ stderr }: ChildResult): string {
  expect(stderr).toMatch(/^ct-bucket: [^\n]+\n$/);
  return stderr.slice('ct-bucket: '.length, -1);
}

/** A scenario with a wrong expected state in its second operation. */
const wrongScenario = temporary(
  'wrong.jsonl',
  readFileSync(SCENARIO, 'utf8')
    .split('\n')
    .map((line, index) => (index === 2 ? line.replace('"state":["new"', '"state":["est"') : line))
    .join('\n'),
);

describe.concurrent('a wrong command line', () => {
  it.each<[what: string, says: RegExp, args: string[]]>([
    [
      'no threads',
      /'--threads <threads>' argument '0' is invalid\. It must be .* from 1 to 64/,
      ['replay', CAPTURE, '--threads', '0'],
    ],
    ['a batch in words', /'--batch <packets>' argument 'many' is invalid/, ['replay', CAPTURE, '--batch', 'many']],
    ['a zone out of range', /'--zone <zone>' argument '65536' is invalid/, ['replay', CAPTURE, '--zone', '65536']],
    [
      'an unknown format',
      /argument 'xml' is invalid\. Allowed choices are states,/,
      ['replay', CAPTURE, '--format', 'xml'],
    ],
    [
      'an unknown clock',
      /argument 'wall' is invalid\. Allowed choices are capture,/,
      ['replay', CAPTURE, '--clock', 'wall'],
    ],
    ['an unknown option', /unknown option '--nothing'/, ['replay', CAPTURE, '--nothing']],
    ['no file', /missing required argument 'file'/, ['replay']],
    ['one file too many', /too many arguments/, ['replay', CAPTURE, CAPTURE]],
    ['an unknown command', /unknown command 'nothing'; `ct-bucket --help` lists all commands/, ['nothing']],
    ['an unknown mode', /'--reclaim <mode>' argument 'never' is invalid/, ['verify', '--reclaim', 'never', SCENARIO]],
    ['a broken list', /'--threads <list>' argument '1,x' is invalid/, ['bench', 'insert', '--threads', '1,x']],
    ['an unknown benchmark', /bench has no command 'nothing'; .* lists all commands/, ['bench', 'nothing']],
  ])('with %s ends with a one-line error and exit code 2', async (_what, says, args) => {
    const result = await ctBucket(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(complaintIn(result)).toMatch(says);
  });

  /* Commander puts its suggestion on a second line: "error: unknown option '--thread'\n(Did you mean --threads?)". */
  it('ends with a one-line error even if commander suggests an option', async () => {
    const result = await ctBucket(['replay', CAPTURE, '--thread', '2']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(complaintIn(result)).toMatch(/unknown option '--thread'/);
  });

  it('does not hide --help and --version', async () => {
    const help = await ctBucket(['replay', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--threads <threads>');
    const version = await ctBucket(['--version']);
    expect(version).toMatchObject({ code: 0, stderr: '' });
    expect(version.stdout.trim()).toBe(JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')).version);
  });
});

describe.concurrent('replay', () => {
  it('prints the verdict on every packet', async () => {
    const result = await ctBucket(['replay', CAPTURE, '--format', 'states']);
    expect(result).toEqual({ code: 0, stdout: states(CAPTURE), stderr: '' });
  });

  it('prints the verdicts in the order of the packets on several threads', async () => {
    const path = capturePath('tcpdump_of10-7050sx-bsn');
    const args = ['replay', path, '--format', 'states', '--threads', '3', '--batch', '32'];
    expect(await ctBucket(args)).toEqual({ code: 0, stdout: states(path), stderr: '' });
  });

  it('reads standard input', async () => {
    const result = await ctBucket(['replay', '-', '--format', 'states'], readFileSync(CAPTURE));
    expect(result).toEqual({ code: 0, stdout: states(CAPTURE), stderr: '' });
  });

  it('sums up the verdicts as text', async () => {
    const { code, stdout, stderr } = await ctBucket(['replay', CAPTURE]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const packets = states(CAPTURE).trimEnd().split('\n').length;
    expect(stdout).toContain(`${packets} packets, `);
    expect(stdout).toMatch(/^ {2}est\|rpl\|trk +\d+$/m);
    expect(stdout).toMatch(/^ {2}PMD 0: /m);
  });

  it('sums up the verdicts as JSON', async () => {
    const { code, stdout, stderr } = await ctBucket([
      'replay',
      CAPTURE,
      '--format',
      'json',
      '--threads',
      '2',
      '--clock',
      'frozen',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = states(CAPTURE).trimEnd().split('\n');
    const verdicts = Object.fromEntries(
      [...new Set(lines)].map((state) => [state, lines.filter((line) => line === state).length]),
    );
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ file: CAPTURE, packets: lines.length, threads: 2, verdicts });
    expect(summary.pmds).toHaveLength(2);
    expect(summary.counters.packets).toBe(lines.length);
    expect(summary.connections).toBe(summary.counters.created);
    expect(summary).not.toHaveProperty('error');
  });

  it('creates no connection with --no-commit', async () => {
    const { code, stdout } = await ctBucket(['replay', CAPTURE, '--format', 'json', '--no-commit', '--zone', '9']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ connections: 0, counters: { created: 0, established: 0 } });
  });

  it.each([
    ['a file that does not exist', join(folder, 'nowhere.pcap'), /nowhere\.pcap: no such file$/],
    ['a folder', folder, /: is a directory, not a file$/],
    ['an empty file', temporary('empty.pcap', ''), /empty\.pcap: offset 0: the file is empty$/],
    [
      'a file of another kind',
      temporary('text.pcap', 'This is text.'),
      /text\.pcap: offset 0: magic number 0x54686973 /,
    ],
  ])('refuses %s with a one-line error and exit code 2', async (_what, path, says) => {
    const result = await ctBucket(['replay', path, '--format', 'states']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(complaintIn(result)).toMatch(says);
  });

  it('prints the verdicts on packets before the broken place of a capture', async () => {
    const broken = readFileSync(CAPTURE).subarray(0, -3);
    const whole = states(CAPTURE).trimEnd().split('\n');
    const before = `${whole.slice(0, -1).join('\n')}\n`;
    const path = temporary('broken.pcap', broken);
    const fromFile = await ctBucket(['replay', path, '--format', 'states', '--threads', '2']);
    expect(fromFile).toMatchObject({ code: 2, stdout: before });
    expect(complaintIn(fromFile)).toMatch(
      /broken\.pcap: offset \d+: record says \d+ bytes but the file ends after \d+$/,
    );
    const fromPipe = await ctBucket(['replay', '-', '--format', 'json'], broken);
    expect(fromPipe.code).toBe(2);
    expect(JSON.parse(fromPipe.stdout)).toMatchObject({
      packets: whole.length - 1,
      error: expect.stringContaining('offset'),
    });
    expect(complaintIn(fromPipe)).toMatch(/^-: offset /);
  });
});

describe.concurrent('verify', () => {
  it('counts the files that passed and ends with exit code 0', async () => {
    const result = await ctBucket(['verify', SCENARIO, scenarioPath('tcp-timeouts'), scenarioPath('zone-limits')]);
    expect(result).toEqual({ code: 0, stdout: '3 passed, 0 failed\n', stderr: '' });
  });

  it('shows the first difference of a file and ends with exit code 1', async () => {
    const { code, stdout, stderr } = await ctBucket(['verify', SCENARIO, wrongScenario]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(
      /^[^\n]*wrong\.jsonl: operation 2: packets\[0\]\.state: expected \["est","trk"\], got \["new","trk"\]\n1 passed, 1 failed\n$/,
    );
  });

  it('uses the mode of removal given by --reclaim', async () => {
    const path = scenarioPath('limits-unswept');
    expect((await ctBucket(['verify', path])).code).toBe(0);
    expect((await ctBucket(['verify', '--reclaim', 'lookup-and-sweep', path])).code).toBe(1);
  });

  it.each([
    ['a file that does not exist', join(folder, 'nowhere.jsonl'), /nowhere\.jsonl: .*no such file/],
    ['a file that is not a scenario', temporary('text.jsonl', 'This is text.\n'), /text\.jsonl: line 1: not JSON/],
  ])('names %s, goes on with the next file, and ends with exit code 2', async (_what, path, says) => {
    const { code, stdout, stderr } = await ctBucket(['verify', path, SCENARIO]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/(^|\n)1 passed, 1 failed\n$/);
    expect(stdout + stderr).toMatch(says);
    /* One line about the file, and one with the counts. */
    expect((stdout + stderr).trimEnd().split('\n')).toHaveLength(2);
  });

  it('prints its report as JSON with --json', async () => {
    const { code, stdout } = await ctBucket([
      'verify',
      '--json',
      SCENARIO,
      wrongScenario,
      join(folder, 'nowhere.jsonl'),
    ]);
    expect(code).toBe(2);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      passed: 1,
      failed: 2,
      files: [
        { file: SCENARIO, passed: true },
        { file: wrongScenario, passed: false, difference: { operation: 2, field: 'packets[0].state' } },
        { file: join(folder, 'nowhere.jsonl'), passed: false, error: expect.any(String) },
      ],
    });
    expect(report.files[0].operations).toBeGreaterThan(5);
    expect(report.files[0].packets).toBeGreaterThan(2);
  });
});

describe('bench', () => {
  it('insert writes its results and samples to a JSON file', async () => {
    const file = join(folder, 'insert.json');
    const args = ['bench', 'insert', '--connections', '20000', '--runs', '1', '--threads', '1', '--json', file];
    args.push('--no-memory', '--no-predict');
    const { code, stdout } = await ctBucket(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/udp-insert/);
    const { results, command, finishedAt } = JSON.parse(readFileSync(file, 'utf8'));
    expect(command).toBe(`ct-bucket ${args.join(' ')}`);
    expect(new Date(finishedAt).toISOString()).toBe(finishedAt);
    expect(results.map(({ workload }: { workload: string }) => workload)).toEqual(['udp-insert', 'udp-lookup']);
    for (const result of results) {
      expect(result).toMatchObject({ engine: 'ct-bucket', threads: 1, connections: 20_000, packets: 20_000 });
      expect(result.runsMs).toEqual([result.medianMs]);
      expect(result.medianMs).toBeGreaterThan(0);
    }
  });

  it('refuses a results file that it cannot write before it measures', async () => {
    const result = await ctBucket(['bench', 'insert', '--json', join(folder, 'nowhere', 'insert.json')]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(complaintIn(result)).toMatch(/^cannot write .*insert\.json: /);
  });

  it('refuses a number of buckets that is not a power of two', async () => {
    const args = ['bench', 'insert', '--connections', '1000', '--runs', '1', '--threads', '1', '--buckets', '3'];
    const result = await ctBucket(args);
    expect(result.code).toBe(2);
    expect(complaintIn(result)).toMatch(/power of two/);
  });
});

describe('profile', () => {
  it.each([
    ['a window for a workload without one', ['insert', '--window', '32'], /insert has no --window: it is for tcp-/],
    ['a variant that is not there', ['insert', '--variant', 'x'], /insert has .*variants/],
    [
      'neither a workload nor a file',
      [join(folder, 'nowhere.pcap')],
      /nowhere\.pcap is neither a workload .* nor a file/,
    ],
  ])('refuses %s with a one-line error and exit code 2', async (_what, args, says) => {
    const result = await ctBucket(['profile', 'run', ...args]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(complaintIn(result)).toMatch(says);
  });
});

describe.concurrent('replay --events', () => {
  it('prints the same events in every run, and with every number of threads within a millisecond', async () => {
    const [once, again, threads] = await Promise.all([
      ctBucket(['replay', CAPTURE, '--events', '--timestamps']),
      ctBucket(['replay', CAPTURE, '--events', '--timestamps']),
      ctBucket(['replay', CAPTURE, '--events', '--timestamps', '--threads', '3']),
    ]);
    expect(once.code).toBe(0);
    const lines = once.stdout.trimEnd().split('\n');
    for (const line of lines) {
      expect(line).toMatch(
        /^\[\d+\.\d{6}\]\t( {4}\[NEW\]| \[UPDATE\]|\[DESTROY\]) \w+ +\d+ (\d+ )?([A-Z_]+ )?src=\S+ dst=\S+ sport=\d+ dport=\d+ (\[UNREPLIED\] )?src=\S+ dst=\S+ sport=\d+ dport=\d+( \[ASSURED\])?$/,
      );
    }
    const times = lines.map((line) => Number(line.slice(1, line.indexOf(']'))));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(again.stdout).toBe(once.stdout);
    expect(threads.stdout.split('\n').toSorted()).toEqual(once.stdout.split('\n').toSorted());
    expect(once.stderr).toBe(`ct-bucket: ${lines.length} flow events have been shown, 0 were lost.\n`);
  });

  it('prints a JSON object for each event with --format json', async () => {
    const { code, stdout } = await ctBucket(['replay', CAPTURE, '--events', '--format', 'json']);
    expect(code).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; id: number; reason?: string });
    expect(events[0]).toMatchObject({ kind: 'new' });
    expect(events.every(({ kind, reason }) => (kind === 'destroy') === (reason !== undefined))).toBe(true);
  });

  it('sweeps by the time of the capture: connections expire in a gap, within half a second of their timeout', async () => {
    const frame = udp({ src: '10.1.1.1', dst: '10.1.1.2', sport: 1, dport: 2 });
    const other = udp({ src: '10.1.1.3', dst: '10.1.1.4', sport: 3, dport: 4 });
    const file = temporary(
      'gap.pcap',
      pcapOf([
        [10.25, frame],
        [10.5, other],
        [90, other],
      ]),
    );
    const { stdout } = await ctBucket(['replay', file, '--events', '--timestamps']);
    const told = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/udp.*?src=(\S+).*/, '$1'));
    expect(told).toEqual([
      '[10.250000]\t    [NEW] 10.1.1.1',
      '[10.500000]\t    [NEW] 10.1.1.3',
      '[70.500000]\t[DESTROY] 10.1.1.1',
      '[70.500000]\t[DESTROY] 10.1.1.3',
      '[90.000000]\t    [NEW] 10.1.1.3',
    ]);
  });

  it('is refused together with --format states, and --timestamps is refused without it', async () => {
    const [states, timestamps] = await Promise.all([
      ctBucket(['replay', CAPTURE, '--events', '--format', 'states']),
      ctBucket(['replay', CAPTURE, '--timestamps']),
    ]);
    expect([states.code, timestamps.code]).toEqual([2, 2]);
    expect(complaintIn(states)).toMatch(/^--events and --format states exclude each other/);
    expect(complaintIn(timestamps)).toBe('--timestamps needs --events');
  });
});

/** A capture of frames with their times in seconds. */
function pcapOf(packets: [seconds: number, frame: Uint8Array][]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const records = packets.map(([seconds, frame]) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(seconds), 0);
    record.writeUInt32LE((seconds % 1) * 1e6, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([header, ...records]);
}

/** `ct-bucket run`: its sources, its clock, and its end. run-control.test.ts tests its control socket. */

import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pcapHeader, pcapRecord } from '../../src/cli/capture/open-capture.ts';
import { type ChildResult, CT_BUCKET, run } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';
import { udp } from '../support/frames.ts';
import { Running } from '../support/running.ts';

const CAPTURE = capturePath('communityid_tcp');
const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

let sockets = 0;
function freshSocket(): string {
  return join(folder, `${++sockets}.sock`);
}

function flow(sport: number): Buffer {
  return udp({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 });
}

function capture(name: string, records: readonly (readonly [frame: Buffer, timestampMs: number])[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([pcapHeader(), ...records.map(([frame, ms]) => pcapRecord(frame, ms))]));
  return path;
}

/** Runs a command line that ends by itself. */
function ctBucket(args: readonly string[], input?: Uint8Array): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, ...args], input);
}

interface Totals {
  packets: number;
  connections: number;
  verdicts: Record<string, number>;
  counters: Record<string, number>;
}

/** The last line of standard output. */
function totals({ stdout }: ChildResult): Totals {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Totals;
}

describe('run of a file', () => {
  it('tracks it to its end, then answers requests until a signal ends it with exit code 0', async () => {
    const running = await Running.start([CAPTURE, '--socket', freshSocket(), '--json']);
    await running.until(() => running.stderr.includes('answering until stopped'));
    const { created, packets } = await running.askJson('counters');
    expect(created).toBeGreaterThan(0);
    const result = await running.stop('SIGTERM');
    expect(result.code).toBe(0);
    expect(totals(result)).toMatchObject({ packets, counters: { created } });
    const states = readFileSync(CAPTURE.replace('.pcap', '.states'), 'utf8').trimEnd().split('\n');
    expect(packets).toBe(states.length);
    expect(existsSync(running.socketPath)).toBe(false);
  });

  it('repeats it with --loop until SIGINT, and shows its progress', async () => {
    const args = [CAPTURE, '--loop', '--socket', freshSocket(), '--stats-interval', '1', '--json'];
    const running = await Running.start(args);
    const length = readFileSync(CAPTURE.replace('.pcap', '.states'), 'utf8').trimEnd().split('\n').length;
    await running.untilCounter('packets', (packets) => packets > 20 * length);
    await running.until(() => running.stdout.includes('\n'));
    const progress = JSON.parse(running.stdout.split('\n')[0]!);
    expect(progress).toMatchObject({ ringDropped: 0, ringWaited: expect.any(Number) });
    expect(progress.packets).toBeGreaterThan(0);
    const result = await running.stop('SIGINT');
    expect(result.code).toBe(0);
    expect(totals(result).counters['ringDropped']).toBe(0);
  });

  it('moves each round of --loop behind the one before', async () => {
    /* Two flows time out 60 s after their packet and are 100 s apart: in each round each packet finds its flow expired. */
    const path = capture('rounds.pcap', [
      [flow(1), 1000],
      [flow(2), 101_000],
    ]);
    const result = await ctBucket([
      'run',
      path,
      '--loop',
      '3',
      '--at-end',
      'exit',
      '--json',
      '--socket',
      freshSocket(),
    ]);
    expect(result.code).toBe(0);
    expect(totals(result)).toMatchObject({ packets: 6, verdicts: { 'new|trk': 6 }, counters: { created: 6 } });
  });

  it('with --clock wall tracks packets from different times of the capture at one time', async () => {
    const path = capture('wall.pcap', [
      [flow(1), 1000],
      [flow(2), 10_001_000],
      [flow(1), 20_000_000],
    ]);
    const result = await ctBucket([
      'run',
      path,
      '--clock',
      'wall',
      '--at-end',
      'exit',
      '--json',
      '--socket',
      freshSocket(),
    ]);
    expect(totals(result)).toMatchObject({ packets: 3, connections: 2, counters: { created: 2 } });
  });

  it('ends if the file has no packets, even with --loop', async () => {
    const path = capture('empty.pcap', []);
    const result = await ctBucket(['run', path, '--loop', '--at-end', 'exit', '--json', '--socket', freshSocket()]);
    expect(result.code).toBe(0);
    expect(totals(result)).toMatchObject({ packets: 0, connections: 0 });
  });

  it('reads it no faster than --rate allows', async () => {
    const records = Array.from({ length: 50 }, (_, n) => [flow(n + 1), 1000] as const);
    const path = capture('rate.pcap', records);
    const before = performance.now();
    await ctBucket(['run', path, '--rate', '100', '--at-end', 'exit', '--json', '--socket', freshSocket()]);
    /* 50 packets at 100 a second: it may take longer, but never less. */
    expect(performance.now() - before).toBeGreaterThan(480);
  });

  it('ends with exit code 2, the offset and the totals so far if the file is truncated', async () => {
    const whole = readFileSync(
      capture('whole.pcap', [
        [flow(1), 1000],
        [flow(2), 1001],
      ]),
    );
    const path = join(folder, 'broken.pcap');
    writeFileSync(path, whole.subarray(0, whole.length - 3));
    const result = await ctBucket(['run', path, '--json', '--socket', freshSocket()]);
    expect(result.code).toBe(2);
    const secondRecord = 24 + 16 + flow(1).length;
    expect(result.stderr).toContain(`${path}: offset ${secondRecord}: record says ${flow(2).length} bytes`);
    expect(totals(result)).toMatchObject({ packets: 1, connections: 1 });
  });
});

describe('run of standard input', () => {
  it('tracks each packet when its last byte has come, and ends with the input', async () => {
    const running = await Running.start(['-', '--json', '--socket', freshSocket()]);
    const { stdin } = running.child;
    const write = async (bytes: Uint8Array) => {
      if (!stdin.write(bytes)) {
        await once(stdin, 'drain');
      }
    };
    await write(pcapHeader());
    for (let packet = 1; packet <= 5; packet++) {
      const record = pcapRecord(flow(packet), 1000);
      for (let at = 0; at < record.length - 1; at += 7) {
        await write(record.subarray(at, Math.min(at + 7, record.length - 1)));
      }
      /* The last byte of the packet is missing: the packet is not tracked yet. */
      expect((await running.askJson('counters'))['packets']).toBe(packet - 1);
      await write(record.subarray(-1));
      await running.untilCounter('packets', (packets) => packets === packet);
    }
    stdin.end();
    const result = await running.ended;
    expect(result.code).toBe(0);
    expect(totals(result)).toMatchObject({ packets: 5, connections: 5 });
    expect(existsSync(running.socketPath)).toBe(false);
  });

  it('ends at a signal with exit code 0 while the input pauses, even inside a packet', async () => {
    const running = await Running.start(['-', '--json', '--socket', freshSocket()]);
    const record = pcapRecord(flow(2), 1000);
    running.child.stdin.write(Buffer.concat([pcapHeader(), pcapRecord(flow(1), 1000), record.subarray(0, 20)]));
    await running.untilCounter('packets', (packets) => packets === 1);
    const result = await running.stop('SIGTERM');
    expect(result).toMatchObject({ code: 0, stderr: expect.not.stringContaining('offset') });
    expect(totals(result)).toMatchObject({ packets: 1, connections: 1 });
  });

  it('trusts the checksums, which a sending host may leave to its card, unless --checksums verify is given', async () => {
    const frame = flow(1);
    frame.writeUInt16BE(0x1234, 14 + 20 + 6);
    const input = Buffer.concat([pcapHeader(), pcapRecord(frame, 1000)]);
    const args = ['run', '-', '--json', '--socket'];
    expect(totals(await ctBucket([...args, freshSocket()], input)).verdicts).toEqual({ 'new|trk': 1 });
    const verified = await ctBucket([...args, freshSocket(), '--checksums', 'verify'], input);
    expect(totals(verified).verdicts).toEqual({ 'inv|trk': 1 });
  });

  it('lets the sweeper use the time of the latest packet although no packet follows', async () => {
    const running = await Running.start(['-', '--clock', 'capture', '--json', '--socket', freshSocket()]);
    const records = [pcapRecord(flow(1), 1000), pcapRecord(flow(2), 101_000)];
    running.child.stdin.write(Buffer.concat([pcapHeader(), ...records]));
    await running.untilCounter('expiredAtSweep', (swept) => swept === 1);
    expect((await running.ask('dump-conntrack', [], { statistics: true })).text).toMatch(
      /^udp,.*sport=2,.*timeout=60\n$/,
    );
    expect((await running.stop()).code).toBe(0);
  });

  it('tracks the packets before a broken place, names its offset, and ends with exit code 2', async () => {
    const running = await Running.start(['-', '--json', '--socket', freshSocket()]);
    const good = Buffer.concat([pcapHeader(), pcapRecord(flow(1), 1000)]);
    running.child.stdin.write(good);
    await running.untilCounter('created', (created) => created === 1);
    running.child.stdin.write(Buffer.alloc(16, 0xff));
    const result = await running.ended;
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(`standard input: offset ${good.length}: record says 4294967295 bytes`);
    expect(totals(result)).toMatchObject({ packets: 1, connections: 1 });
  });
});

describe('the control socket of a run', () => {
  it('is open only to its owner, refused to a second run, and taken over from a killed one', async () => {
    const runtime = mkdtempSync(join(folder, 'runtime-'));
    const env = { XDG_RUNTIME_DIR: runtime };
    const running = await Running.start([CAPTURE], env);
    const path = running.socketPath;
    expect(path).toBe(join(runtime, 'ct-bucket', 'control.sock'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);

    const second = new Running([CAPTURE], env);
    expect(await second.ended).toEqual({
      code: 2,
      stdout: '',
      stderr: `ct-bucket: ${path}: another ct-bucket uses it; stop that one, or give another path with --socket\n`,
    });
    expect((await running.ask('ct-get-nconns')).exitCode).toBe(0);

    expect((await running.stop('SIGKILL')).code).toBe(null);
    expect(existsSync(path)).toBe(true);
    const third = await Running.start([CAPTURE], env);
    expect((await third.ask('ct-get-nconns')).exitCode).toBe(0);
    expect((await third.stop()).code).toBe(0);
  });
});

describe.concurrent('a wrong command line of run or ctl', () => {
  it.each<[what: string, says: RegExp, args: string[]]>([
    ['no file', /missing required argument 'file'/, ['run']],
    ['a file that is not there', /none\.pcap: no such file/, ['run', join(folder, 'none.pcap')]],
    ['a folder', /is a directory, not a file/, ['run', folder]],
    ['a live capture in a loop', /--loop is for files/, ['run', '-', '--loop']],
    ['a rate for a live capture', /--rate is for files/, ['run', '-', '--rate', '5']],
    [
      'an unknown clock',
      /'frozen' is invalid\. Allowed choices are capture, wall/,
      ['run', CAPTURE, '--clock', 'frozen'],
    ],
    ['no rounds', /'--loop \[rounds\]' argument '0' is invalid/, ['run', CAPTURE, '--loop', '0']],
    ['buckets that are no power of two', /power of two/, ['run', CAPTURE, '--buckets', '3']],
    ['a socket where a file lies', /exists and is not a socket/, ['run', CAPTURE, '--socket', CAPTURE]],
    ['no command', /missing required argument 'command'/, ['ctl']],
    [
      'a misspelt command and no running tracker',
      /unknown command 'ct-get-ncons'; did you mean ct-get-nconns\?/,
      ['ctl', 'ct-get-ncons', '--socket', join(folder, 'none.sock')],
    ],
    ['nobody running', /no tracker is running there/, ['ctl', 'ct-get-nconns', '--socket', join(folder, 'none.sock')]],
  ])('with %s ends with a one-line error and exit code 2', async (_what, says, args) => {
    const { code, stdout, stderr } = await ctBucket(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^ct-bucket: [^\n]+\n$/);
    expect(stderr).toMatch(says);
  });

  it('does not hide --help', async () => {
    const help = await ctBucket(['ctl', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/^ {2}ct-get-nconns /m);
  });
});

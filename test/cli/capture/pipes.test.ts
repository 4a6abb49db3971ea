/** Captures from pipes: a command opens each one once and reads it like a file, or refuses it before it reads from it. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CaptureSource, pcapHeader, pcapRecord } from '../../../src/cli/capture/open-capture.ts';
import { type ChildResult, CT_BUCKET, run } from '../../support/child.ts';
import { tcp, udp } from '../../support/frames.ts';
import { Running } from '../../support/running.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-pipes-'));
afterAll(() => rmSync(folder, { recursive: true }));

/* More bytes than the buffer of a pipe holds. */
const FRAMES = Array.from({ length: 4000 }, (_, n) =>
  udp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1 + (n % 2000), dport: 53 }),
);
const records = (frames: readonly Uint8Array[]) => frames.map((frame, n) => pcapRecord(frame, 1000 + n));
const BIG = join(folder, 'big.pcap');
writeFileSync(BIG, Buffer.concat([pcapHeader(), ...records(FRAMES)]));
const SMALL = join(folder, 'small.pcap');
writeFileSync(SMALL, Buffer.concat([pcapHeader(), ...records(FRAMES.slice(0, 5))]));

const COMMAND = `'${process.execPath}' '${CT_BUCKET[0]}'`;
/** Runs a line of bash, with the command as $CT. */
const bash = (line: string) =>
  run('bash', ['-c', `CT="${COMMAND}"; cd '${folder}'; ${line}`.replaceAll('$CT', COMMAND)]);

function fifo(name: string): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

function json({ stdout, stderr }: ChildResult) {
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { packets: number; verdicts: Record<string, number> };
}

describe('replay', () => {
  it.each([
    ['a process substitution', `$CT replay <(cat big.pcap) --format json --threads 2`],
    ['a compressed process substitution', `$CT replay <(gzip -c big.pcap) --format json --threads 2`],
    ['a pipe named /dev/stdin', `cat big.pcap | $CT replay /dev/stdin --format json --threads 2`],
    ['a file named /dev/stdin', `$CT replay /dev/stdin --format json --threads 2 < big.pcap`],
    ['standard input', `cat big.pcap | $CT replay - --format json --threads 2`],
    ['a named pipe', `mkfifo p; (cat big.pcap > p &); $CT replay p --format json --threads 2`],
  ])('reads the whole of %s, on several threads', async (_what, line) => {
    const verdicts = { 'new|trk': 4000 };
    expect(json(await bash(line))).toMatchObject({ packets: 4000, verdicts });
  });

  it('reads a named pipe with less than one chunk, and one whose writer opens it late', async () => {
    expect(json(await bash(`mkfifo q; (cat small.pcap > q &); $CT replay q --format json --threads 2`)).packets).toBe(
      5,
    );
    const late = bash(`mkfifo r; (sleep 1; cat small.pcap > r) & $CT replay r --format json`);
    expect(json(await late).packets).toBe(5);
  });

  it('reads standard input by any of its names if it is a socket', async () => {
    const input = Buffer.concat([pcapHeader(), ...records(FRAMES.slice(0, 3))]);
    for (const name of ['-', '/dev/stdin', '/dev/fd/0']) {
      const result = await run(process.execPath, [...CT_BUCKET, 'replay', name, '--format', 'json'], input);
      expect(json(result).packets, name).toBe(3);
    }
  });
});

describe('a command that reads its capture more than once', () => {
  const says = (what: string, why: string) =>
    `ct-bucket: ${what} is a pipe and can be read only once, but ${why}: write it to a file first\n`;

  it('refuses a pipe before it reads from it', async () => {
    const loop = await bash(`$CT run <(cat small.pcap) --loop 2 --at-end exit --socket s1`);
    expect(loop).toMatchObject({ code: 2, stdout: '' });
    expect(loop.stderr).toMatch(
      /^ct-bucket: \/dev\/fd\/\d+ is a pipe and can be read only once, but --loop reads it again: /,
    );
    const profile = await bash(`$CT profile <(cat small.pcap) --runs 1`);
    expect(profile).toMatchObject({ code: 2, stdout: '' });
    expect(profile.stderr).toMatch(
      /^ct-bucket: \/dev\/fd\/\d+ is a pipe and can be read only once, but profile reads /,
    );
    const input = await bash(`cat small.pcap | $CT profile -`);
    expect(input).toEqual({ code: 2, stdout: '', stderr: says('standard input', 'profile reads it in several runs') });
    const named = fifo('nobody-writes');
    const waits = await bash(`$CT run ${named} --loop --socket s2`);
    expect(waits).toEqual({ code: 2, stdout: '', stderr: says(named, '--loop reads it again') });
  });
});

describe('run', () => {
  it('of a named pipe without a writer ends at a signal', async () => {
    const running = await Running.start([fifo('silent'), '--json', '--socket', join(folder, 's3')]);
    const result = await running.stop('SIGTERM');
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ packets: 0 });
  });

  it('of a named pipe tracks its packets and then answers requests', async () => {
    const path = fifo('spoken');
    const running = await Running.start([path, '--json', '--socket', join(folder, 's4')]);
    execFileSync('bash', ['-c', `cat ${SMALL} > ${path}`]);
    await running.until(() => running.stderr.includes('answering until stopped'));
    expect(JSON.parse((await running.stop()).stdout)).toMatchObject({ packets: 5 });
  });
});

describe('an open capture', () => {
  it('stays the same file if another file takes its name', async () => {
    const path = join(folder, 'moved.pcap');
    writeFileSync(path, 'first');
    const source = new CaptureSource(path);
    rmSync(path);
    writeFileSync(path, 'second');
    for (let round = 0; round < 2; round++) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of source.chunks()) {
        chunks.push(chunk);
      }
      expect(Buffer.concat(chunks).toString()).toBe('first');
    }
    source.close();
  });
});

describe('the checksums of a capture', () => {
  const ends = { src: '192.0.2.1', dst: '192.0.2.2', sport: 5, dport: 80 };
  const back = { src: ends.dst, dst: ends.src, sport: 80, dport: 5 };
  /* With checksum offload, as the sender captures them: wrong in the packets of one host. */
  const offloaded = [
    tcp(ends, { flags: 'S', seq: 1 }),
    tcp(back, { flags: 'SA', seq: 7, ack: 2 }),
    tcp(ends, { flags: 'A', seq: 2, ack: 8 }),
    tcp(ends, { flags: 'PA', seq: 2, ack: 8, data: Buffer.from('GET') }),
  ].map((frame, n) => {
    if (n !== 1) {
      frame[50]! ^= 0x55;
    }
    return frame;
  });
  const path = join(folder, 'offloaded.pcap');
  writeFileSync(path, Buffer.concat([pcapHeader(), ...records(offloaded)]));
  const line =
    'all checksums of 192.0.2.1 are wrong (3 packets), probably because of checksum offload: ' +
    '--checksums trust accepts them\n';

  it('are reported by replay and run if all of one host are wrong, and do not count with --checksums trust', async () => {
    const verified = await bash(`$CT replay offloaded.pcap --format states`);
    expect(verified.stdout).toBe('inv|trk\ninv|trk\ninv|trk\ninv|trk\n');
    expect(verified.stderr).toBe(`ct-bucket: offloaded.pcap: ${line}`);
    const trusted = await bash(`$CT replay offloaded.pcap --checksums trust --format states`);
    expect(trusted).toMatchObject({ stdout: 'new|trk\nest|rpl|trk\nest|trk\nest|trk\n', stderr: '' });
    const tracked = await bash(`$CT run offloaded.pcap --at-end exit --socket s5`);
    expect(tracked.stderr).toContain(line);
  });

  it('are trusted on standard input, unless --checksums verify is given', async () => {
    const trusted = await bash(`$CT replay - --format states < offloaded.pcap`);
    expect(trusted).toMatchObject({ stdout: 'new|trk\nest|rpl|trk\nest|trk\nest|trk\n', stderr: '' });
    const verified = await bash(`$CT replay - --checksums verify --format json < offloaded.pcap`);
    expect(JSON.parse(verified.stdout)).toMatchObject({ verdicts: { 'inv|trk': 4 } });
  });

  it('are not reported if some of the host are right', async () => {
    const mixed = join(folder, 'mixed.pcap');
    const good = udp({ src: ends.src, dst: ends.dst, sport: 9, dport: 53 });
    writeFileSync(mixed, Buffer.concat([pcapHeader(), ...records([good, ...offloaded])]));
    expect((await bash(`$CT replay mixed.pcap`)).stderr).toBe('');
  });
});

describe('records cut by the snap length', () => {
  it('are counted in the totals of replay and run', async () => {
    const cut = join(folder, 'cut.pcap');
    const [first, second] = FRAMES;
    const parts = [pcapHeader(), pcapRecord(first!, 1000), pcapRecord(second!.subarray(0, 30), 1001, second!.length)];
    writeFileSync(cut, Buffer.concat(parts));
    for (const command of ['replay cut.pcap', 'run cut.pcap --at-end exit --socket s6']) {
      expect((await bash(`$CT ${command}`)).stdout).toContain('\n  1 of 2 packets cut by the snap length');
    }
    expect(JSON.parse((await bash(`$CT replay cut.pcap --format json`)).stdout)).toMatchObject({ cutPackets: 1 });
    expect((await bash(`$CT replay big.pcap`)).stdout).not.toContain('cut by');
  });
});

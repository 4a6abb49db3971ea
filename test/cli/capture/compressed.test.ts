/** Compressed captures: gzip is read, and so is zstd if Node supports it. The error for another format names it. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib, { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { CaptureError, pcapHeader, pcapRecord, readCapture } from '../../../src/cli/capture/open-capture.ts';
import { CT_BUCKET, REPOSITORY, run } from '../../support/child.ts';
import { udp } from '../../support/frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-compressed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FRAMES = Array.from({ length: 500 }, (_, n) =>
  udp({ src: '10.0.0.1', dst: '10.0.0.2', sport: n + 1, dport: 53 }, Buffer.from(Math.sin(n).toString(36))),
);
const RECORDS = FRAMES.map((frame, n) => pcapRecord(frame, 1000 + n));
const FILE = Buffer.concat([pcapHeader(), ...RECORDS]);

/** Yields the same memory for each chunk, and overwrites it when the reader asks for the next one. */
async function* inChunks(file: Uint8Array, chunkBytes = 1e9) {
  const buffer = Buffer.alloc(Math.min(chunkBytes, file.length));
  for (let at = 0; at < file.length; at += chunkBytes) {
    buffer.fill(0xee);
    yield buffer.subarray(0, Buffer.from(file).copy(buffer, 0, at, at + chunkBytes));
  }
}

async function outcomeOf(file: Uint8Array, chunkBytes?: number): Promise<{ packets: number; error?: CaptureError }> {
  let packets = 0;
  try {
    for await (const { frame } of readCapture(inChunks(file, chunkBytes))) {
      expect(Buffer.from(frame).equals(FRAMES[packets]!)).toBe(true);
      packets++;
    }
    return { packets };
  } catch (error) {
    if (error instanceof CaptureError) {
      return { packets, error };
    }
    throw error;
  }
}

describe('a capture compressed with gzip', () => {
  it.each([1, 2, 5, 7, 100, 4096, 1e9])('is read in chunks of %i bytes', async (chunkBytes) => {
    expect(await outcomeOf(gzipSync(FILE), chunkBytes)).toEqual({ packets: 500 });
  });

  it('may have several members, some of them stored without compression', async () => {
    const middle = FILE.length >> 1;
    const members = Buffer.concat([gzipSync(FILE.subarray(0, middle)), gzipSync(FILE.subarray(middle), { level: 0 })]);
    expect(await outcomeOf(members, 1000)).toEqual({ packets: 500 });
  });

  it('that is truncated gives the packets before that place, and a one-line error with the offset', async () => {
    const whole = gzipSync(FILE);
    let before = 0;
    for (const length of [3, 12, 30, 300, 1000, 4000, whole.length - 9, whole.length - 8, whole.length - 1]) {
      const { packets, error } = await outcomeOf(whole.subarray(0, length), 700);
      expect(error?.message).toMatch(new RegExp(`^offset ${length}: the gzip data are broken \\([^\\n]+\\)$`));
      expect(packets).toBeGreaterThanOrEqual(before);
      before = packets;
    }
    /* The last three lengths miss only the trailer: all packets are there. */
    expect(before).toBe(500);
    expect((await outcomeOf(whole.subarray(0, whole.length >> 1))).packets).toBeGreaterThan(100);
  });

  it('with a wrong checksum gives all its packets, and then a one-line error', async () => {
    const wrong = Buffer.from(gzipSync(FILE));
    wrong[wrong.length - 6]! ^= 1;
    const { packets, error } = await outcomeOf(wrong);
    expect(packets).toBe(500);
    expect(error?.message).toMatch(/^offset \d+: the gzip data are broken \(incorrect data check\)$/);
  });

  it('with broken bytes in the middle gives nearly all packets before them', async () => {
    const broken = Buffer.from(gzipSync(FILE, { level: 0 }));
    /* The second stored block has a length that contradicts its complement: zlib sees that at once. */
    const stored = gzipSync(FILE.subarray(0, 20_000), { level: 0 }).subarray(0, -8);
    const second = Buffer.concat([stored, Buffer.from([7, 7, 7, 7, 7, 7])]);
    expect(broken.length).toBeGreaterThan(20_000);
    const { packets, error } = await outcomeOf(second);
    const whole = RECORDS.findIndex(
      (_, n) => 24 + RECORDS.slice(0, n + 1).reduce((sum, r) => sum + r.length, 0) > 20_000,
    );
    expect(packets).toBeGreaterThanOrEqual(whole - 2);
    expect(packets).toBeLessThanOrEqual(whole);
    expect(error).toBeInstanceOf(CaptureError);
  });

  it('that is itself broken is refused with the offset in the decompressed file', async () => {
    const { packets, error } = await outcomeOf(gzipSync(FILE.subarray(0, -3)));
    expect(packets).toBe(499);
    const last = FILE.length - RECORDS.at(-1)!.length;
    expect(error?.message).toMatch(new RegExp(`^offset ${last} of the decompressed file: record says \\d+ bytes but`));
    expect((await outcomeOf(gzipSync(gzipSync(FILE)))).error?.message).toBe(
      'offset 0 of the decompressed file: compressed with gzip twice: decompress it once',
    );
    expect((await outcomeOf(gzipSync(''))).error?.message).toBe('offset 0 of the decompressed file: the file is empty');
  });

  it('is read by replay from files and pipes; a truncated one is summed up with exit code 2', async () => {
    const path = join(folder, 'whole.pcap.gz');
    writeFileSync(path, gzipSync(FILE));
    const fromFile = await run(process.execPath, [...CT_BUCKET, 'replay', path, '--format', 'json', '--threads', '2']);
    expect(JSON.parse(fromFile.stdout)).toMatchObject({ packets: 500, connections: 500 });
    const cut = gzipSync(FILE).subarray(0, -1);
    const fromPipe = await run(process.execPath, [...CT_BUCKET, 'replay', '-', '--format', 'json'], cut);
    expect(fromPipe.code).toBe(2);
    expect(fromPipe.stderr).toMatch(/^ct-bucket: -: offset \d+: the gzip data are broken [^\n]*\n$/);
    expect(JSON.parse(fromPipe.stdout)).toMatchObject({ packets: 500, error: expect.stringContaining('gzip') });
  });
});

describe('a capture compressed with another program', () => {
  const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Uint8Array) => Buffer };

  it.runIf(zstdCompressSync !== undefined)('is read if it is zstd and Node supports that', async () => {
    expect(await outcomeOf(zstdCompressSync!(FILE), 100)).toEqual({ packets: 500 });
    /* Node does not report the missing end. The capture reader does, because the capture ends too early. */
    const { error } = await outcomeOf(zstdCompressSync!(FILE).subarray(0, -20), 100);
    expect(error?.message).toMatch(/^offset \d+/);
  });

  it.runIf(zstdCompressSync === undefined)(
    'is refused by name if it is zstd and Node does not support that',
    async () => {
      const { error } = await outcomeOf(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0));
      expect(error?.message).toBe(
        'offset 0: compressed with zstd: decompress it first: zstd -dc FILE | ct-bucket replay - (Node 22.15 and later read it as it is)',
      );
    },
  );

  it.each([
    ['xz', 'fd377a585a00', 'xz -dc'],
    ['bzip2', '425a68393141', 'bzip2 -dc'],
    ['lz4', '04224d186040', 'lz4 -dc'],
    ['zip', '504b03041400', 'unzip -p'],
    ['7z', '377abcaf271c', '7z x -so'],
    ['lzip', '4c5a49500100', 'lzip -dc'],
    ['compress', '1f9d90000000', 'gzip -dc'],
  ])('is refused by name if it is %s, with a command to decompress it', async (name, magic, command) => {
    const { packets, error } = await outcomeOf(Buffer.from(magic, 'hex'));
    expect(packets).toBe(0);
    expect(error?.message).toBe(
      `offset 0: compressed with ${name}: decompress it first: ${command} FILE | ct-bucket replay -`,
    );
  });

  it('can be read through a pipe, as the error says', () => {
    const wrapped = join(REPOSITORY, 'test', 'fixtures', 'wrapped-captures');
    const command = `gzip -dc ${join(wrapped, 'ethernet.pcap.gz')} | ${process.execPath} ${CT_BUCKET[0]} replay - --format states`;
    const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(stdout).toBe(readFileSync(join(wrapped, 'ethernet.states'), 'utf8'));
  });
});

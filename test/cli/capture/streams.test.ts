/** Captures in chunks: the chunks do not matter, and each fault ends the stream with its offset. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fileChunks,
  MAX_FRAME_BYTES,
  pcapHeader,
  pcapRecord,
  readCapture,
} from '../../../src/cli/capture/open-capture.ts';
import { UsageError } from '../../../src/core/errors.ts';
import {
  BLOCK_PARTS,
  boundaries,
  CLASSIC_PARTS,
  concat,
  outcomeOf,
  packetsOf,
  read,
  split,
} from '../../support/capture-files.ts';

describe.each([
  { name: 'pcap', parts: CLASSIC_PARTS, packetParts: [1, 2, 3] },
  { name: 'pcapng', parts: BLOCK_PARTS, packetParts: [2, 4, 8] },
])('a stream of $name', ({ parts, packetParts }) => {
  const file = concat(parts);
  const starts = boundaries(parts);

  it('gives the same packets for any division into chunks', async () => {
    const expected = await packetsOf(file);
    expect(expected).toHaveLength(packetParts.length);
    for (let chunkBytes = 1; chunkBytes <= file.length; chunkBytes++) {
      expect(await read(file, chunkBytes), `chunks of ${chunkBytes}`).toEqual({ packets: expected });
    }
    for (let first = 1; first < file.length; first++) {
      for (const second of [first + 1, first + 5, first + 40]) {
        const chunks = split(file, file.length, [first, second]);
        expect(await outcomeOf(chunks), `chunks that end at ${first} and ${second}`).toEqual({ packets: expected });
      }
    }
  });

  it('may have empty chunks', async () => {
    async function* withEmptyChunks() {
      for await (const chunk of split(file, 5)) {
        yield new Uint8Array(0);
        yield chunk;
      }
      yield new Uint8Array(0);
    }
    expect(await outcomeOf(withEmptyChunks())).toEqual({ packets: await packetsOf(file) });
  });

  it('that is truncated anywhere gives the packets before that place, and then the offset of the incomplete part', async () => {
    const expected = await packetsOf(file);
    for (let length = 0; length <= file.length; length++) {
      const whole = starts.findLastIndex((start) => start <= length);
      const isCut = length === 0 || starts[whole] !== length;
      for (const chunkBytes of [1, 3, 2 ** 20]) {
        const { packets, error } = await read(file.slice(0, length), chunkBytes);
        expect(packets, `${length} bytes`).toEqual(
          expected.slice(0, packetParts.filter((part) => part < whole).length),
        );
        expect(error?.offset, `${length} bytes`).toBe(isCut ? starts[whole] : undefined);
      }
    }
  });

  it('with changed bytes ends normally or with a CaptureError', async () => {
    const change = fc.record({
      at: fc.nat(file.length - 1),
      value: fc.oneof(fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff), fc.nat(255)),
    });
    const property = fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 200 }),
      async (changes, chunkBytes) => {
        const changed = file.slice();
        for (const { at, value } of changes) {
          changed[at] = value;
        }
        const outcome = await read(changed, chunkBytes);
        expect(await read(changed)).toEqual(outcome);
        for (const packet of outcome.packets) {
          expect(Number.isFinite(packet.timestampMs)).toBe(true);
        }
      },
    );
    await fc.assert(property, { seed: 20_231_114, numRuns: 2000 });
  });

  it('with garbage at its end ends normally or with a CaptureError', async () => {
    const garbage = fc.uint8Array({ maxLength: 400 });
    const property = fc.asyncProperty(fc.nat(parts.length), garbage, async (count, bytes) => {
      await read(concat([...parts.slice(0, count), bytes]), 64);
    });
    await fc.assert(property, { seed: 20_231_115, numRuns: 2000 });
  });

  it('is closed when its reader stops early', async () => {
    let closed = false;
    async function* endless() {
      try {
        yield* split(file, 7);
      } finally {
        closed = true;
      }
    }
    for await (const packet of readCapture(endless())) {
      expect(packet.number).toBe(1);
      break;
    }
    expect(closed).toBe(true);
  });
});

describe('a stream of chunks', () => {
  it('is closed at the first error without reading the rest', async () => {
    let chunks = 0;
    let closed = false;
    async function* endlessZeroes() {
      try {
        for (;;) {
          chunks++;
          yield new Uint8Array(1000);
        }
      } finally {
        closed = true;
      }
    }
    expect((await outcomeOf(endlessZeroes())).error?.offset).toBe(0);
    expect([chunks, closed]).toEqual([1, true]);
  });

  it('may have the largest records in chunks of one byte', async () => {
    const frame = Uint8Array.from({ length: MAX_FRAME_BYTES }, (_, index) => index * 7);
    const file = concat([pcapHeader(), pcapRecord(frame, 1), pcapRecord(frame, 2)]);
    async function* bytes() {
      for (let at = 0; at < file.length; at++) {
        yield file.subarray(at, at + 1);
      }
    }
    let count = 0;
    for await (const packet of readCapture(bytes())) {
      count++;
      expect(Buffer.compare(packet.frame, frame)).toBe(0);
    }
    expect(count).toBe(2);
  });

  it('gives frames as plain Uint8Arrays even if its chunks are Buffers', async () => {
    async function* buffers() {
      yield Buffer.from(concat(CLASSIC_PARTS));
    }
    for await (const { frame } of readCapture(buffers())) {
      expect(Object.getPrototypeOf(frame)).toBe(Uint8Array.prototype);
    }
  });

  it('that fails passes its own error on', async () => {
    async function* failing() {
      yield pcapHeader();
      throw new RangeError('from the source');
    }
    await expect(outcomeOf(failing())).rejects.toThrow(new RangeError('from the source'));
  });
});

describe('fileChunks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-capture-'));
  const path = join(folder, 'some.pcap');
  const many = concat([
    pcapHeader(),
    ...Array.from({ length: 5000 }, (_, index) => pcapRecord(new Uint8Array(100), index)),
  ]);
  writeFileSync(path, many);

  it('reads the bytes of a file', async () => {
    const { packets, error } = await outcomeOf(fileChunks(path));
    expect(error).toBeUndefined();
    expect(packets).toHaveLength(5000);
  });

  it('reads standard input for -', () => {
    const script = `
      import { fileChunks, readCapture } from './src/cli/capture/open-capture.ts';
      let count = 0;
      for await (const packet of readCapture(fileChunks('-'))) count = packet.number;
      console.log(count);`;
    const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { input: many });
    expect(run.stdout.toString()).toBe('5000\n');
  });

  it('throws a UsageError if the file does not exist or cannot be read', async () => {
    await expect(fileChunks(join(folder, 'none')).next()).rejects.toThrow(
      new UsageError(`${join(folder, 'none')}: no such file`),
    );
    await expect(fileChunks(folder).next()).rejects.toThrow(new UsageError(`${folder}: is a directory, not a file`));
    await expect(fileChunks(join(path, 'below')).next()).rejects.toThrow(
      new UsageError(`${join(path, 'below')}: cannot be read (ENOTDIR)`),
    );
    rmSync(folder, { recursive: true });
  });
});

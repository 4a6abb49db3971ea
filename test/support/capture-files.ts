/** Capture files for tests, written without the code under test, and the outcome of reading them. */

import { expect } from 'vitest';
import { CaptureError, pcapHeader, pcapRecord, readCapture } from '../../src/cli/capture/open-capture.ts';

interface Seen {
  frame: number[];
  originalBytes: number;
  timestampMs: number;
  number: number;
  linkType: number;
}

interface Outcome {
  packets: Seen[];
  error?: CaptureError;
}

/** Yields the same buffer for each chunk, and overwrites it when the reader asks for the next one. */
export async function* split(file: Uint8Array, chunkBytes: number, ends: readonly number[] = []) {
  const buffer = new Uint8Array(Math.max(chunkBytes, file.length));
  const limits = [...ends, file.length];
  for (let start = 0; start < file.length; ) {
    const end = Math.min(start + chunkBytes, file.length, limits.find((limit) => limit > start)!);
    buffer.fill(0xee);
    buffer.set(file.subarray(start, end));
    yield buffer.subarray(0, end - start);
    start = end;
  }
}

export async function outcomeOf(chunks: AsyncIterable<Uint8Array>): Promise<Outcome> {
  const packets: Seen[] = [];
  try {
    for await (const packet of readCapture(chunks)) {
      packets.push({ ...packet, frame: [...packet.frame] });
    }
  } catch (error) {
    if (error instanceof CaptureError) {
      expect(error.message).toMatch(/^offset \d+: [^\n]+$/);
      return { packets, error };
    }
    throw error;
  }
  return { packets };
}

export const read = (file: Uint8Array, chunkBytes = 2 ** 20): Promise<Outcome> => outcomeOf(split(file, chunkBytes));

export async function packetsOf(file: Uint8Array): Promise<Seen[]> {
  const { packets, error } = await read(file);
  expect(error).toBeUndefined();
  return packets;
}

export async function errorOf(file: Uint8Array): Promise<string> {
  return (await read(file)).error?.message ?? 'no error';
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The offset of each part, and the offset of the end. */
export function boundaries(parts: readonly Uint8Array[]): number[] {
  const starts = [0];
  for (const part of parts) {
    starts.push(starts.at(-1)! + part.length);
  }
  return starts;
}

/** A number with its size in bytes, or raw bytes. */
type Field = [value: number | bigint, bytes: 1 | 2 | 4 | 8] | Uint8Array;

function pack(littleEndian: boolean, fields: readonly Field[]): Uint8Array {
  return concat(
    fields.map((field) => {
      if (field instanceof Uint8Array) {
        return field;
      }
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(field[0])));
      const value = bytes.slice(8 - field[1]);
      return littleEndian ? value.reverse() : value;
    }),
  );
}

function padded(bytes: Uint8Array): Uint8Array {
  return concat([bytes, new Uint8Array(-bytes.length & 3)]);
}

export function classicHeader({ littleEndian = true, magic = 0xa1b2c3d4, linkType = 1, minor = 4 } = {}): Uint8Array {
  return pack(littleEndian, [
    [magic, 4],
    [2, 2],
    [minor, 2],
    [0, 4],
    [0, 4],
    [65535, 4],
    [linkType, 4],
  ]);
}

export function classicRecord(
  frame: Uint8Array,
  { littleEndian = true, seconds = 0, fraction = 0, frameBytes = frame.length, originalBytes = frame.length } = {},
): Uint8Array {
  return pack(littleEndian, [[seconds, 4], [fraction, 4], [frameBytes, 4], [originalBytes, 4], frame]);
}

/** Writes the blocks of a pcapng section in one byte order. */
class BlockWriter {
  readonly littleEndian: boolean;

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  block(type: number, fields: readonly Field[], { length = 0, trailer = 0 } = {}): Uint8Array {
    const body = padded(pack(this.littleEndian, fields));
    const total = length || body.length + 12;
    return pack(this.littleEndian, [[type, 4], [total, 4], body, [trailer || total, 4]]);
  }

  section({ major = 1 } = {}): Uint8Array {
    return this.block(0x0a0d0d0a, [
      [0x1a2b3c4d, 4],
      [major, 2],
      [0, 2],
      [-1n, 8],
    ]);
  }

  interface({ linkType = 1, snapLengthBytes = 0, options = [] as Field[] } = {}): Uint8Array {
    return this.block(1, [[linkType, 2], [0, 2], [snapLengthBytes, 4], ...options]);
  }

  option(code: number, value: Uint8Array): Uint8Array {
    return pack(this.littleEndian, [[code, 2], [value.length, 2], padded(value)]);
  }

  resolution(value: number): Uint8Array {
    return this.option(9, Uint8Array.of(value));
  }

  offsetSeconds(seconds: number): Uint8Array {
    return this.option(14, pack(this.littleEndian, [[seconds, 8]]));
  }

  enhanced(frame: Uint8Array, options: { id?: number; time?: bigint; frameBytes?: number; comment?: string } = {}) {
    const { id = 0, time = 0n, frameBytes = frame.length, comment } = options;
    const stamp: Field[] = [
      [time >> 32n, 4],
      [time & 0xffff_ffffn, 4],
    ];
    const rest = comment === undefined ? [] : [this.option(1, Buffer.from(comment)), new Uint8Array(4)];
    return this.block(6, [[id, 4], ...stamp, [frameBytes, 4], [frame.length + 1, 4], padded(frame), ...rest]);
  }

  obsolete(frame: Uint8Array, { id = 0, time = 0n } = {}): Uint8Array {
    const stamp: Field[] = [
      [time >> 32n, 4],
      [time & 0xffff_ffffn, 4],
    ];
    return this.block(2, [[id, 2], [7, 2], ...stamp, [frame.length, 4], [frame.length, 4], frame]);
  }

  simple(frame: Uint8Array, originalBytes = frame.length): Uint8Array {
    return this.block(3, [[originalBytes, 4], frame]);
  }
}

export const FRAME_A = Uint8Array.from({ length: 21 }, (_, index) => index + 1);
export const FRAME_B = Uint8Array.from({ length: 6 }, (_, index) => 200 + index);
export const SECONDS = 1_700_000_000;
const NANOSECONDS = BigInt(SECONDS) * 1_000_000_000n;
export const OPTION_END = new Uint8Array(4);
export const LITTLE = new BlockWriter(true);
export const BIG = new BlockWriter(false);

export const CLASSIC_PARTS = [
  pcapHeader(),
  pcapRecord(FRAME_A, SECONDS * 1000 + 123.456),
  pcapRecord(new Uint8Array(0), SECONDS * 1000 + 124),
  pcapRecord(FRAME_B, SECONDS * 1000 + 999.999, 1500),
];

/** Two sections in different byte orders. */
export const BLOCK_PARTS = [
  LITTLE.section(),
  LITTLE.interface({ options: [LITTLE.option(2, Buffer.from('veth0')), LITTLE.resolution(9), OPTION_END] }),
  LITTLE.enhanced(FRAME_A, { time: NANOSECONDS + 123_456_000n, comment: 'with a comment' }),
  LITTLE.block(0x0bad, [Uint8Array.of(1, 2, 3, 4, 5)]),
  LITTLE.obsolete(FRAME_B, { time: NANOSECONDS + 124_000_000n }),
  BIG.section(),
  BIG.interface({ linkType: 113 }),
  BIG.interface(),
  BIG.enhanced(FRAME_B, { id: 1, time: BigInt(SECONDS) * 1_000_000n + 125_500n }),
  BIG.block(5, []),
];

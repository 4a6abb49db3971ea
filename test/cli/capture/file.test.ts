import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CaptureError,
  fileChunks,
  MAX_FRAME_BYTES,
  pcapHeader,
  pcapRecord,
  readCapture,
} from '../../../src/cli/capture.ts';
import { UsageError } from '../../../src/core/errors.ts';

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
async function* split(file: Uint8Array, chunkBytes: number, ends: readonly number[] = []) {
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

async function outcomeOf(chunks: AsyncIterable<Uint8Array>): Promise<Outcome> {
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

const read = (file: Uint8Array, chunkBytes = 2 ** 20): Promise<Outcome> => outcomeOf(split(file, chunkBytes));

async function packetsOf(file: Uint8Array): Promise<Seen[]> {
  const { packets, error } = await read(file);
  expect(error).toBeUndefined();
  return packets;
}

async function errorOf(file: Uint8Array): Promise<string> {
  return (await read(file)).error?.message ?? 'no error';
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The offset of each part, and the offset of the end. */
function boundaries(parts: readonly Uint8Array[]): number[] {
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

function classicHeader({ littleEndian = true, magic = 0xa1b2c3d4, linkType = 1, minor = 4 } = {}): Uint8Array {
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

function classicRecord(
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

const FRAME_A = Uint8Array.from({ length: 21 }, (_, index) => index + 1);
const FRAME_B = Uint8Array.from({ length: 6 }, (_, index) => 200 + index);
const SECONDS = 1_700_000_000;
const NANOSECONDS = BigInt(SECONDS) * 1_000_000_000n;
const OPTION_END = new Uint8Array(4);
const LITTLE = new BlockWriter(true);
const BIG = new BlockWriter(false);

const CLASSIC_PARTS = [
  pcapHeader(),
  pcapRecord(FRAME_A, SECONDS * 1000 + 123.456),
  pcapRecord(new Uint8Array(0), SECONDS * 1000 + 124),
  pcapRecord(FRAME_B, SECONDS * 1000 + 999.999, 1500),
];

/** Two sections in different byte orders. */
const BLOCK_PARTS = [
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

describe('a classic pcap file', () => {
  const kinds = [
    { littleEndian: true, magic: 0xa1b2c3d4, fraction: 123_456 },
    { littleEndian: false, magic: 0xa1b2c3d4, fraction: 123_456 },
    { littleEndian: true, magic: 0xa1b23c4d, fraction: 123_456_000 },
    { littleEndian: false, magic: 0xa1b23c4d, fraction: 123_456_000 },
  ];
  it.each(kinds)('is read in either byte order and resolution: %o', async ({ littleEndian, magic, fraction }) => {
    const file = concat([
      classicHeader({ littleEndian, magic }),
      classicRecord(FRAME_A, { littleEndian, seconds: SECONDS, fraction, originalBytes: 1500 }),
      classicRecord(FRAME_B, { littleEndian, seconds: 0xffff_ffff }),
    ]);
    expect(await packetsOf(file)).toEqual([
      { frame: [...FRAME_A], originalBytes: 1500, timestampMs: 1_700_000_000_123.456, number: 1, linkType: 1 },
      { frame: [...FRAME_B], originalBytes: 6, timestampMs: 0xffff_ffff * 1000, number: 2, linkType: 1 },
    ]);
  });

  it('may have no packets', async () => {
    expect(await packetsOf(pcapHeader())).toEqual([]);
  });

  it('written by us keeps timestamps to the microsecond', async () => {
    const stamps = Array.from({ length: 2000 }, (_, index) => (SECONDS * 1e6 + index * 1_234_567) / 1000);
    const packets = await packetsOf(concat([pcapHeader(), ...stamps.map((stamp) => pcapRecord(FRAME_B, stamp))]));
    expect(packets.map((packet) => packet.timestampMs)).toEqual(stamps);
  });

  it('is read as Ethernet if its link type field also has the length of frame check sequences', async () => {
    expect(await packetsOf(concat([classicHeader({ linkType: 0x2400_0001 }), classicRecord(FRAME_A)]))).toHaveLength(1);
  });

  it('of an unknown version is refused', async () => {
    expect(await errorOf(classicHeader({ minor: 5 }))).toBe(
      'offset 0: pcap version 2.5 is not supported, only 2.0 to 2.4: convert it with editcap',
    );
  });

  it.each([0, 1, 2])('of version 2.%i has the original length before the captured length', async (minor) => {
    const record = classicRecord(FRAME_A, { frameBytes: 1500, originalBytes: FRAME_A.length });
    const [packet] = await packetsOf(concat([classicHeader({ minor }), record]));
    expect(packet).toMatchObject({ frame: [...FRAME_A], originalBytes: 1500 });
  });

  it('of version 2.3 may have the two lengths in either order', async () => {
    const swapped = classicRecord(FRAME_A, { frameBytes: 1500, originalBytes: FRAME_A.length });
    const packets = await packetsOf(
      concat([classicHeader({ minor: 3 }), swapped, classicRecord(FRAME_A, { originalBytes: 1500 })]),
    );
    expect(packets.map(({ frame, originalBytes }) => [frame.length, originalBytes])).toEqual([
      [FRAME_A.length, 1500],
      [FRAME_A.length, 1500],
    ]);
  });

  it.each([true, false])(
    'of the modified format has longer record headers (little-endian: %s)',
    async (littleEndian) => {
      const record = (frame: Uint8Array) =>
        concat([classicRecord(frame, { littleEndian }).subarray(0, 16), new Uint8Array(8).fill(7), frame]);
      const header = classicHeader({ littleEndian, magic: 0xa1b2cd34 });
      const packets = await packetsOf(concat([header, record(FRAME_A), record(FRAME_B)]));
      expect(packets.map(({ frame }) => frame)).toEqual([[...FRAME_A], [...FRAME_B]]);
      expect(await errorOf(concat([header, record(FRAME_A).subarray(0, 20)]))).toBe(
        'offset 24: a record header takes 24 bytes but the file ends after 20',
      );
    },
  );

  it('may have records of up to 262144 bytes', async () => {
    const largest = new Uint8Array(MAX_FRAME_BYTES).fill(9);
    const [packet] = await packetsOf(concat([pcapHeader(), pcapRecord(largest, 0)]));
    expect(packet.frame).toHaveLength(MAX_FRAME_BYTES);
    const tooLong = classicRecord(new Uint8Array(0), { frameBytes: MAX_FRAME_BYTES + 1 });
    expect(await errorOf(concat([pcapHeader(), tooLong]))).toBe(
      'offset 24: record says 262145 bytes, more than the limit of 262144',
    );
  });

  it('is refused if it ends inside a record, with both lengths', async () => {
    const record = classicRecord(new Uint8Array(512), { frameBytes: 70_000 });
    expect(await errorOf(concat([pcapHeader(), record]))).toBe(
      'offset 24: record says 70000 bytes but the file ends after 512',
    );
    expect(await errorOf(concat([pcapHeader(), record.subarray(0, 7)]))).toBe(
      'offset 24: a record header takes 16 bytes but the file ends after 7',
    );
  });

  it('cannot be written with a frame or a timestamp out of range', () => {
    expect(() => pcapRecord(new Uint8Array(MAX_FRAME_BYTES + 1), 0)).toThrow(UsageError);
    for (const timestampMs of [-1, 2 ** 32 * 1000, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => pcapRecord(FRAME_A, timestampMs)).toThrow(UsageError);
    }
  });
});

describe('a pcapng file', () => {
  it('may have several sections, interfaces, resolutions, types of packet blocks, and unknown blocks', async () => {
    expect(await packetsOf(concat(BLOCK_PARTS))).toEqual([
      { frame: [...FRAME_A], originalBytes: 22, timestampMs: 1_700_000_000_123.456, number: 1, linkType: 1 },
      { frame: [...FRAME_B], originalBytes: 6, timestampMs: 1_700_000_000_124, number: 2, linkType: 1 },
      { frame: [...FRAME_B], originalBytes: 7, timestampMs: 1_700_000_000_125.5, number: 3, linkType: 1 },
    ]);
  });

  const resolutions = [
    { exponent: 0, time: 1_700_000_000n, expected: 1_700_000_000_000 },
    { exponent: 3, time: 1_700_000_000_123n, expected: 1_700_000_000_123 },
    { exponent: 6, time: 1_700_000_000_123_456n, expected: 1_700_000_000_123.456 },
    { exponent: 9, time: 1_700_000_000_123_456_000n, expected: 1_700_000_000_123.456 },
    { exponent: 9, time: 2n ** 64n - 1n, expected: 18_446_744_073_709.551 },
    { exponent: 12, time: 1_700_000_123_456_000_000n, expected: 1_700_000_123.456 },
    { exponent: 127, time: 2n ** 64n - 1n, expected: 2 ** 64 / 1e124 },
    { exponent: 0x80, time: 1_700_000_000n, expected: 1_700_000_000_000 },
    { exponent: 0x80 | 10, time: 1_700_000_000n * 1024n + 512n, expected: 1_700_000_000_500 },
    { exponent: 0x80 | 32, time: 1_700_000_000n * 2n ** 32n + 2n ** 30n, expected: 1_700_000_000_250 },
    { exponent: 0x80 | 127, time: 2n ** 63n, expected: 1000 * 2 ** -64 },
  ];
  it.each(resolutions)('is read in any timestamp resolution: %o', async ({ exponent, time, expected }) => {
    for (const writer of [LITTLE, BIG]) {
      const description = writer.interface({ options: [writer.resolution(exponent), OPTION_END] });
      const [packet] = await packetsOf(concat([writer.section(), description, writer.enhanced(FRAME_A, { time })]));
      expect(packet.timestampMs).toBe(expected);
    }
  });

  it('has timestamps in microseconds without a resolution option; options behind the end option do not count', async () => {
    const description = LITTLE.interface({ options: [OPTION_END, LITTLE.resolution(3)] });
    const packet = LITTLE.enhanced(FRAME_A, { time: 1_500_000n });
    expect((await packetsOf(concat([LITTLE.section(), description, packet])))[0].timestampMs).toBe(1500);
  });

  it('has timestamps to which the reader adds the offset of the interface', async () => {
    for (const writer of [LITTLE, BIG]) {
      for (const offset of [SECONDS, -SECONDS]) {
        const description = writer.interface({ options: [writer.offsetSeconds(offset), writer.resolution(3)] });
        const file = concat([writer.section(), description, writer.enhanced(FRAME_A, { time: 1500n })]);
        expect((await packetsOf(file))[0].timestampMs).toBe(offset * 1000 + 1500);
      }
    }
  });

  it('may have interfaces of different resolutions', async () => {
    const file = concat([
      LITTLE.section(),
      LITTLE.interface({ options: [LITTLE.resolution(3)] }),
      LITTLE.interface({ options: [LITTLE.resolution(0x80 | 1)] }),
      LITTLE.enhanced(FRAME_A, { id: 1, time: 5n }),
      LITTLE.enhanced(FRAME_A, { id: 0, time: 5n }),
      LITTLE.obsolete(FRAME_A, { id: 1, time: 7n }),
    ]);
    expect((await packetsOf(file)).map((packet) => packet.timestampMs)).toEqual([2500, 5, 3500]);
  });

  it('may have simple packets, which get the time of the packet before them and are cut at the snap length', async () => {
    const file = concat([
      LITTLE.section(),
      LITTLE.interface({ snapLengthBytes: 10 }),
      LITTLE.simple(FRAME_B),
      LITTLE.enhanced(FRAME_A, { time: 2_000_000n }),
      LITTLE.simple(FRAME_A.subarray(0, 10), 1500),
      BIG.section(),
      BIG.interface(),
      BIG.simple(FRAME_A),
    ]);
    expect((await packetsOf(file)).filter((_, index) => index !== 1)).toEqual([
      { frame: [...FRAME_B], originalBytes: 6, timestampMs: 0, number: 1, linkType: 1 },
      { frame: [...FRAME_A.subarray(0, 10)], originalBytes: 1500, timestampMs: 2000, number: 3, linkType: 1 },
      { frame: [...FRAME_A], originalBytes: 21, timestampMs: 2000, number: 4, linkType: 1 },
    ]);
  });

  it('is read without the packets of an unsupported interface, and is refused if all packets are such', async () => {
    const start = concat([LITTLE.section(), LITTLE.interface(), LITTLE.interface({ linkType: 147 })]);
    const other = LITTLE.enhanced(FRAME_A, { id: 1 });
    const { packets, error } = await read(concat([start, other, LITTLE.enhanced(FRAME_A), other]));
    expect({ numbers: packets.map(({ number }) => number), error }).toEqual({ numbers: [2] });
    expect((await read(start)).error).toBeUndefined();
    const alone = await read(concat([start, other, other]));
    expect(alone.packets).toEqual([]);
    expect(alone.error?.message).toMatch(/^offset \d+: link type 147 \(private use\): the tracker cannot read/);
    expect(alone.error?.offset).toBe(start.length);
  });

  it('may have unknown blocks larger than the reader keeps in memory', async () => {
    const long = LITTLE.block(0x4000_0001, [new Uint8Array(3 * 2 ** 20)]);
    const file = concat([LITTLE.section(), long, LITTLE.interface(), LITTLE.enhanced(FRAME_A)]);
    expect((await read(file, 65_521)).packets).toHaveLength(1);
  });
});

describe('a broken pcapng file', () => {
  const section = LITTLE.section();
  const start = concat([section, LITTLE.interface()]);
  const cases: [name: string, block: Uint8Array, problem: string][] = [
    [
      'a length of less than 12',
      LITTLE.block(6, [], { length: 8 }),
      'block length 8 is not a multiple of 4 from 12 on',
    ],
    [
      'a length that is not a multiple of 4',
      LITTLE.block(99, [], { length: 14 }),
      'block length 14 is not a multiple of 4 from 12 on',
    ],
    ['a packet block that is too short', LITTLE.block(6, []), 'block length 12 is outside 32 to 1048576, for type 6'],
    [
      'a packet block that is too long',
      LITTLE.block(6, [], { length: 0xffff_fffc }),
      'block length 4294967292 is outside 32 to 1048576, for type 6',
    ],
    [
      'another length at the end',
      LITTLE.block(6, [new Uint8Array(20)], { trailer: 36 }),
      'block says 32 bytes at its start but 36 at its end',
    ],
    [
      'another length at the end of an unknown block',
      LITTLE.block(77, [new Uint8Array(20)], { trailer: 36 }),
      'block says 32 bytes at its start but 36 at its end',
    ],
    [
      'an unknown block beyond the end',
      LITTLE.block(77, [], { length: 0xffff_fffc }),
      'block says 4294967292 bytes but the file ends after 12',
    ],
    [
      'an interface that does not exist',
      LITTLE.enhanced(FRAME_A, { id: 1 }),
      'packet of interface 1 but the section describes 1',
    ],
    [
      'an interface that does not exist, in an obsolete packet',
      LITTLE.obsolete(FRAME_A, { id: 65_535 }),
      'packet of interface 65535 but the section describes 1',
    ],
    [
      'a packet longer than its block',
      LITTLE.enhanced(FRAME_A, { frameBytes: 25 }),
      'record says 25 bytes but its block has room for 24',
    ],
    [
      'a packet longer than the limit',
      LITTLE.enhanced(FRAME_A, { frameBytes: 262_145 }),
      'record says 262145 bytes, more than the limit of 262144',
    ],
    [
      'a simple packet longer than its block',
      LITTLE.simple(FRAME_A, 25),
      'record says 25 bytes but its block has room for 24',
    ],
    [
      'an interface option beyond its block',
      LITTLE.interface({
        options: [
          [2, 2],
          [40, 2],
        ],
      }),
      'interface option 2 says 40 bytes but the block ends before that',
    ],
    [
      'a resolution of two bytes',
      LITTLE.interface({ options: [LITTLE.option(9, new Uint8Array(2))] }),
      'interface option 9 takes 1 bytes, not 2',
    ],
    [
      'a time offset of four bytes',
      LITTLE.interface({ options: [LITTLE.option(14, new Uint8Array(4))] }),
      'interface option 14 takes 8 bytes, not 4',
    ],
    [
      'a section of another version',
      LITTLE.section({ major: 2 }),
      'pcapng version 2 is not supported, only 1: convert it with editcap',
    ],
    [
      'a section without a byte order',
      LITTLE.block(0x0a0d0d0a, [new Uint8Array(16)]),
      'section header without the byte order magic number',
    ],
  ];
  it.each(cases)('is refused with the offset and the problem: %s', async (_, block, problem) => {
    const good = LITTLE.enhanced(FRAME_A);
    const { packets, error } = await read(concat([start, good, block]));
    expect(packets).toHaveLength(1);
    expect(error?.message).toBe(`offset ${start.length + good.length}: ${problem}`);
  });

  it('is refused if a packet comes before the first interface of its section', async () => {
    expect(await errorOf(concat([section, LITTLE.simple(FRAME_A)]))).toBe(
      'offset 28: packet of interface 0 but the section describes 0',
    );
    expect(await errorOf(concat([start, section, LITTLE.enhanced(FRAME_A)]))).toBe(
      `offset ${start.length + 28}: packet of interface 0 but the section describes 0`,
    );
  });

  it('is refused if a section has too many interfaces', async () => {
    const descriptions = Array.from({ length: 65_537 }, () => LITTLE.interface());
    expect(await errorOf(concat([section, ...descriptions]))).toBe(
      `offset ${28 + 65_536 * 20}: more than 65536 interfaces in a section`,
    );
  });
});

describe('a file that is not a capture', () => {
  it('is refused with its magic number, or as empty', async () => {
    expect(await errorOf(new Uint8Array(0))).toBe('offset 0: the file is empty');
    expect(await errorOf(Buffer.from('# Readme'))).toBe(
      'offset 0: magic number 0x23205265 is neither pcap nor pcapng: convert it with editcap',
    );
  });
});

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
      import { fileChunks, readCapture } from './src/cli/capture.ts';
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

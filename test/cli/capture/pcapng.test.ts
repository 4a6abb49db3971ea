/** pcapng files: sections, interfaces, timestamps, types of packet blocks, and broken blocks. */

import { describe, expect, it } from 'vitest';
import {
  BIG,
  BLOCK_PARTS,
  concat,
  errorOf,
  FRAME_A,
  FRAME_B,
  LITTLE,
  OPTION_END,
  packetsOf,
  read,
  SECONDS,
} from '../../support/capture-files.ts';

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

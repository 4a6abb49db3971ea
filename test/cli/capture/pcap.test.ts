/** Classic pcap files: byte orders, resolutions, versions, limits, and files that are not captures. */

import { describe, expect, it } from 'vitest';
import { MAX_FRAME_BYTES, pcapHeader, pcapRecord } from '../../../src/cli/capture/open-capture.ts';
import { UsageError } from '../../../src/core/errors.ts';
import {
  classicHeader,
  classicRecord,
  concat,
  errorOf,
  FRAME_A,
  FRAME_B,
  packetsOf,
  SECONDS,
} from '../../support/capture-files.ts';

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

describe('a file that is not a capture', () => {
  it('is refused with its magic number, or as empty', async () => {
    expect(await errorOf(new Uint8Array(0))).toBe('offset 0: the file is empty');
    expect(await errorOf(Buffer.from('# Readme'))).toBe(
      'offset 0: magic number 0x23205265 is neither pcap nor pcapng: convert it with editcap',
    );
  });
});

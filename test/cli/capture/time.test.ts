/** The clock of a capture follows the packets, except a few with times far from all others. A gap in time costs nothing. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CaptureClock,
  CaptureNotes,
  fileChunks,
  pcapHeader,
  pcapRecord,
  type CapturePacket,
} from '../../../src/cli/capture/open-capture.ts';
import { readCapture } from '../../../src/cli/capture/open-capture.ts';
import { CT_BUCKET, run } from '../../support/child.ts';
import { tcp, udp } from '../../support/frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-time-'));
afterAll(() => rmSync(folder, { recursive: true }));

const YEAR_2100_S = 4_102_444_800;
const DAY_S = 86_400;

function packetAt(seconds: number, number: number): CapturePacket {
  return { frame: Uint8Array.of(number), originalBytes: 1, timestampMs: seconds * 1000, number, linkType: 1 };
}

/** The clock at each packet, for packets with these times; both in seconds. */
function clockAt(...seconds: number[]): { times: number[]; lines: string[] } {
  const clock = new CaptureClock();
  const times: number[] = [];
  const numbers: number[] = [];
  const note = ({ number, frame }: CapturePacket) => {
    expect(frame).toEqual(Uint8Array.of(number));
    numbers.push(number);
    times.push(clock.nowMs / 1000);
  };
  seconds.forEach((second, index) => {
    const packet = packetAt(second, index + 1);
    if (clock.take(packet)) {
      note(packet);
    } else {
      /* The reader reuses the memory of the packet. */
      packet.frame.fill(0xff);
      for (let waited = clock.next(false); waited; waited = clock.next(false)) {
        note(waited);
      }
    }
  });
  for (let waited = clock.next(true); waited; waited = clock.next(true)) {
    note(waited);
  }
  expect(numbers).toEqual(seconds.map((_, index) => index + 1));
  return { times, lines: clock.lines() };
}

/** Writes a capture. @returns its path */
function capture(name: string, packets: readonly (readonly [seconds: number, frame: Uint8Array])[]): string {
  const path = join(folder, name);
  const records = packets.map(([seconds, frame]) => pcapRecord(frame, seconds * 1000));
  writeFileSync(path, Buffer.concat([pcapHeader(), ...records]));
  return path;
}

const flow = (sport: number) => udp({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 });
const ctBucket = (...args: string[]) => run(process.execPath, [...CT_BUCKET, ...args]);

describe('the clock of a capture', () => {
  it('follows the packets in whole milliseconds, across gaps of any length, without a note', () => {
    expect(clockAt(10, 10.0005, 10.5, 11, 11, 4000, 4000.5, 90_000, 90_001)).toEqual({
      times: [10, 10, 10.5, 11, 11, 4000, 4000.5, 90_000, 90_001],
      lines: [],
    });
    expect(clockAt(10, DAY_S).times).toEqual([10, DAY_S]);
    expect(clockAt(10)).toEqual({ times: [10], lines: [] });
    expect(clockAt()).toEqual({ times: [], lines: [] });
    expect(clockAt(-5, -4).times).toEqual([-5, -4]);
  });

  it('stands still for earlier packets, and notes their count and the first one', () => {
    expect(clockAt(10, 11, 9, 10.5, 12)).toEqual({
      times: [10, 11, 11, 11, 12],
      lines: [
        'time runs backwards: 2 packets with an earlier time than one before, first packet 3 (the clock stands still for them)',
      ],
    });
  });

  it.each([
    ['first', [YEAR_2100_S, 10, 11, 12, 13], [10, 10, 11, 12, 13], 1],
    ['second', [10, YEAR_2100_S, 11, 12, 13, 14], [10, 10, 11, 12, 13, 14], 2],
    ['in the middle', [10, 11, 12, YEAR_2100_S, 13, 14, 15], [10, 11, 12, 12, 13, 14, 15], 4],
    ['one before the last', [10, 11, 12, 13, YEAR_2100_S, 14], [10, 11, 12, 13, 13, 14], 5],
    ['last', [10, 11, 12, 13, YEAR_2100_S], [10, 11, 12, 13, 13], 5],
    ['a minute ahead', [10, 11, 12, 73, 13, 14, 15], [10, 11, 12, 12, 13, 14, 15], 4],
    ['in 1970, the first', [0, 1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3], [1e9, 1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3], 1],
    ['before a real pause', [10, 11, YEAR_2100_S, 5000, 5001, 5002, 5003], [10, 11, 11, 5000, 5001, 5002, 5003], 3],
  ])('does not follow one packet with a time far from all others: %s', (_where, seconds, times, first) => {
    const told = clockAt(...seconds);
    expect(told.times).toEqual(times);
    expect(told.lines).toHaveLength(1);
    expect(told.lines[0]).toContain(`1 packet with a time far from those around, first packet ${first},`);
  });

  it('does not follow three such packets in a row, and notes their count', () => {
    const told = clockAt(10, 11, YEAR_2100_S, YEAR_2100_S + 1, YEAR_2100_S + 2, 12, 13, 14, 15, 16, 17);
    expect(told.times).toEqual([10, 11, 11, 11, 11, 12, 13, 14, 15, 16, 17]);
    expect(told.lines).toEqual([
      'time runs backwards: 6 packets with an earlier time than one before, first packet 6; ' +
        '3 packets with a time far from those around, first packet 3, which the clock did not follow',
    ]);
  });

  it('follows eight packets in a row to another time, and stands still if earlier ones follow', () => {
    const ahead = Array.from({ length: 8 }, (_, i) => YEAR_2100_S + i);
    expect(clockAt(10, 11, ...ahead, 12, 13).times).toEqual([10, 11, ...ahead, ahead.at(-1)!, ahead.at(-1)!]);
    const ages = Array.from({ length: 8 }, (_, i) => 1e9 + i);
    expect(clockAt(0, 1, 2, ...ages)).toEqual({ times: [0, 1, 2, ...ages], lines: [] });
  });

  it('ignores times beyond the years 1 to 9999', () => {
    for (const beyond of [1e300, -1e300, Number.NaN, Number.POSITIVE_INFINITY, 253_402_300_800]) {
      const told = clockAt(10, 11, beyond, 12, beyond, 13);
      expect(told.times).toEqual([10, 11, 11, 12, 12, 13]);
      expect(told.lines).toEqual([
        '2 packets with a time beyond the years 1 to 9999, first packet 3: taken at the time of the packet before',
      ]);
      expect(clockAt(beyond, 12, 13, 14).times).toEqual([12, 12, 13, 14]);
      expect(clockAt(beyond, beyond).times).toEqual([0, 0]);
    }
  });

  it('holds few packets back, even if times alternate', () => {
    const clock = new CaptureClock();
    let waiting = 0;
    for (let number = 1; number <= 1000; number++) {
      waiting += clock.take(packetAt(number % 2 === 0 ? 10 : 1e6, number)) ? 0 : 1;
      while (clock.next(false) !== undefined) {
        waiting--;
      }
      expect(waiting).toBeLessThan(20);
    }
  });
});

describe('a pcapng file', () => {
  const words = (...values: (number | bigint)[]) => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => bytes.writeUInt32LE(Number(BigInt.asUintN(32, BigInt(value))), i * 4));
    return bytes;
  };
  const block = (type: number, body: Buffer) =>
    Buffer.concat([words(type, body.length + 12), body, words(body.length + 12)]);
  const capturedAt = async (resolution: number, offset: bigint, ticks: bigint[]) => {
    const options = Buffer.concat([
      Buffer.from([9, 0, 1, 0, resolution, 0, 0, 0, 14, 0, 8, 0]),
      words(offset & 0xffff_ffffn, offset >> 32n),
      words(0),
    ]);
    const frame = flow(1);
    const padding = Buffer.alloc(-frame.length & 3);
    const packets = ticks.map((time) =>
      block(6, Buffer.concat([words(0, time >> 32n, time & 0xffff_ffffn, frame.length, frame.length), frame, padding])),
    );
    const section = block(0x0a0d0d0a, words(0x1a2b3c4d, 1, -1, -1));
    const path = join(folder, `${resolution} ${offset} ${ticks[0]}.pcapng`);
    writeFileSync(path, Buffer.concat([section, block(1, Buffer.concat([words(1, 0), options])), ...packets]));
    const clock = new CaptureClock();
    const times: number[] = [];
    for await (const { timestampMs } of readCapture(fileChunks(path), { clock })) {
      expect(Number.isFinite(timestampMs)).toBe(true);
      times.push(clock.nowMs);
    }
    return { path, times };
  };
  const MOST = 2n ** 64n - 1n;

  it.each([
    [0, 0n],
    [3, 0n],
    [6, 2n ** 63n - 1n],
    [6, -(2n ** 63n)],
    [0x80, 0n],
    [0x80 | 1, 2n ** 63n - 1n],
  ])(
    'with times beyond the range has its packets at the time of those before: resolution %i, offset %i',
    async (unit, offset) => {
      const { path, times } = await capturedAt(unit, offset, [MOST, MOST, MOST]);
      expect(times).toEqual([0, 0, 0]);
      const { code, stdout, stderr } = await ctBucket('replay', path, '--events', '--timestamps');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^\[0\.000000\]\t {4}\[NEW\] /);
      expect(stderr).toContain('3 packets with a time beyond the years 1 to 9999, first packet 1:');
    },
  );

  it('may have times before 1970', async () => {
    const { path, times } = await capturedAt(3, -2n, [500n, 1250n, 2000n, 2500n]);
    expect(times).toEqual([-1500, -750, 0, 500]);
    const { stdout } = await ctBucket('replay', path, '--events', '--timestamps');
    expect(stdout).toMatch(/^\[-1\.500000\]\t {4}\[NEW\] /);
  });

  it.each([9, 12, 127, 0x80 | 32, 0x80 | 127])(
    'with a resolution so fine that every time is in range is read exactly: %i',
    async (unit) => {
      const [first, ...others] = (await capturedAt(unit, 0n, [MOST, MOST, MOST])).times;
      const seconds = unit < 0x80 ? 2 ** 64 / 10 ** unit : 2 ** 64 / 2 ** (unit & 0x7f);
      expect(Math.abs(first! - Math.floor(seconds * 1000))).toBeLessThanOrEqual(1);
      expect(others).toEqual([first, first]);
    },
  );
});

describe('a fraction of a second or more', () => {
  it('counts as the last moment of its second, with a note of the first packet and the count', async () => {
    const path = capture('fraction.pcap', [
      [1000, flow(1)],
      [1001, flow(1)],
      [1002, flow(1)],
    ]);
    const chunks = async function* () {
      for await (const chunk of fileChunks(path)) {
        const bytes = Buffer.from(chunk);
        const recordBytes = 16 + flow(1).length;
        bytes.writeUInt32LE(700_000_000, 24 + recordBytes + 4);
        bytes.writeUInt32LE(0xffff_ffff, 24 + 2 * recordBytes + 4);
        yield bytes;
      }
    };
    const notes = new CaptureNotes();
    const times: number[] = [];
    for await (const { timestampMs } of readCapture(chunks(), { notes })) {
      times.push(timestampMs);
    }
    expect(times).toEqual([1_000_000, 1_001_999.999, 1_002_999.999]);
    expect(notes.lines()).toEqual([
      '2 packets with a fraction beyond a second, first packet 2: taken as the last moment of that second (nanoseconds in a file of microseconds?)',
    ]);
  });
});

describe('replay --events', () => {
  const destroyed = (stdout: string) =>
    stdout.split('\n').flatMap((line) => {
      const match = /^\[([-\d.]+)\]\t\[DESTROY\] .*? sport=(\d+)/.exec(line);
      return match ? [`${match[2]} at ${Number(match[1])}`] : [];
    });

  it.each([3600, DAY_S, 40 * DAY_S])(
    'reports each expiry in a gap of %i s within half a second of its timeout, on any number of threads',
    async (gap) => {
      const ends = { src: '10.0.0.1', dst: '10.0.0.2', sport: 7000, dport: 80 };
      const path = capture(`gap-${gap}.pcap`, [
        [0.3, flow(1)],
        [0.9, tcp(ends, { flags: 'S', seq: 1 })],
        [20.2, flow(2)],
        [20 + gap, flow(3)],
        [20 + gap + 0.1, flow(4)],
      ]);
      const expected = ['7000 at 31', '1 at 60.5', '2 at 80.5'];
      for (const engine of ['ct-bucket', 'baseline', 'ct-scale', 'wheel']) {
        const { stdout } = await ctBucket('replay', path, '--events', '--timestamps', '--engine', engine);
        expect(destroyed(stdout), engine).toEqual(expected);
      }
      const { stdout } = await ctBucket('replay', path, '--events', '--timestamps', '--threads', '3');
      expect(destroyed(stdout)).toEqual(expected);
    },
  );

  it('keeps all connections although one record is from the year 2100, and so does run', async () => {
    const path = capture('year-2100.pcap', [
      [1000, flow(1)],
      [1001, flow(2)],
      [YEAR_2100_S, flow(3)],
      [1002, flow(1)],
      [1003, flow(2)],
      [1004, flow(3)],
    ]);
    const says =
      /: time runs backwards: 3 packets .* packet 4; 1 packet .* first packet 3, which the clock did not follow\n/;
    const events = await ctBucket('replay', path, '--events');
    expect(events.stdout).not.toContain('DESTROY');
    expect(events.stdout.match(/NEW/g)).toHaveLength(3);
    expect(events.stderr).toMatch(says);
    const socket = join(folder, 'run.sock');
    const tracked = await ctBucket('run', path, '--at-end', 'exit', '--json', '--socket', socket);
    expect(JSON.parse(tracked.stdout)).toMatchObject({ connections: 3, counters: { created: 3, expiredAtLookup: 0 } });
    expect(tracked.stderr).toMatch(says);
  });
});

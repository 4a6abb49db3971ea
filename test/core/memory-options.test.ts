/** The options of a table, and the memory that it costs. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import { runModule } from '../support/child.ts';
import { reverse, udp } from '../support/frames.ts';
import { dumpAll, send } from '../support/tracking.ts';

const MIB = 2 ** 20;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };

/** The message that is thrown; it must be a UsageError of one line. */
function complaintOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(/^[^\n]{10,160}$/);
    return (error as Error).message;
  }
  return expect.fail('nothing was thrown');
}

describe('a wrong option of a table', () => {
  it.each<[option: keyof ConntrackOptions, values: unknown[]]>([
    ['buckets', [0, -1, 3, 1000, 1.5, 65_537, 131_072, Number.NaN, Infinity, '1024']],
    ['maxConnections', [0, -1, 1.5, 50_000_001, 2 ** 32, Number.NaN, '5', {}]],
    ['maxParticipants', [0, -1, 2.5, 257, Number.NaN, '8']],
    ['prefaultConnections', [-1, 0.5, 3_000_001, Number.NaN, '1']],
    ['reclaim', ['never', '', 'Sweep', 0, {}]],
  ])('%s is refused with one line that names it', (option, values) => {
    for (const value of values) {
      expect(complaintOf(() => new Conntrack({ [option]: value }))).toMatch(new RegExp(`^${option} must be `));
    }
  });

  it('prefaultConnections above the capacity is refused', () => {
    const message = complaintOf(() => new Conntrack({ maxConnections: 100, prefaultConnections: 101 }));
    expect(message).toBe('prefaultConnections must be a whole number from 0 to 100, not 101');
  });

  /* The typed arrays would accept it: NaN and text become 0, fractions are cut, and 5 throws "number 5 is not
   * iterable". */
  it.each([[[Number.NaN, 1]], [['a', 'b']], [[1.5, 2]], [[1]], [5]])('hashSeed %o is refused', (hashSeed) => {
    expect(complaintOf(() => new Conntrack({ hashSeed: hashSeed as never }))).toMatch(/^hashSeed must be /);
  });
});

describe('a wrong option of a datapath', () => {
  async function complaint(options: DatapathOptions): Promise<string> {
    const outcome = await Datapath.start(options).then(
      async (datapath) => {
        await datapath.stop();
        return 'it has started';
      },
      (error: unknown) => error,
    );
    return complaintOf(() => {
      throw outcome;
    });
  }

  it.each<[says: string, options: DatapathOptions]>([
    ['threads must be a whole number from 1 to 64, not 0', { threads: 0 }],
    ['threads must be a whole number from 1 to 64, not 65', { threads: 65 }],
    ['batchSize must be a whole number from 1 to 32, not 33', { batchSize: 33 }],
    ['ringBytes must be a whole number from 1048576 to 1073741824, not 1000', { ringBytes: 1000 }],
    ['buckets must be a power of two, not 3', { buckets: 3 }],
    ['zone must be a whole number from 0 to 65535, not 65536', { action: { zone: 65_536 } }],
    ["clock must be 'packets' or 'system', not \"wall\"", { clock: 'wall' as never }],
  ])('is refused: %s', async (says, options) => {
    expect(await complaint(options)).toBe(says);
  });

  /* allocateRing would throw a RangeError in words ("of at least 16 words, not 786432"). */
  it('is refused: ringBytes that is not a power of two', async () => {
    expect(await complaint({ ringBytes: 3 * MIB })).toMatch(/^ringBytes must be a power of two/);
  });
});

describe('a batch', () => {
  it('accepts a frame as long as the bytes that it was allocated for', () => {
    for (const bytes of [0, 4, 64, 1500, 65_552]) {
      expect(PacketBatch.allocate(bytes).add(new Uint8Array(bytes))).toBe(0);
    }
  });

  /* PacketBatch.allocate must round when it divides by 4, or Int32Array throws "RangeError: byte length of Int32Array
   * should be ...". */
  it('can be allocated for any number of bytes', () => {
    for (let bytes = 0; bytes < 100; bytes++) {
      expect(PacketBatch.allocate(bytes).add(new Uint8Array(bytes))).toBe(0);
    }
  });

  it('says in one line that it is full', () => {
    const batch = PacketBatch.allocate(1 << 16);
    for (let i = 0; i < 32; i++) {
      batch.add(new Uint8Array(60));
    }
    expect(complaintOf(() => batch.add(new Uint8Array(60)))).toContain('32 packets');
    const small = PacketBatch.allocate(64);
    expect(complaintOf(() => small.add(new Uint8Array(9000)))).toContain('bytes');
    expect(small.count).toBe(0);
  });
});

describe('a setting of a table', () => {
  const ct = new Conntrack({ maxConnections: 10 });

  it('maxConnections above the capacity is refused, and stays as it was', () => {
    expect(ct.maxConnections).toBe(10);
    for (const limit of [11, 3_000_000, -1, 2.5, Number.NaN]) {
      expect(complaintOf(() => (ct.maxConnections = limit))).toBe(
        `maxConnections must be a whole number from 0 to 10, the capacity of the table, not ${limit}`,
      );
    }
    expect(ct.maxConnections).toBe(10);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['sweepIntervalMs', () => (ct.sweepIntervalMs = 0), /^the sweep interval must be /],
    ['a zone', () => ct.setZoneLimit(65_536, 1), /^a zone must be /],
    ['a zone limit', () => ct.setZoneLimit(1, -1), /^a zone limit must be /],
    ['the zone of a dump', () => dumpAll(ct, 0, -1), /^a zone must be /],
    ['the zone of a flush', () => ct.flush({ zone: 1.5 }), /^a zone must be /],
    ['a timeout policy id', () => ct.setTimeoutPolicy(-1, {}), /^a timeout policy id must be /],
    [
      'the name of a timeout',
      () => ct.setTimeoutPolicy(1, { udp: 1 }),
      /^unknown timeout udp: did you mean 'udp_first'\?; known timeouts are /,
    ],
    ['a timeout', () => ct.setTimeoutPolicy(1, { udp_first: -1 }), /^timeout udp_first must be /],
    [
      'an address',
      () => ct.flushTuple({ src: 'x', dst: '::1', proto: 17, sport: 1, dport: 1 }, { nowMs: 0 }),
      /^not an address: "x"/,
    ],
  ])('%s out of range is refused with one line', (_what, change, message) => {
    expect(() => change()).toThrow(UsageError);
    expect(() => change()).toThrow(message);
    expect(() => change()).not.toThrow(/\n/);
  });

  it('maxConnections applies at once: connections stay, new ones are refused', () => {
    for (let sport = 1; sport <= 4; sport++) {
      send(ct, udp({ ...ENDS, sport }), 0);
    }
    ct.maxConnections = 2;
    send(ct, udp({ ...ENDS, sport: 5 }), 0);
    expect(ct.connCount).toBe(4);
    expect(ct.counters()).toMatchObject({ created: 4, tableFull: 1 });
    ct.maxConnections = 5;
    send(ct, udp({ ...ENDS, sport: 5 }), 0);
    expect(ct.connCount).toBe(5);
  });
});

describe('the size of a table', () => {
  it.each([1, 2, 63, 64, 65, 1000])('of %i connections is that many, no less and no more', (maxConnections) => {
    const ct = new Conntrack({ buckets: 4, maxConnections });
    for (let i = 0; i < maxConnections + 10; i++) {
      send(ct, udp({ src: `10.0.${i >> 8}.${i & 255}`, dst: '10.9.9.9', sport: 7, dport: 7 }), 0);
    }
    expect(ct.connCount).toBe(maxConnections);
    expect(ct.counters()).toMatchObject({ created: maxConnections, tableFull: 10, insertFailed: 0 });
  });

  it.each<[string, ConntrackOptions]>([
    ['the default', {}],
    ['one bucket', { buckets: 1 }],
    ['7 million connections', { maxConnections: 7_000_000 }],
    ['7 million connections and the most buckets', { maxConnections: 7_000_000, buckets: 65_536 }],
    ['the most buckets and participants', { buckets: 65_536, maxParticipants: 256 }],
  ])('can be %s', (_size, options) => {
    const ct = new Conntrack(options);
    for (let sport = 1; sport <= 100; sport++) {
      expect(send(ct, udp({ ...ENDS, sport }), 0)).toBe('new|trk');
    }
    for (let sport = 1; sport <= 100; sport++) {
      expect(send(ct, udp(reverse({ ...ENDS, sport })), 0)).toBe('est|rpl|trk');
    }
    expect(ct.flush()).toBe(100);
  });
});

describe('a fresh table', () => {
  it.each<[string, ConntrackOptions]>([
    ['of the default size', {}],
    ['for 7,000,000 connections', { maxConnections: 7_000_000 }],
    ['of 65,536 buckets', { buckets: 65_536 }],
  ])('%s takes less than 16 MiB of memory', async (_size, options) => {
    const { code, stdout, stderr } = await runModule(
      'test/support/resident-growth.ts',
      [JSON.stringify(options)],
      ['--expose-gc'],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(Number(stdout)).toBeLessThan(16 * MIB);
  });

  it('commits the memory of the connections to prefault', async () => {
    const options: ConntrackOptions = { prefaultConnections: 200_000 };
    const { stdout } = await runModule('test/support/resident-growth.ts', [JSON.stringify(options)], ['--expose-gc']);
    expect(Number(stdout)).toBeGreaterThan(200_000 * 128);
    expect(Number(stdout)).toBeLessThan(200_000 * 400);
  });
});

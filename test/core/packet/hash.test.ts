/** The hash of a key: it is the same for both directions, and no pattern of traffic does worse than random traffic. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { hashParsed } from '../../../src/core/path/key-hash.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { hashIpv4, hashIpv6 } from '../../../src/core/packet/hash.ts';
import { icmp6Meta, icmpMeta, META_REPLY, META_IPV6, ParsedKind, reverseMeta } from '../../../src/core/packet/key.ts';
import { ChecksumBit, swapHalf, swapPorts, swapWord } from '../../../src/core/packet/layout.ts';
import { parsePacket } from '../../../src/core/packet/parse.ts';
import { icmp, icmpError, reverse, tcp, udp } from '../../support/frames.ts';

const SEED = 20260604;
const KEYS = [
  [0x12345678, 0x9abcdef0 | 0],
  [1, 2],
  [0, 0],
] as const;
const UDP_META = 17 << 8;

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

/** HalfSipHash-c-d (Aumasson and Bernstein) over whole words, without the length block. Written to be read. */
function halfSipHash(words: readonly number[], key: readonly [number, number], c: number, d: number): number {
  const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));
  let [v0, v1, v2, v3] = [key[0], key[1], 0x6c796765 ^ key[0], 0x74656462 ^ key[1]];
  const round = () => {
    v0 = (v0 + v1) | 0;
    v1 = rotate(v1, 5) ^ v0;
    v0 = rotate(v0, 16);
    v2 = (v2 + v3) | 0;
    v3 = rotate(v3, 8) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = rotate(v3, 7) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = rotate(v1, 13) ^ v2;
    v2 = rotate(v2, 16);
  };
  for (const m of words) {
    v3 ^= m;
    for (let i = 0; i < c; i++) {
      round();
    }
    v0 ^= m;
  }
  v2 ^= 0xff;
  for (let i = 0; i < d; i++) {
    round();
  }
  return v1 ^ v3;
}

function ipv6Hash(
  src: readonly number[],
  dst: readonly number[],
  ports: number,
  meta: number,
  key: readonly number[],
): number {
  return hashIpv6(Int32Array.from([...src, ...dst]), 0, 4, ports, meta, key[0]!, key[1]!);
}

describe('both directions of a flow', () => {
  it('hash alike over IPv4, also between one address and itself', () => {
    fc.assert(
      fc.property(word, word, word, fc.boolean(), word, word, (src, other, ports, isLoop, k0, k1) => {
        const dst = isLoop ? src : other;
        const there = hashIpv4(src, dst, ports, UDP_META, k0, k1);
        expect(hashIpv4(dst, src, swapPorts(ports), UDP_META, k0, k1)).toBe(there);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('hash alike over IPv6, also with addresses that differ in their last word only, or not at all', () => {
    const address = fc.tuple(word, word, word, word);
    fc.assert(
      fc.property(address, address, fc.nat(4), word, word, word, (src, other, same, ports, k0, k1) => {
        const dst = [...src.slice(0, same), ...other.slice(same)];
        const meta = UDP_META | META_IPV6;
        const there = ipv6Hash(src, dst, ports, meta, [k0, k1]);
        expect(ipv6Hash(dst, src, swapPorts(ports), meta, [k0, k1])).toBe(there);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it.each([
    ['echo', icmpMeta(8), icmpMeta(0)],
    ['timestamp', icmpMeta(13), icmpMeta(14)],
    ['information', icmpMeta(15), icmpMeta(16)],
    ['ICMPv6 echo', icmp6Meta(128), icmp6Meta(129)],
  ])('hash alike for an ICMP %s request and its reply', (name, request, reply) => {
    expect(request ^ reply).toBe(META_REPLY);
    const isIpv6 = name.startsWith('ICMPv6');
    const meta = ((isIpv6 ? 58 : 1) << 8) | request | (isIpv6 ? META_IPV6 : 0);
    const id = 0x12341234;
    const [k0, k1] = KEYS[0];
    if (isIpv6) {
      const there = ipv6Hash([1, 2, 3, 4], [5, 6, 7, 8], id, meta, KEYS[0]);
      expect(ipv6Hash([5, 6, 7, 8], [1, 2, 3, 4], id, reverseMeta(meta), KEYS[0])).toBe(there);
    } else {
      expect(hashIpv4(6, 5, id, reverseMeta(meta), k0, k1)).toBe(hashIpv4(5, 6, id, meta, k0, k1));
    }
  });

  it('hash alike when they come as packets, and so does an ICMP error about one of them', () => {
    const { tracker } = new Conntrack({ buckets: 1, maxConnections: 10 });
    const batch = PacketBatch.allocate();
    const hashOf = (frame: Uint8Array) => {
      batch.clear();
      batch.add(frame, { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
      expect(parsePacket(batch.words, batch.slots[0]!, tracker.scratch.parsed, 0, 3)).toBe(ParsedKind.KEYED);
      return hashParsed(tracker.keys, tracker.scratch.parsed, 0);
    };
    for (const ends of [
      { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 },
      { src: '10.0.0.2', dst: '10.0.0.1', sport: 65_535, dport: 1 },
      { src: '200.0.0.2', dst: '10.0.0.1', sport: 80, dport: 80 },
      { src: '127.0.0.1', dst: '127.0.0.1', sport: 7, dport: 1024 },
    ]) {
      for (const [there, back] of [
        [udp(ends), udp(reverse(ends))],
        [tcp(ends, { flags: 'S', seq: 1 }), tcp(reverse(ends), { flags: 'SA', seq: 1 })],
        [icmp(ends, 8, Buffer.from('00050001', 'hex')), icmp(reverse(ends), 0, Buffer.from('00050001', 'hex'))],
      ] as const) {
        expect(hashOf(back)).toBe(hashOf(there));
        expect(hashOf(icmpError('9.9.9.9', there))).toBe(hashOf(there));
      }
    }
  });
});

describe('different flows', () => {
  const [k0, k1] = KEYS[0];

  it.each([
    ['ports the other way round', hashIpv4(1, 2, swapPorts(0x00500035), UDP_META, k0, k1)],
    ['another zone', hashIpv4(1, 2, 0x00500035, UDP_META | (1 << 16), k0, k1)],
    ['another protocol', hashIpv4(1, 2, 0x00500035, 6 << 8, k0, k1)],
    ['another key', hashIpv4(1, 2, 0x00500035, UDP_META, k0, k1 ^ 1)],
  ])('hashes differently with %s', (_what, other) => {
    expect(other).not.toBe(hashIpv4(1, 2, 0x00500035, UDP_META, k0, k1));
  });
});

describe('the function', () => {
  it('is HalfSipHash-1-3 over the key in canonical order', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 9, maxLength: 9 }), word, word, word, (addresses, meta, k0, k1) => {
        const ports = addresses[8]!;
        const [a, b] = [addresses[0]!, addresses[4]!];
        const isTurned = a >>> 0 > b >>> 0 || (a === b && (ports & 0xffff) > ports >>> 16);
        const rest = [isTurned ? swapPorts(ports) : ports, meta & ~META_REPLY];
        expect(hashIpv4(a, b, ports, meta, k0, k1)).toBe(
          halfSipHash([...(isTurned ? [b, a] : [a, b]), ...rest], [k0, k1], 1, 3),
        );
        const src = addresses.slice(0, 4);
        const dst = addresses.slice(4, 8);
        const ordered = isTurned ? [...dst, ...src] : [...src, ...dst];
        if (a !== b) {
          expect(ipv6Hash(src, dst, ports, meta, [k0, k1])).toBe(halfSipHash([...ordered, ...rest], [k0, k1], 1, 3));
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it('has known values, so that a seed makes the same table in every version', () => {
    const [k0, k1] = KEYS[0];
    const answers = [
      hashIpv4(0x0101010a, 0x0201010a, 0x35000100, UDP_META, k0, k1),
      hashIpv4(0x0101010a, 0x0201010a, 0x35000100, (6 << 8) | (7 << 16), k0, k1),
      hashIpv4(0, 0, 0, 0, 0, 0),
      ipv6Hash([1, 2, 3, 4], [5, 6, 7, 8], 0x50003039, (6 << 8) | META_IPV6, KEYS[0]),
    ].map((hash) => (hash >>> 0).toString(16).padStart(8, '0'));
    expect(answers).toEqual(['d730e800', 'b4baaa8b', '859f7cbd', '04844111']);
  });
});

/** Cells into which hashes are sorted. */
const CELL_BITS = 10;
const CELLS = 1 << CELL_BITS;

/**
 * Pearson's statistic of the counts in equal cells, in standard deviations from its mean for random hashes. A random
 * function exceeds 6 once in many millions of times.
 */
function deviation(counts: Int32Array, total: number): number {
  const expected = total / CELLS;
  let sum = 0;
  for (const count of counts) {
    sum += (count - expected) ** 2 / expected;
  }
  return (sum - (CELLS - 1)) / Math.sqrt(2 * (CELLS - 1));
}

interface Spread {
  highBits: number;
  lowBits: number;
  /** Pairs of equal hashes beyond what random ones have, in standard deviations. */
  collisions: number;
}

function spreadOf(hashes: Int32Array): Spread {
  const high = new Int32Array(CELLS);
  const low = new Int32Array(CELLS);
  for (const hash of hashes) {
    high[hash >>> (32 - CELL_BITS)]!++;
    low[hash & (CELLS - 1)]!++;
  }
  const sorted = hashes.toSorted();
  let equal = 0;
  for (let i = 1; i < sorted.length; i++) {
    equal += sorted[i] === sorted[i - 1] ? 1 : 0;
  }
  const expected = hashes.length ** 2 / 2 ** 33;
  return {
    highBits: deviation(high, hashes.length),
    lowBits: deviation(low, hashes.length),
    collisions: (equal - expected) / Math.sqrt(Math.max(1, expected)),
  };
}

function expectRandomSpread(hashes: Int32Array): void {
  const { highBits, lowBits, collisions } = spreadOf(hashes);
  expect(highBits).toBeLessThan(6);
  expect(lowBits).toBeLessThan(6);
  expect(collisions).toBeLessThan(6);
}

interface Pattern {
  name: string;
  count: number;
  /** Source, destination, ports of packet `i`. */
  tuple: (i: number) => [src: number, dst: number, ports: number];
}

const PORTS = swapHalf(1025) | (swapHalf(443) << 16);

function address(hostOrder: number): number {
  return swapWord(hostOrder | 0);
}

/** All words with two bits set. */
const BIT_PAIRS = Array.from({ length: 32 }, (_, high) =>
  Array.from({ length: high }, (__, low) => (1 << high) | (1 << low)),
).flat();

const PATTERNS: Pattern[] = [
  {
    name: 'the grid of 62 x 16384 ports',
    count: 62 * 16_384,
    tuple: (i) => [
      address(0x0a010101),
      address(0x0a010102),
      swapHalf(1 + (i >> 14)) | (swapHalf(1 + (i & 0x3fff)) << 16),
    ],
  },
  { name: 'sequential sources', count: 1 << 18, tuple: (i) => [address(0x0a000000 + i), address(0xc0a80001), PORTS] },
  {
    name: 'sequential destinations',
    count: 1 << 18,
    tuple: (i) => [address(0xc0a80001), address(0x0a000000 + i), PORTS],
  },
  {
    name: 'sequential sources and destinations',
    count: 1 << 18,
    tuple: (i) => [address(0x0a000000 + (i >> 9)), address(0x0a800000 + (i & 511)), PORTS],
  },
  {
    name: 'addresses and ports that count together',
    count: 1 << 18,
    tuple: (i) => [
      address(0x0a000000 + i),
      address(0x0b000000 + i),
      swapHalf(i & 0xffff) | (swapHalf(i & 0xffff) << 16),
    ],
  },
  {
    name: 'addresses that differ in their first bytes only',
    count: 1 << 18,
    tuple: (i) => [address(i << 14), address(0x0a000001), PORTS],
  },
  {
    name: 'multiples of 4096 as ports',
    count: 1 << 18,
    tuple: (i) => [address(0x0a000000 + (i >> 8)), address(0x0a800000), ((i & 15) << 4) | ((i & 240) << 16)],
  },
  {
    name: 'words with one or two bits set, or one clear',
    count: 32 * 32 * BIT_PAIRS.length,
    tuple: (i) => [1 << (i & 31), ~(1 << ((i >> 5) & 31)), BIT_PAIRS[i >> 10]!],
  },
];

describe.each(KEYS.map((key) => ({ key, name: key.map((part) => (part >>> 0).toString(16)).join(' ') })))(
  'with the seed $name',
  ({ key }) => {
    it.each(PATTERNS)('$name spread over high and low bits as random tuples do', ({ count, tuple }) => {
      const hashes = Int32Array.from({ length: count }, (_, i) => {
        const [src, dst, ports] = tuple(i);
        return hashIpv4(src, dst, ports, UDP_META, key[0], key[1]);
      });
      expectRandomSpread(hashes);
    });

    it('the same tuple in all zones spreads over high and low bits', () => {
      const hashes = Int32Array.from({ length: 65_536 }, (_, zone) =>
        hashIpv4(5, 6, PORTS, UDP_META | (zone << 16), key[0], key[1]),
      );
      expectRandomSpread(hashes);
    });

    it.each([
      ['last', 3],
      ['first', 0],
    ])('IPv6 hosts that differ in the %s word of their address only spread over high and low bits', (_which, at) => {
      const words = Int32Array.from([0x0120, 0, 0, 0, 0x0120, 0, 0, 0]);
      const hashes = Int32Array.from({ length: 1 << 17 }, (_, i) => {
        words[at] = swapWord(i);
        return hashIpv6(words, 0, 4, PORTS, UDP_META | META_IPV6, key[0], key[1]);
      });
      expectRandomSpread(hashes);
    });
  },
);

describe('another seed', () => {
  const COUNT = 1 << 16;
  const hashesWith = (k0: number, k1: number) =>
    Int32Array.from({ length: COUNT }, (_, i) => hashIpv4(i, 1 << 30, PORTS, UDP_META, k0, k1));

  it.each([
    ['the lowest bit of its first half', KEYS[0][0] ^ 1, KEYS[0][1]],
    ['the highest bit of its first half', KEYS[0][0] ^ (1 << 31), KEYS[0][1]],
    ['the lowest bit of its second half', KEYS[0][0], KEYS[0][1] ^ 1],
    ['the order of its halves', KEYS[0][1], KEYS[0][0]],
  ])('puts tuples into other buckets and lines, differing in %s', (_what, k0, k1) => {
    const before = hashesWith(...KEYS[0]);
    const after = hashesWith(k0, k1);
    let sameBucket = 0;
    let sameLine = 0;
    const differences = new Int32Array(COUNT);
    for (let i = 0; i < COUNT; i++) {
      sameBucket += before[i]! >>> 22 === after[i]! >>> 22 ? 1 : 0;
      sameLine += (before[i]! & 1023) === (after[i]! & 1023) ? 1 : 0;
      differences[i] = before[i]! ^ after[i]!;
    }
    /* 64 of 65,536 by chance. */
    expect(sameBucket).toBeLessThan(64 + 6 * 8);
    expect(sameLine).toBeLessThan(64 + 6 * 8);
    /* The seed does not just permute the buckets: the difference of two hashes of a tuple is random, too. */
    expectRandomSpread(differences);
  });

  it('is another one in every table that is not given one', () => {
    const keys = Array.from({ length: 4 }, () =>
      new Conntrack({ buckets: 1, maxConnections: 1 }).memory.hashKey.join(),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });
});

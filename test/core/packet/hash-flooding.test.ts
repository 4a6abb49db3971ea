/** Hash flooding without the key: tuples do not meet in one bucket, and visible choices tell nothing about the key. */

import { describe, expect, it } from 'vitest';
import { brokenBounds } from '../../../bench/attacks/bounds.ts';
import { attackOf, type AttackName } from '../../../bench/attacks/registry.ts';
import { runAttack } from '../../../bench/attacks/run.ts';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { NatAction } from '../../../src/core/nat/action.ts';
import { hashIpv4 } from '../../../src/core/packet/hash.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { swapHalf, swapPorts, swapWord } from '../../../src/core/packet/layout.ts';
import { udp } from '../../support/frames.ts';

const KEYS = [
  [0x12345678, 0x1abcdef0],
  [-7, 0],
] as const;
const UDP_META = 17 << 8;
const SIZE = { packets: 3200, connections: 1600, seed: 11 };

describe.each(KEYS.map((hashSeed) => ({ hashSeed })))('a table with the key $hashSeed', ({ hashSeed }) => {
  it.each<AttackName>(['hash-other-key', 'hash-structured', 'hash-adapted'])(
    'under %s is filled as by random tuples, and loses nobody',
    (name) => {
      const { bounds, faults, after } = runAttack(attackOf(name), SIZE, { hashSeed });
      expect(after.connections).toBeGreaterThan(SIZE.packets * 0.9);
      expect(brokenBounds(bounds)).toEqual([]);
      expect(faults).toEqual([]);
    },
  );
});

describe('an attacker that knows the key', () => {
  it('makes long searches, in memory that stays bounded, and breaks the bounds that hold against all others', () => {
    const { bounds, faults, after, lost } = runAttack(attackOf('hash-known-key'), { ...SIZE, packets: 640 });
    expect(brokenBounds(bounds)).toEqual([]);
    expect(faults).toEqual([]);
    expect(lost).toBe(0);
    expect(after.longestSearch).toBeGreaterThan(640 / 7);
    const others = attackOf('hash-other-key').bounds!;
    const broken = brokenBounds(others({ ...SIZE, after } as never)).map(({ what }) => what);
    expect(broken).toEqual(['lines of the longest search', 'entries of the fullest bucket']);
  });
});

describe('two connections that turn each other round in all but their ports', () => {
  it('do not share a hash', () => {
    const [k0, k1] = KEYS[0];
    for (let i = 1; i < 2000; i++) {
      const [src, dst, ports] = [swapWord(0x0a000000 + i), swapWord(0x0b000000 + 7 * i), i | ((i * 3) << 16)];
      const one = hashIpv4(src, dst, ports, UDP_META, k0, k1);
      expect(hashIpv4(dst, src, swapPorts(ports), UDP_META, k0, k1)).toBe(one);
      expect(hashIpv4(dst, src, ports, UDP_META, k0, k1)).not.toBe(one);
      expect(hashIpv4(src, dst, swapPorts(ports), UDP_META, k0, k1)).not.toBe(one);
    }
  });
});

describe('a difference in any two bits of a tuple', () => {
  it('makes 12 bits of the hash equal no more often than chance does', () => {
    const [k0, k1] = KEYS[0];
    const samples = 512;
    const words = new Int32Array(3);
    let seed = 1;
    let most = 0;
    let equal = 0;
    let pairs = 0;
    for (let a = 0; a < 96; a++) {
      for (let b = 0; b < a; b++) {
        let same = 0;
        for (let i = 0; i < samples; i++) {
          for (let word = 0; word < 3; word++) {
            seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
            words[word] = seed ^ (seed >>> 15);
          }
          const one = hashIpv4(words[0]!, words[1]!, words[2]!, UDP_META, k0, k1);
          words[a >> 5]! ^= 1 << (a & 31);
          words[b >> 5]! ^= 1 << (b & 31);
          const other = hashIpv4(words[0]!, words[1]!, words[2]!, UDP_META, k0, k1);
          same += ((one ^ other) & 0xfff00000) === 0 ? 1 : 0;
        }
        most = Math.max(most, same);
        equal += same;
        pairs++;
      }
    }
    /* 1 in 4096 by chance: 0.125 of 512, 570 in all. */
    expect(most).toBeLessThanOrEqual(6);
    const expected = (pairs * samples) / 4096;
    expect(Math.abs(equal - expected)).toBeLessThan(6 * Math.sqrt(expected));
  });
});

const RANGE = { minAddr: '10.9.0.1', minPort: 1024, maxPort: 65_535 } as const;
const PORTS = RANGE.maxPort - RANGE.minPort + 1;
const FLOWS = 1500;

/**
 * The ports of this many clients' connections, as a server sees them, and the keys of these connections as the table
 * hashes them.
 */
function portsSeen(hashSeed: readonly [number, number], extra: { random?: boolean }): { port: number; hash: number }[] {
  const conntrack = new Conntrack({ buckets: 16, maxConnections: 4 * FLOWS, hashSeed });
  const action = new CtAction({ commit: true, nat: { action: ['src'], ...RANGE, ...extra } });
  const batch = PacketBatch.allocate();
  return Array.from({ length: FLOWS }, (_, flow) => {
    const ends = { src: `10.1.${flow >> 8}.${flow & 255}`, dst: '10.2.0.1', sport: 4000, dport: 53 };
    batch.clear();
    batch.add(udp(ends));
    conntrack.execute(batch, action, 0);
    const port = Buffer.from(batch.frame(0)).readUInt16BE(34);
    const src = swapWord(0x0a010000 + flow);
    const ports = swapHalf(4000) | (swapHalf(53) << 16);
    return { port, hash: hashIpv4(src, swapWord(0x0a020001), ports, UDP_META, hashSeed[0], hashSeed[1]) };
  });
}

/** How ports were once chosen from the table's hash, without a secret (the finalizer of MurmurHash3). */
function publicMix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

describe('the ports that a translation chooses', () => {
  const { seed } = new NatAction({ action: ['src'], ...RANGE });

  it('are no function of the hash that anybody could turn round', () => {
    for (const hashSeed of KEYS) {
      const seen = portsSeen(hashSeed, {});
      for (const guess of [
        (hash: number) => publicMix(hash ^ seed),
        (hash: number) => hash >>> 0,
        (hash: number) => publicMix(hash),
      ]) {
        const hits = seen.filter(({ port, hash }) => port - RANGE.minPort === guess(hash) % PORTS).length;
        expect(hits).toBeLessThan(3);
      }
    }
  });

  it('drawn at random do not begin with the key: keys of one XOR draw others', () => {
    const [k0, k1] = KEYS[0];
    const draw = (key: readonly [number, number]) => portsSeen(key, { random: true }).map(({ port }) => port);
    const one = draw([k0, k1]);
    const other = draw([k0 ^ 0x5a5a5a5a, k1 ^ 0x5a5a5a5a]);
    expect(one.filter((port, index) => port === other[index]).length).toBeLessThan(3);
    expect(draw([k0, k1])).toEqual(one);
  });
});

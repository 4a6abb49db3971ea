/** A connection expires to the millisecond, and no clock brings it back. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { MAX_TIMEOUT_MS } from '../../../src/core/expiry/timeouts.ts';
import { icmp, reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const SEED = 20260605;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const ID = Buffer.from('00070001', 'hex');
const DAY_MS = 24 * 60 * 60 * 1000;
const WRAP_MS = 2 ** 32;
const MODES: Reclaim[] = ['lookup-and-sweep', 'sweep'];

function table(reclaim: Reclaim): Conntrack {
  return new Conntrack({ buckets: 4, maxConnections: 1000, reclaim });
}

/** Origins of time at and around the points where its low 32 bits wrap. */
const ORIGINS = [
  0,
  1,
  -1,
  -12_345,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 31 - 20_000,
  WRAP_MS - 1,
  WRAP_MS - 20_000,
  -(2 ** 31) - 20_000,
  1_782_864_000_000,
  5 * WRAP_MS + 2 ** 31 - 59_999,
];

interface Conversation {
  name: string;
  /** Packets that bring the connection into the state, and how long the last of them keeps it. */
  packets: Buffer[];
  timeoutMs: number;
}

const there = { flags: 'S', seq: 100 } as const;
const back = { flags: 'SA', seq: 500, ack: 101 } as const;
const handshake = [tcp(ENDS, there), tcp(reverse(ENDS), back), tcp(ENDS, { flags: 'A', seq: 101, ack: 501 })];
const CONVERSATIONS: Conversation[] = [
  { name: 'a first UDP packet', packets: [udp(ENDS)], timeoutMs: 60_000 },
  { name: 'a second UDP packet of the same side', packets: [udp(ENDS), udp(ENDS)], timeoutMs: 60_000 },
  { name: 'a UDP answer', packets: [udp(ENDS), udp(reverse(ENDS))], timeoutMs: 30_000 },
  { name: 'an ICMP request', packets: [icmp(ENDS, 8, ID)], timeoutMs: 60_000 },
  { name: 'an ICMP reply', packets: [icmp(ENDS, 8, ID), icmp(reverse(ENDS), 0, ID)], timeoutMs: 30_000 },
  { name: 'a SYN', packets: handshake.slice(0, 1), timeoutMs: 30_000 },
  { name: 'a SYN and its answer', packets: handshake.slice(0, 2), timeoutMs: 30_000 },
  { name: 'a TCP handshake', packets: handshake, timeoutMs: DAY_MS },
  {
    name: 'a FIN',
    packets: [...handshake, tcp(ENDS, { flags: 'FA', seq: 101, ack: 501 })],
    timeoutMs: 15 * 60_000,
  },
  { name: 'a RST', packets: [...handshake, tcp(ENDS, { flags: 'R', seq: 101 })], timeoutMs: 30_000 },
];

describe.each(MODES)('a connection (%s)', (reclaim) => {
  it.each(CONVERSATIONS)(
    'after $name expires to the millisecond, at any time of the clock',
    ({ packets, timeoutMs }) => {
      for (const origin of ORIGINS) {
        const ct = table(reclaim);
        for (const [index, packet] of packets.entries()) {
          send(ct, packet, origin + index);
        }
        const last = origin + packets.length - 1;
        for (const passed of [0, 1, timeoutMs - 1]) {
          expect(dumpAll(ct, last + passed)).toMatchObject([{ timeoutMs: timeoutMs - passed }]);
        }
        expect(ct.sweep(last + timeoutMs - 1)).toBe(0);
        expect(dumpAll(ct, last + timeoutMs)).toEqual([]);
        expect(ct.connCount).toBe(1);
        expect(ct.sweep(last + timeoutMs)).toBe(1);
        expect(ct.connCount).toBe(0);
      }
    },
  );

  it('is found by a reply a millisecond before its expiry and not at its expiry', () => {
    for (const origin of ORIGINS) {
      const early = table(reclaim);
      send(early, udp(ENDS), origin);
      expect(send(early, udp(reverse(ENDS)), origin + 59_999, {})).toBe('est|rpl|trk');
      const late = table(reclaim);
      send(late, udp(ENDS), origin);
      expect(send(late, udp(reverse(ENDS)), origin + 60_000, {})).toBe('new|trk');
    }
  });

  it('lives from packet to packet for as long as it is used', () => {
    for (const origin of [0, 2 ** 31 - 40_000, WRAP_MS - 40_000]) {
      const ct = table(reclaim);
      send(ct, udp(ENDS), origin);
      for (let now = origin + 29_999; now < origin + 10 * 60_000; now += 29_999) {
        expect(send(ct, udp(reverse(ENDS)), now)).toBe('est|rpl|trk');
      }
      expect(ct.connCount).toBe(1);
    }
  });
});

describe('a timeout beyond 32 bits of milliseconds', () => {
  it.each([
    ['4294967295 seconds', 0xffffffff],
    ['the least that is too much', Math.ceil(MAX_TIMEOUT_MS / 1000)],
    ['2^31 ms', Math.ceil(2 ** 31 / 1000)],
    ['2^32 ms', Math.ceil(2 ** 32 / 1000)],
  ])('of %s is cut to 24.6 days', (_what, seconds) => {
    for (const reclaim of MODES) {
      for (const origin of ORIGINS) {
        const ct = table(reclaim);
        ct.setTimeoutPolicy(7, { udp_first: seconds });
        send(ct, udp(ENDS), origin, { commit: true, timeoutPolicy: 7 });
        expect(dumpAll(ct, origin)).toMatchObject([{ timeoutMs: MAX_TIMEOUT_MS }]);
        expect(dumpAll(ct, origin + MAX_TIMEOUT_MS - 1)).toMatchObject([{ timeoutMs: 1 }]);
        expect(dumpAll(ct, origin + MAX_TIMEOUT_MS)).toEqual([]);
        expect(send(ct, udp(reverse(ENDS)), origin + MAX_TIMEOUT_MS, {})).toBe('new|trk');
      }
    }
  });

  it('is not cut when it just fits', () => {
    const ct = table('sweep');
    const seconds = Math.floor(MAX_TIMEOUT_MS / 1000);
    ct.setTimeoutPolicy(7, { udp_first: seconds });
    send(ct, udp(ENDS), 0, { commit: true, timeoutPolicy: 7 });
    expect(dumpAll(ct, 0)).toMatchObject([{ timeoutMs: seconds * 1000 }]);
  });
});

const JUMPS: [name: string, ms: number][] = [
  ['2^31 - 1 ms', 2 ** 31 - 1],
  ['2^31 ms', 2 ** 31],
  ['2^31 ms and a little', 2 ** 31 + 45_000],
  ['a little less than 2^32 ms', WRAP_MS - 10_000],
  ['2^32 ms', WRAP_MS],
  ['2^32 ms and a little', WRAP_MS + 10_000],
  ['a year', 365 * DAY_MS],
  ['fifty years', 50 * 365 * DAY_MS],
];

describe.each(MODES)('a clock that jumps forward (%s)', (reclaim) => {
  it.each(JUMPS)('by %s expires everything, with no sweep in between', (_what, jumpMs) => {
    for (const origin of ORIGINS) {
      const ct = table(reclaim);
      ct.setTimeoutPolicy(7, { udp_first: 0xffffffff });
      send(ct, udp(ENDS), origin);
      send(ct, udp({ ...ENDS, sport: 7 }), origin, { commit: true, timeoutPolicy: 7 });
      send(ct, handshake[0]!, origin);
      send(ct, handshake[1]!, origin);
      send(ct, handshake[2]!, origin);
      expect(dumpAll(ct, origin)).toHaveLength(3);
      const now = origin + jumpMs;
      expect(send(ct, udp(reverse(ENDS)), now, {})).toBe('new|trk');
      expect(send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 500, ack: 101 }), now, {})).toBe('inv|trk');
      expect(dumpAll(ct, now)).toEqual([]);
      ct.sweep(now);
      expect(ct.connCount).toBe(0);
    }
  });

  it('keeps what has not expired', () => {
    const ct = table(reclaim);
    ct.setTimeoutPolicy(7, { udp_first: 0xffffffff, udp_multiple: 0xffffffff });
    send(ct, udp(ENDS), 0, { commit: true, timeoutPolicy: 7 });
    for (let day = 12; day < 40 * 12; day += 12) {
      expect(send(ct, udp(reverse(ENDS)), day * DAY_MS)).toBe('est|rpl|trk');
    }
  });

  it('again and again by 12 days never brings an expired connection back', () => {
    for (const origin of ORIGINS) {
      const ct = table(reclaim);
      send(ct, udp(ENDS), origin);
      for (let jump = 1; jump <= 60; jump++) {
        const now = origin + jump * 12 * DAY_MS;
        expect(dumpAll(ct, now)).toEqual([]);
        /* Every other time a packet sees it rather than a dump. */
        if (jump % 2 === 0) {
          expect(send(ct, udp(reverse(ENDS)), now, {})).toBe('new|trk');
        }
      }
    }
  });

  it('again and again by 12 days never brings a connection back when only packets of others see the time', () => {
    const ct = table('sweep');
    send(ct, udp(ENDS), 0);
    for (let jump = 1; jump <= 300; jump++) {
      send(ct, udp({ ...ENDS, sport: 2000 + jump }), jump * 12 * DAY_MS);
      expect(dumpAll(ct, jump * 12 * DAY_MS)).toHaveLength(1);
    }
    expect(ct.connCount).toBe(301);
    ct.sweep(300 * 12 * DAY_MS);
    expect(ct.connCount).toBe(1);
  });
});

describe('any walk of the clock', () => {
  /** Steps from a millisecond to some years; short and long ones are equally likely. */
  const step = fc
    .record({ exponent: fc.double({ min: 0, max: 37, noNaN: true }), isShort: fc.boolean() })
    .map(({ exponent, isShort }) => Math.floor(2 ** (isShort ? exponent % 16 : exponent)));
  const action = fc.record({
    step,
    flow: fc.nat(5),
    isReply: fc.boolean(),
    what: fc.constantFrom('packet', 'packet', 'packet', 'sweep', 'dump'),
  });
  const walk = fc.record({
    origin: fc.constantFrom(...ORIGINS),
    reclaim: fc.constantFrom(...MODES),
    actions: fc.array(action, { minLength: 5, maxLength: 60 }),
  });

  it('agrees with a model that keeps full times', () => {
    const frames = Array.from({ length: 6 }, (_, flow) => {
      const ends = { ...ENDS, sport: 3000 + flow };
      return [udp(ends), udp(reverse(ends))] as const;
    });
    fc.assert(
      fc.property(walk, ({ origin, reclaim, actions }) => {
        const ct = table(reclaim);
        const model = new Map<number, { expires: number; isReversed: boolean; isAnswered: boolean }>();
        let now = origin;
        for (const { step: ms, flow, isReply, what } of actions) {
          now += ms;
          const known = model.get(flow);
          const live = known !== undefined && known.expires > now ? known : undefined;
          if (what === 'sweep') {
            ct.sweep(now);
          } else if (what === 'dump') {
            const expected = [...model.values()].map(({ expires }) => expires - now).filter((left) => left > 0);
            const got = dumpAll(ct, now).map(({ timeoutMs }) => timeoutMs);
            expect(got.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
          } else {
            const got = send(ct, frames[flow]![isReply ? 1 : 0], now);
            if (live === undefined) {
              expect(got).toBe('new|trk');
              model.set(flow, { expires: now + 60_000, isReversed: isReply, isAnswered: false });
            } else {
              const isAnswer = isReply !== live.isReversed;
              live.isAnswered ||= isAnswer;
              live.expires = now + (live.isAnswered ? 30_000 : 60_000);
              expect(got).toBe(live.isAnswered ? (isAnswer ? 'est|rpl|trk' : 'est|trk') : 'new|trk');
            }
          }
        }
        ct.sweep(now);
        expect(ct.connCount).toBe([...model.values()].filter(({ expires }) => expires > now).length);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

/** Translated connections: which tuple they get, what happens when none is free, and how they end. */

import { describe, expect, it } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import type { NatOptions } from '../../../src/core/nat/action.ts';
import { clearPacket, PacketBatch } from '../../../src/core/packet/batch.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { icmp, icmpError, type PortEnds, reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const CLIENT: PortEnds = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 80 };
const OUTSIDE = '198.51.100.1';
const SNAT: NatOptions = { action: ['src'], minAddr: OUTSIDE };
const TRANSLATE: CtActionOptions = { nat: { action: [] } };

function table(options: { reclaim?: Reclaim; buckets?: number } = {}): Conntrack {
  return new Conntrack({ buckets: 16, maxConnections: 5000, maxParticipants: 2, ...options });
}

function opening(nat: NatOptions, zone = 0): CtActionOptions {
  return { commit: true, zone, nat };
}

function endsOf(frame: Uint8Array): PortEnds {
  const bytes = Buffer.from(frame);
  return {
    src: [...bytes.subarray(26, 30)].join('.'),
    dst: [...bytes.subarray(30, 34)].join('.'),
    sport: bytes.readUInt16BE(34),
    dport: bytes.readUInt16BE(36),
  };
}

/** Sends one packet. Returns its state and frame afterwards. */
function pass(
  ct: Conntrack,
  frame: Uint8Array,
  action: CtActionOptions,
  nowMs = 0,
): { state: string; frame: Buffer; ends: PortEnds } {
  const batch = PacketBatch.allocate(4096);
  batch.add(frame);
  ct.execute(batch, new CtAction(action), nowMs);
  const after = Buffer.from(batch.frame(0));
  return { state: stateText(batch.state(0)), frame: after, ends: endsOf(after) };
}

describe('the source port of a new connection', () => {
  it('stays where it is free', () => {
    expect(pass(table(), udp(CLIENT), opening(SNAT)).ends).toEqual({ ...CLIENT, src: OUTSIDE });
  });

  it.each([
    { sport: 40_000, next: [40_000, 40_001, 40_002] },
    { sport: 65_535, next: [65_535, 1024, 1025] },
    { sport: 511, next: [511, 1, 2] },
    { sport: 512, next: [512, 600, 601] },
    { sport: 599, next: [599, 600, 601] },
    { sport: 1023, next: [1023, 600, 601] },
  ])('moves on from $sport inside its own range', ({ sport, next }) => {
    const ct = table();
    const ports = next.map(
      (_, i) => pass(ct, udp({ ...CLIENT, src: `10.0.0.${i + 1}`, sport }), opening(SNAT)).ends.sport,
    );
    expect(ports).toEqual(next);
    expectAccountingHolds(ct, 0);
  });

  it('also moves when a connection that is not translated has the tuple', () => {
    const ct = table();
    send(ct, udp({ ...CLIENT, src: OUTSIDE }), 0);
    expect(pass(ct, udp(CLIENT), opening(SNAT)).ends.sport).toBe(40_001);
  });

  it('moves for a translated destination, and the state says only that', () => {
    const ct = table();
    const dnat = opening({ action: ['dst'], minAddr: '10.9.9.9' });
    const first = pass(ct, udp(CLIENT), dnat);
    const second = pass(ct, udp({ ...CLIENT, dst: '192.0.2.2' }), dnat);
    expect([first.state, second.state]).toEqual(['new|trk|dnat', 'new|trk|dnat']);
    expect([first.ends.sport, second.ends.sport]).toEqual([40_000, 40_001]);
    const answer = pass(ct, udp(reverse(second.ends)), TRANSLATE);
    expect(answer.ends).toEqual(reverse({ ...CLIENT, dst: '192.0.2.2' }));
    expect(answer.state).toBe('est|rpl|trk|snat');
  });

  it('is used again as soon as its connection has expired, swept or not', () => {
    for (const reclaim of ['lookup-and-sweep', 'sweep'] as const) {
      const ct = table({ reclaim });
      const range: NatOptions = { ...SNAT, minPort: 5000 };
      expect(pass(ct, udp(CLIENT), opening(range)).ends.sport).toBe(5000);
      const other = udp({ ...CLIENT, src: '10.0.0.2' });
      expect(pass(ct, other, opening(range), 59_999).state).toBe('new|trk');
      expect(pass(ct, other, opening(range), 60_000).state).toBe('new|trk|snat');
      /* The old owner of the tuple can never come back, not even for a thread whose clock is behind. */
      expect(pass(ct, udp(CLIENT), TRANSLATE, 59_999).state).toBe('new|trk');
      ct.sweep(60_000);
      expect(ct.connCount).toBe(1);
      expectAccountingHolds(ct, 60_000);
    }
  });
});

describe('an address range', () => {
  const range: NatOptions = { action: ['src'], minAddr: '198.51.100.250', maxAddr: '198.51.101.5' };
  const sources = Array.from({ length: 200 }, (_, i) => udp({ ...CLIENT, src: `10.0.0.${i}`, sport: 2000 + i }));
  const addresses = (ct: Conntrack, nat: NatOptions) => sources.map((frame) => pass(ct, frame, opening(nat)).ends.src);

  it('is used from its first to its last address, and never beyond', () => {
    const used = new Set(addresses(table(), range));
    const all = [250, 251, 252, 253, 254, 255].map((n) => `198.51.100.${n}`);
    all.push(...[0, 1, 2, 3, 4, 5].map((n) => `198.51.101.${n}`));
    expect([...used].toSorted()).toEqual(all.toSorted());
  });

  it('gives a source one address if it is persistent, in every process', () => {
    const persistent: NatOptions = { ...range, persistent: true };
    const first = addresses(table(), persistent);
    expect(addresses(table(), persistent)).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
    const ct = table();
    const ofOne = Array.from({ length: 50 }, (_, i) =>
      pass(ct, udp({ ...CLIENT, sport: 3000 + i }), opening(persistent)),
    );
    expect(new Set(ofOne.map(({ ends }) => ends.src)).size).toBe(1);
  });

  it('of the other family leaves the connection untranslated', () => {
    const ct = table();
    const { state, ends } = pass(ct, udp(CLIENT), opening({ action: ['src'], minAddr: 'fd00::1' }));
    expect(state).toBe('new|trk');
    expect(ends).toEqual(CLIENT);
    expect(send(ct, udp(reverse(CLIENT)), 0)).toBe('est|rpl|trk');
  });
});

describe('a random port', () => {
  it('lies in the range, and is not always the same', () => {
    const ct = table();
    const nat: NatOptions = { ...SNAT, minPort: 6000, maxPort: 6999, random: true };
    const ports = Array.from({ length: 50 }, () => {
      const { ends } = pass(ct, udp(CLIENT), opening(nat));
      ct.flush();
      return ends.sport;
    });
    expect(ports.every((port) => port >= 6000 && port <= 6999)).toBe(true);
    expect(new Set(ports).size).toBeGreaterThan(10);
  });
});

describe.each<Reclaim>(['lookup-and-sweep', 'sweep'])('a range that is used up (%s)', (reclaim) => {
  it('refuses the packet, counts it, and leaks nothing', () => {
    const ct = table({ reclaim });
    ct.setZoneLimit(3, 1000);
    const nat = opening({ ...SNAT, minPort: 7000, maxPort: 7019 }, 3);
    const flow = (i: number) => udp({ ...CLIENT, src: `10.0.${i >> 8}.${i & 255}` });
    const ports = new Set(Array.from({ length: 20 }, (_, i) => pass(ct, flow(i), nat).ends.sport));
    expect(ports.size).toBe(20);
    for (let i = 20; i < 1000; i++) {
      const { state, frame } = pass(ct, flow(i), nat);
      expect(state).toBe('new|trk');
      expect(frame.equals(flow(i))).toBe(true);
    }
    expect(ct.counters()).toMatchObject({ created: 20, natExhausted: 980, insertFailed: 0 });
    expect(ct.connCount).toBe(20);
    expect(ct.zoneLimit(3).count).toBe(20);
    expectAccountingHolds(ct, 0);

    /* Another server is another tuple. */
    expect(pass(ct, udp({ ...CLIENT, dst: '192.0.2.77' }), nat).state).toBe('new|trk|snat');
    ct.flush();
    expect(ct.zoneLimit(3).count).toBe(0);
    expect(pass(ct, flow(999), nat).state).toBe('new|trk|snat');
    expectAccountingHolds(ct, 0);
  });

  it('costs no record, however many packets it refuses', () => {
    const ct = table({ reclaim });
    const nat = new CtAction(opening({ ...SNAT, minPort: 7000 }));
    send(ct, udp(CLIENT), 0, opening({ ...SNAT, minPort: 7000 }));
    const batch = PacketBatch.allocate(8192);
    for (let i = 0; i < 32; i++) {
      batch.add(udp({ ...CLIENT, src: '10.0.0.2' }));
    }
    const batches = 4000;
    for (let i = 0; i < batches; i++) {
      for (let packet = 0; packet < 32; packet++) {
        clearPacket(batch.words, batch.slots[packet]!);
      }
      ct.execute(batch, nat, 0);
    }
    expect(ct.counters()).toMatchObject({ created: 1, natExhausted: 32 * batches, insertFailed: 0 });
    expectAccountingHolds(ct, 0);
  });

  it('of more than 128 ports may refuse a little before it is full', () => {
    const ct = table({ reclaim });
    const nat = opening({ ...SNAT, minPort: 10_000, maxPort: 10_499 });
    let opened = 0;
    for (let i = 0; i < 3000; i++) {
      opened += pass(ct, udp({ ...CLIENT, src: `10.0.${i >> 8}.${i & 255}` }), nat).state === 'new|trk|snat' ? 1 : 0;
    }
    expect(opened).toBeGreaterThan(480);
    expect(opened).toBeLessThanOrEqual(500);
    expect(ct.counters().natExhausted).toBe(3000 - opened);
    expectAccountingHolds(ct, 0);
  });

  it('of one ICMP identifier ends at the first collision', () => {
    const ct = table({ reclaim });
    const echo = (src: string) => icmp({ src, dst: CLIENT.dst }, 8, Buffer.from([0, 7, 0, 1]));
    const nat = opening({ ...SNAT, minPort: 7 });
    expect(pass(ct, echo('10.0.0.1'), nat).state).toBe('new|trk|snat');
    expect(pass(ct, echo('10.0.0.2'), nat).state).toBe('new|trk');
    expect(ct.connCount).toBe(1);
  });
});

describe.each<{ reclaim: Reclaim; buckets: number }>([
  { reclaim: 'lookup-and-sweep', buckets: 1 },
  { reclaim: 'lookup-and-sweep', buckets: 64 },
  { reclaim: 'sweep', buckets: 64 },
])('a connection with two keys ($reclaim, $buckets buckets)', ({ reclaim, buckets }) => {
  const flows = Array.from({ length: 300 }, (_, i) => ({
    ...CLIENT,
    src: `10.3.${i >> 8}.${i & 255}`,
    sport: 2000 + i,
  }));

  function filled(): { ct: Conntrack; outside: PortEnds[] } {
    const ct = table({ reclaim, buckets });
    const outside = flows.map((ends) => pass(ct, udp(ends), opening(SNAT)).ends);
    expectAccountingHolds(ct, 0);
    return { ct, outside };
  }

  const entries = (ct: Conntrack) => ct.buckets().reduce((sum, bucket) => sum + bucket.entries, 0);

  it('is found by both, and stands twice in the index', () => {
    const { ct, outside } = filled();
    expect(entries(ct)).toBe(600);
    for (const [i, ends] of outside.entries()) {
      const answer = pass(ct, udp(reverse(ends)), TRANSLATE);
      expect(answer.state).toBe('est|rpl|trk|dnat');
      expect(answer.ends).toEqual(reverse(flows[i]!));
      const again = pass(ct, udp(flows[i]!), TRANSLATE);
      expect(again.state).toBe('est|trk|snat');
      expect(again.ends).toEqual(ends);
    }
    expect(dumpAll(ct, 0)).toHaveLength(300);
  });

  it('goes from both places when it is swept', () => {
    const { ct } = filled();
    expect(ct.sweep(60_000)).toBe(300);
    expect(entries(ct)).toBe(0);
    expectAccountingHolds(ct, 60_000);
  });

  it('goes from both places when it is flushed, by either key', () => {
    const { ct, outside } = filled();
    for (const [i, ends] of outside.entries()) {
      const tuple = i % 2 === 0 ? flows[i]! : reverse(ends);
      expect(ct.flushTuple({ ...tuple, proto: 17 }, { nowMs: 0 })).toBe(true);
      expect(ct.flushTuple({ ...flows[i]!, proto: 17 }, { nowMs: 0 })).toBe(false);
    }
    expect(entries(ct)).toBe(0);
    expect(ct.counters().flushed).toBe(300);
    expectAccountingHolds(ct, 0);
    filled().ct.flush();
  });

  it('is counted once by a flush of everything', () => {
    const { ct } = filled();
    expect(ct.flush()).toBe(300);
    expect(entries(ct)).toBe(0);
    expectAccountingHolds(ct, 0);
  });

  it('is replaced by force in reply direction, translated as that pass says', () => {
    const { ct, outside } = filled();
    const nat: NatOptions = { action: ['src'], minAddr: '203.0.113.9' };
    const forced = pass(ct, udp(reverse(outside[0]!)), { force: true, nat });
    expect(forced.state).toBe('new|trk|snat');
    expect(forced.ends).toEqual({ ...reverse(outside[0]!), src: '203.0.113.9' });
    if (reclaim === 'lookup-and-sweep') {
      expect(ct.connCount).toBe(300);
      expectAccountingHolds(ct, 0);
    }
    ct.sweep(0);
    expect(ct.connCount).toBe(300);
    expect(ct.counters().killed).toBe(1);
    /* The first sender's connection is gone, and its port is free. */
    expect(pass(ct, udp(flows[0]!), TRANSLATE).state).toBe('new|trk');
  });

  it('that is closed and opened again by TCP gets a tuple anew', () => {
    const ct = table({ reclaim, buckets });
    const nat: NatOptions = { ...SNAT, minPort: 8000 };
    const first = pass(ct, tcp(CLIENT, { flags: 'S', seq: 1 }), opening(nat));
    pass(ct, tcp(reverse(first.ends), { flags: 'RA', seq: 0, ack: 2 }), TRANSLATE);
    const again = pass(ct, tcp(CLIENT, { flags: 'S', seq: 5_000_000 }), opening({ ...SNAT, minPort: 8001 }));
    expect(again.state).toBe('new|trk|snat');
    expect(again.ends.sport).toBe(8001);
    ct.sweep(0);
    expect(ct.connCount).toBe(1);
    expectAccountingHolds(ct, 0);
  });
});

describe('an index that cannot grow', () => {
  it.each([1, 2])('at placement %i of a connection leaves nothing of it behind', (failing) => {
    const ct = table({ buckets: 64 });
    ct.setZoneLimit(0, 100);
    const { table: index } = ct.tracker;
    const place = index.placeLocked.bind(index);
    let calls = 0;
    index.placeLocked = (...args) => ++calls !== failing && place(...args);
    expect(pass(ct, udp(CLIENT), opening(SNAT))).toMatchObject({ state: 'new|trk', ends: CLIENT });
    expect(ct.counters()).toMatchObject({ created: 0, insertFailed: 1, natExhausted: 0 });
    expect(ct.zoneLimit(0).count).toBe(0);
    expectAccountingHolds(ct, 0);
    expect(pass(ct, udp(CLIENT), opening(SNAT)).state).toBe('new|trk|snat');
    expectAccountingHolds(ct, 0);
  });
});

describe('translation in two zones', () => {
  it('turns a packet to the address that its sender shares round to a neighbour (hairpin)', () => {
    const ct = table();
    /* 10.0.0.1 connects to the public address, which belongs to 10.0.0.2. 10.0.0.2 must not reply directly. */
    const call: PortEnds = { ...CLIENT, dst: OUTSIDE };
    const inward = pass(ct, udp(call), opening({ action: ['dst'], minAddr: '10.0.0.2', minPort: 8080 }, 1));
    const outward = pass(ct, inward.frame, opening({ action: ['src'], minAddr: '10.0.0.254' }, 2));
    expect(outward.ends).toEqual({ src: '10.0.0.254', dst: '10.0.0.2', sport: 40_000, dport: 8080 });

    const back = pass(ct, udp(reverse(outward.ends)), { ...TRANSLATE, zone: 2 });
    expect(back.state).toBe('est|rpl|trk|dnat');
    const home = pass(ct, back.frame, { ...TRANSLATE, zone: 1 });
    expect(home.state).toBe('est|rpl|trk|snat');
    expect(home.ends).toEqual(reverse(call));
    expectAccountingHolds(ct, 0);
  });

  it('gives out the same tuple once in each', () => {
    const ct = table();
    const nat: NatOptions = { ...SNAT, minPort: 9000 };
    for (const zone of [1, 2]) {
      expect(pass(ct, udp(CLIENT), opening(nat, zone)).ends.sport).toBe(9000);
      expect(pass(ct, udp({ ...CLIENT, src: '10.0.0.7' }), opening(nat, zone)).state).toBe('new|trk');
    }
    expect(ct.connCount).toBe(2);
    expectAccountingHolds(ct, 0);
  });
});

describe('an ICMP error about a translated packet', () => {
  it('is sent to the first sender, and quotes the packet of that sender', () => {
    const ct = table();
    const outside = pass(ct, udp(CLIENT), opening(SNAT));
    const error = pass(ct, icmpError('192.0.2.254', outside.frame), TRANSLATE);
    expect(error.state).toBe('rel|rpl|trk|dnat');
    /* The error looks as if it were about the untranslated packet, every checksum included. */
    const expected = icmpError('192.0.2.254', udp(CLIENT));
    expect(error.frame.toString('hex')).toBe(expected.toString('hex'));
  });
});

describe('nat without a range', () => {
  it('leaves a new connection untranslated, and its replies are found', () => {
    const ct = table();
    expect(pass(ct, udp(CLIENT), opening({ action: [] })).state).toBe('new|trk');
    expect(dumpAll(ct, 0)[0]!.reply).toMatchObject({ ...reverse(CLIENT), proto: 17 });
    const answer = pass(ct, udp(reverse(CLIENT)), TRANSLATE);
    expect(answer.state).toBe('est|rpl|trk');
    expect(answer.frame.equals(udp(reverse(CLIENT)))).toBe(true);
    expectAccountingHolds(ct, 0);
  });

  it('on a connection that was made without leaves it so for ever', () => {
    const ct = table();
    send(ct, udp(CLIENT), 0);
    expect(pass(ct, udp(CLIENT), opening(SNAT))).toMatchObject({ state: 'new|trk', ends: CLIENT });
  });

  it('with the address kept still marks the packets of both directions', () => {
    const ct = table();
    expect(pass(ct, udp(CLIENT), opening({ action: ['src'] }))).toMatchObject({ state: 'new|trk|snat', ends: CLIENT });
    expect(pass(ct, udp(reverse(CLIENT)), TRANSLATE).state).toBe('est|rpl|trk|dnat');
    /* The reverse key is the reversed key, so there is one entry. */
    expect(ct.buckets().reduce((sum, bucket) => sum + bucket.entries, 0)).toBe(1);
  });
});

describe('packets of one batch', () => {
  it('are translated by the connection that the first of them opens', () => {
    const ct = table();
    const batch = PacketBatch.allocate(8192);
    for (let i = 0; i < 8; i++) {
      batch.add(udp(CLIENT));
    }
    ct.execute(batch, new CtAction(opening({ ...SNAT, minPort: 100, maxPort: 200 })), 0);
    const ports = new Set(Array.from({ length: 8 }, (_, i) => endsOf(batch.frame(i)).sport));
    expect(ports.size).toBe(1);
    expect(ct.counters()).toMatchObject({ created: 1, natExhausted: 0 });
  });
});

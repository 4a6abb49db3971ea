/**
 * Early drop in a full table: which connections it evicts, which it never evicts, and what it does without a victim.
 */

import { describe, expect, it } from 'vitest';
import type { CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { UsageError } from '../../../src/core/errors.ts';
import type { ConntrackOptions, Reclaim, TableFull } from '../../../src/core/memory/table-options.ts';
import { ParsedWord } from '../../../src/core/packet/key.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { CtAction } from '../../../src/core/action.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { icmp, reverse, tcp, udp, type PortEnds } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const NOW_MS = 1_000_000;
const COMMIT: CtActionOptions = { commit: true };
const NONE: CtActionOptions = {};

function ends(i: number): PortEnds {
  return { src: `10.0.${i >> 8}.${i & 255}`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
}

/** A connection with replies: UDP, or with odd `i` TCP after its handshake. */
function establish(ct: Conntrack, i: number, nowMs = NOW_MS): void {
  if (i % 2 === 0) {
    expect(send(ct, udp(ends(i)), nowMs)).toBe('new|trk');
    expect(send(ct, udp(reverse(ends(i))), nowMs)).toBe('est|rpl|trk');
    return;
  }
  expect(send(ct, tcp(ends(i), { flags: 'S', seq: 100 }), nowMs)).toBe('new|trk');
  expect(send(ct, tcp(reverse(ends(i)), { flags: 'SA', seq: 500, ack: 101 }), nowMs)).toBe('est|rpl|trk');
  expect(send(ct, tcp(ends(i), { flags: 'A', seq: 101, ack: 501 }), nowMs)).toBe('est|trk');
}

/** The state of a packet of an established connection that creates nothing. */
function stateOf(ct: Conntrack, i: number, nowMs = NOW_MS): string {
  const frame = i % 2 === 0 ? udp(ends(i)) : tcp(ends(i), { flags: 'A', seq: 101, ack: 501 });
  return send(ct, frame, nowMs, NONE);
}

function hasConn(ct: Conntrack, of: PortEnds, nowMs = NOW_MS): boolean {
  return dumpAll(ct, nowMs).some((entry) => 'sport' in entry.orig && entry.orig.sport === of.sport);
}

function makeTable(options: ConntrackOptions & { limit: number }): Conntrack {
  const { limit, ...others } = options;
  return new Conntrack({ tableFull: 'early-drop', maxConnections: limit, ...others });
}

describe.each<{ reclaim: Reclaim; buckets: number }>([
  { reclaim: 'lookup-and-sweep', buckets: 1 },
  { reclaim: 'lookup-and-sweep', buckets: 1024 },
  { reclaim: 'sweep', buckets: 16 },
])('a full table with early drop ($reclaim, $buckets buckets)', ({ reclaim, buckets }) => {
  const LIMIT = 200;
  const ESTABLISHED = 100;

  it('lets a flood in, evicts no replied connection, and keeps its count at the limit', () => {
    const ct = makeTable({ reclaim, buckets, limit: LIMIT });
    for (let i = 0; i < ESTABLISHED; i++) {
      establish(ct, i);
    }
    const FLOOD = 3000;
    for (let i = 0; i < FLOOD; i++) {
      const flood = ends(10_000 + i);
      const state = send(ct, i % 2 === 0 ? udp(flood) : tcp(flood, { flags: 'S', seq: i }), NOW_MS);
      expect(state).toBe('new|trk');
      expect(ct.connCount).toBe(Math.min(ESTABLISHED + i + 1, LIMIT));
    }
    const { created, evicted, tableFull } = ct.counters();
    expect({ created, evicted, tableFull }).toEqual({
      created: ESTABLISHED + FLOOD,
      evicted: ESTABLISHED + FLOOD - LIMIT,
      tableFull: 0,
    });
    for (let i = 0; i < ESTABLISHED; i++) {
      expect(stateOf(ct, i)).toBe('est|trk');
    }
    expect(hasConn(ct, ends(10_000 + FLOOD - 1))).toBe(true);
    expectAccountingHolds(ct, NOW_MS);
  });

  it('refuses without a victim, and evicts again as soon as there is one', () => {
    const ct = makeTable({ reclaim, buckets, limit: ESTABLISHED });
    for (let i = 0; i < ESTABLISHED; i++) {
      establish(ct, i);
    }
    for (let i = 0; i < 50; i++) {
      send(ct, udp(ends(10_000 + i)), NOW_MS);
    }
    expect(ct.counters()).toMatchObject({ created: ESTABLISHED, evicted: 0, tableFull: 50 });
    expect(ct.connCount).toBe(ESTABLISHED);
    expect(dumpAll(ct, NOW_MS)).toHaveLength(ESTABLISHED);

    ct.flush();
    for (let i = 0; i < ESTABLISHED - 1; i++) {
      establish(ct, i);
    }
    send(ct, udp(ends(20_000)), NOW_MS);
    /* There is a single victim; several new connections may be needed to find it. */
    for (let i = 1; ct.counters().evicted === 0; i++) {
      expect(i).toBeLessThan(1000);
      send(ct, udp(ends(20_000 + i)), NOW_MS);
    }
    expect(hasConn(ct, ends(20_000))).toBe(false);
    expectAccountingHolds(ct, NOW_MS);
  });

  it('removes a stale connection that the search finds', () => {
    const ct = makeTable({ reclaim, buckets, limit: 4 });
    const laterMs = NOW_MS + 100_000;
    for (const [i, nowMs] of [NOW_MS, NOW_MS, laterMs, laterMs].entries()) {
      send(ct, udp(ends(i)), nowMs);
    }
    expect(ct.connCount).toBe(4);
    const { evicted, expiredAtLookup } = ct.counters();
    expect({ evicted, expiredAtLookup }).toEqual({ evicted: 0, expiredAtLookup: 0 });
    for (let i = 20; ct.counters().expiredAtLookup < 2; i++) {
      expect(i).toBeLessThan(2000);
      send(ct, udp(ends(i)), laterMs);
    }
    expectAccountingHolds(ct, laterMs);
  });
});

describe('the choice of the victim', () => {
  /* One bucket: with few candidates the search probes all of them. */
  const filled = (setUp: ((ct: Conntrack) => void)[]): Conntrack => {
    const ct = makeTable({ buckets: 1, limit: setUp.length });
    for (const step of setUp) {
      step(ct);
    }
    expect(ct.connCount).toBe(setUp.length);
    return ct;
  };
  const evictOne = (ct: Conntrack): number[] => {
    const before = dumpAll(ct, NOW_MS);
    expect(send(ct, udp(ends(500)), NOW_MS)).toBe('new|trk');
    const left = new Set(
      dumpAll(ct, NOW_MS).map((entry) => ('sport' in entry.orig ? entry.orig.sport : entry.orig.id)),
    );
    return before
      .map((entry) => ('sport' in entry.orig ? entry.orig.sport : entry.orig.id))
      .filter((each) => !left.has(each));
  };
  const halfOpen = (i: number) => (ct: Conntrack) => {
    send(ct, tcp(ends(i), { flags: 'S', seq: 100 }), NOW_MS);
    send(ct, tcp(reverse(ends(i)), { flags: 'SA', seq: 500, ack: 101 }), NOW_MS);
  };
  const closed = (i: number) => (ct: Conntrack) => {
    establish(ct, i);
    send(ct, tcp(reverse(ends(i)), { flags: 'R', seq: 501 }), NOW_MS);
  };
  const oneWay = (i: number) => (ct: Conntrack) => {
    send(ct, udp(ends(i)), NOW_MS);
    send(ct, udp(ends(i)), NOW_MS);
  };
  const onePacket = (i: number) => (ct: Conntrack) => void send(ct, udp(ends(i)), NOW_MS);
  const syn = (i: number) => (ct: Conntrack) => void send(ct, tcp(ends(i), { flags: 'S', seq: 100 }), NOW_MS);
  const answered = (i: number) => (ct: Conntrack) => establish(ct, i);
  const echo = (id: number, type: number): Buffer =>
    icmp(
      type === 8 ? { src: '10.1.1.1', dst: '10.1.1.2' } : { src: '10.1.1.2', dst: '10.1.1.1' },
      type,
      Buffer.from([id >> 8, id & 255, 0, 1]),
    );
  const ping = (id: number) => (ct: Conntrack) => void send(ct, echo(id, 8), NOW_MS);
  const pingPong = (id: number) => (ct: Conntrack) => {
    expect(send(ct, echo(id, 8), NOW_MS)).toBe('new|trk');
    expect(send(ct, echo(id, 0), NOW_MS)).toBe('est|rpl|trk');
  };

  it.each([
    ['one packet of UDP', onePacket(2), 1002],
    ['several packets of UDP in one direction', oneWay(2), 1002],
    ['a SYN', syn(3), 1003],
    ['a SYN and its answer', halfOpen(3), 1003],
    ['a TCP connection that was reset', closed(3), 1003],
    ['an echo request', ping(77), 77],
  ])('takes %s before anything that is answered', (_what, victim, port) => {
    const ct = filled([answered(4), answered(5), victim, pingPong(9), answered(6)]);
    expect(evictOne(ct)).toEqual([port]);
  });

  it('takes a single packet before a stream, and a stream before a handshake', () => {
    const ct = filled([halfOpen(3), oneWay(4), onePacket(6)]);
    expect(evictOne(ct)).toEqual([1006]);
    ct.flush();
    halfOpen(3)(ct);
    oneWay(4)(ct);
    answered(5)(ct);
    expect(evictOne(ct)).toEqual([1004]);
  });

  it.each([
    ['the one closest to its expiry among its like', 10_000, { evicted: 1, expiredAtLookup: 0 }],
    ['what is stale before what is not', 70_000, { evicted: 0, expiredAtLookup: 1 }],
  ])('takes %s', (_what, ageMs, removals) => {
    /* The search probes all records of one index line. With this hash key they share a line. */
    const ages = [0, ageMs, 0, 0];
    const made = Array.from({ length: 100 }, (_, seed) => {
      const ct = makeTable({ buckets: 1, limit: 3, hashSeed: [seed, 0] });
      const lines = [1, 2, 3, 500].map((i, n) => {
        send(ct, udp(ends(i)), NOW_MS - ages[n]!, i === 500 ? NONE : COMMIT);
        const { parsed } = ct.tracker.scratch;
        return ct.tracker.table.homeLine(parsed[ParsedWord.HASH]!, parsed, ParsedWord.META);
      });
      return { ct, isInOneLine: new Set(lines).size === 1 };
    });
    const inOneLine = made.filter(({ isInOneLine }) => isInOneLine);
    expect(inOneLine.length).toBeGreaterThan(0);
    for (const { ct } of inOneLine) {
      send(ct, udp(ends(500)), NOW_MS);
      expect(hasConn(ct, ends(2))).toBe(false);
      expect([1, 3].every((i) => hasConn(ct, ends(i)))).toBe(true);
      expect(ct.counters()).toMatchObject(removals);
    }
  });

  it('never takes an established connection, in any of its states', () => {
    const ct = filled([answered(4), answered(5), pingPong(9)]);
    /* One end has closed, the other still sends. */
    send(ct, tcp(ends(5), { flags: 'FA', seq: 101, ack: 501 }), NOW_MS);
    for (let i = 0; i < 100; i++) {
      send(ct, udp(ends(500 + i)), NOW_MS);
    }
    expect(ct.counters()).toMatchObject({ evicted: 0, tableFull: 100 });
  });
});

describe('early drop', () => {
  it('evicts nothing for a packet whose connection exists: a reply in the same batch as its request', () => {
    const ct = makeTable({ buckets: 1, limit: 2 });
    send(ct, udp(ends(1)), NOW_MS);
    send(ct, udp(ends(2)), NOW_MS);
    const batch = PacketBatch.allocate();
    batch.add(udp(ends(3)));
    batch.add(udp(reverse(ends(3))));
    batch.add(udp(ends(3)));
    ct.execute(batch, new CtAction({ commit: true }), NOW_MS);
    expect([0, 1, 2].map((i) => stateText(batch.state(i)))).toEqual(['new|trk', 'est|rpl|trk', 'est|trk']);
    expect(ct.counters()).toMatchObject({ created: 3, evicted: 1, tableFull: 0 });
    expectAccountingHolds(ct, NOW_MS);
  });

  it('evicts nothing for a packet that does not commit', () => {
    const ct = makeTable({ limit: 1 });
    send(ct, udp(ends(1)), NOW_MS);
    expect(send(ct, udp(ends(2)), NOW_MS, NONE)).toBe('new|trk');
    expect(ct.counters()).toMatchObject({ evicted: 0, tableFull: 0 });
  });

  it("releases the victim's unit to its own zone, and takes a unit of the new connection's zone", () => {
    const ct = makeTable({ buckets: 4, limit: 20 });
    ct.setZoneLimit(1, 15);
    ct.setZoneLimit(2, 12);
    for (let i = 0; i < 10; i++) {
      send(ct, udp(ends(i)), NOW_MS, { ...COMMIT, zone: 1 });
      send(ct, udp(ends(100 + i)), NOW_MS, { ...COMMIT, zone: 2 });
    }
    for (let i = 0; i < 300; i++) {
      send(ct, udp(ends(1000 + i)), NOW_MS, { ...COMMIT, zone: i % 3 === 0 ? 1 : 2 });
      const counts = [ct.zoneLimit(1).count, ct.zoneLimit(2).count];
      expect(counts).toEqual([dumpAll(ct, NOW_MS, 1).length, dumpAll(ct, NOW_MS, 2).length]);
      expect(counts[0]! + counts[1]!).toBe(20);
    }
    const { evicted, zoneFull } = ct.counters();
    expect(evicted).toBeGreaterThan(0);
    expect(evicted + zoneFull).toBe(300);
    expectAccountingHolds(ct, NOW_MS);
  });

  it('does not help a zone that is full', () => {
    const ct = makeTable({ limit: 10 });
    ct.setZoneLimit(1, 2);
    for (let i = 0; i < 5; i++) {
      send(ct, udp(ends(i)), NOW_MS, { ...COMMIT, zone: 1 });
    }
    expect(ct.counters()).toMatchObject({ created: 2, evicted: 0, zoneFull: 3 });
  });

  it('can be switched at run time', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 2 });
    expect(ct.tableFull).toBe('refuse');
    for (let i = 0; i < 4; i++) {
      send(ct, udp(ends(i)), NOW_MS);
    }
    expect(ct.counters()).toMatchObject({ created: 2, evicted: 0, tableFull: 2 });
    const other = Conntrack.attach(ct.memory);
    other.tableFull = 'early-drop';
    expect(ct.tableFull).toBe('early-drop');
    send(ct, udp(ends(5)), NOW_MS);
    expect(ct.counters()).toMatchObject({ created: 3, evicted: 1, tableFull: 2 });
    other.tableFull = 'refuse';
    send(ct, udp(ends(6)), NOW_MS);
    expect(ct.counters()).toMatchObject({ created: 3, evicted: 1, tableFull: 3 });
    other.close();
  });

  it('shrinks the table after its limit was lowered below its use, and never exceeds it again', () => {
    const ct = makeTable({ buckets: 1, limit: 100 });
    for (let i = 0; i < 100; i++) {
      send(ct, udp(ends(i)), NOW_MS);
    }
    ct.maxConnections = 60;
    for (let i = 0; i < 100; i++) {
      send(ct, udp(ends(1000 + i)), NOW_MS);
      expect(ct.connCount).toBe(Math.max(99 - i, 60));
    }
    expect(ct.counters()).toMatchObject({ evicted: 100, tableFull: 40 });
    ct.maxConnections = 0;
    for (let i = 0; i < 70; i++) {
      send(ct, udp(ends(2000 + i)), NOW_MS);
    }
    expect(ct.connCount).toBe(0);
    expectAccountingHolds(ct, NOW_MS);
  });

  it('does not exhaust the slab while a reader holds up the memory of evicted connections', () => {
    const ct = makeTable({ buckets: 16, limit: 100 });
    const reader = Conntrack.attach(ct.memory);
    reader.tracker.enter();
    for (let i = 0; i < 5000; i++) {
      send(ct, udp(ends(i)), NOW_MS);
    }
    const { created, evicted, tableFull, insertFailed } = ct.counters();
    expect(insertFailed).toBe(0);
    expect(created - evicted).toBe(100);
    expect(tableFull).toBeGreaterThan(0);
    reader.tracker.leave();
    /* The ends of two batches free the memory: after them there is a victim again. */
    for (let i = 0; i < 3; i++) {
      send(ct, udp(ends(6000 + i)), NOW_MS);
    }
    expect(ct.counters().evicted).toBeGreaterThan(evicted);
    reader.close();
  });

  it('must be spelt right', () => {
    expect(() => new Conntrack({ tableFull: 'drop' as TableFull })).toThrow(
      new UsageError(`tableFull must be 'refuse' or 'early-drop', not "drop"`),
    );
    const ct = new Conntrack({ maxConnections: 1 });
    expect(() => {
      ct.tableFull = 1 as unknown as TableFull;
    }).toThrow(UsageError);
    expect(ct.tableFull).toBe('refuse');
  });
});

/** Which thread removes dead and expired connections, and what is counted meanwhile. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { CounterName } from '../../../src/core/counters.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 2000 };
const THERE = udp(ENDS);
const BACK = udp(reverse(ENDS));
const TUPLE = { src: ENDS.src, dst: ENDS.dst, proto: 17, sport: ENDS.sport, dport: ENDS.dport };
const FORCE = { force: true };
const TIMEOUT_MS = 60_000;

function table(reclaim: Reclaim): Conntrack {
  return new Conntrack({ buckets: 4, maxConnections: 10_000, reclaim });
}

/** The counters about removal that are not 0. */
function removals(ct: Conntrack): Partial<Record<CounterName, number>> {
  const names: CounterName[] = ['staleSkipped', 'expiredAtLookup', 'expiredAtSweep', 'killed', 'flushed', 'evicted'];
  const counters = ct.counters();
  return Object.fromEntries(names.filter((name) => counters[name] > 0).map((name) => [name, counters[name]]));
}

/** Kills and recreates the connection `times` times, from either side in turn. */
function forceInTurn(ct: Conntrack, times: number, nowMs: number): void {
  for (let i = 0; i < times; i++) {
    expect(send(ct, i % 2 === 0 ? THERE : BACK, nowMs, FORCE)).toBe('new|trk');
  }
}

/** A TCP connection that a RST has closed: the next SYN starts a new one. */
function closeTcp(ct: Conntrack, nowMs: number): void {
  send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), nowMs);
  send(ct, tcp(reverse(ENDS), { flags: 'RA', seq: 0, ack: 2 }), nowMs);
}

describe("an expired connection with reclaim 'sweep'", () => {
  it('is held and counted until it is swept, though no packet finds it', () => {
    const ct = table('sweep');
    ct.setZoneLimit(0, 5);
    send(ct, THERE, 0);
    for (let i = 0; i < 3; i++) {
      expect(send(ct, BACK, TIMEOUT_MS, {})).toBe('new|trk');
    }
    expect(dumpAll(ct, TIMEOUT_MS)).toEqual([]);
    expect(ct.connCount).toBe(1);
    expect(ct.zoneLimit(0).count).toBe(1);
    expect(removals(ct)).toEqual({ staleSkipped: 3 });
    expect(ct.sweep(TIMEOUT_MS)).toBe(1);
    expect(ct.connCount).toBe(0);
    expect(ct.zoneLimit(0).count).toBe(0);
    expect(removals(ct)).toEqual({ staleSkipped: 3, expiredAtSweep: 1 });
  });

  it('uses a unit of quota, for lack of which a new connection is refused', () => {
    const ct = table('sweep');
    ct.maxConnections = 1;
    send(ct, THERE, 0);
    const other = udp({ ...ENDS, sport: 7 });
    send(ct, other, TIMEOUT_MS);
    expect(ct.counters().tableFull).toBe(1);
    ct.sweep(TIMEOUT_MS);
    send(ct, other, TIMEOUT_MS);
    expect(dumpAll(ct, TIMEOUT_MS)).toHaveLength(1);
  });

  it('stands beside its successor under the same key, and the sweep takes the right one of the two', () => {
    const ct = table('sweep');
    send(ct, THERE, 0);
    expect(send(ct, THERE, TIMEOUT_MS)).toBe('new|trk');
    expect(ct.connCount).toBe(2);
    expect(ct.sweep(TIMEOUT_MS)).toBe(1);
    expect(removals(ct)).toMatchObject({ expiredAtSweep: 1 });
    expect(removals(ct)).not.toHaveProperty('killed');
    expect(send(ct, BACK, TIMEOUT_MS + 1, {})).toBe('est|rpl|trk');
    expectAccountingHolds(ct, TIMEOUT_MS + 1);
  });

  it('is not revived by a packet with a clock a little behind, once its tuple is taken', () => {
    const ct = table('sweep');
    send(ct, THERE, 0);
    /* Several generations: the order of the entries decides which one a search finds first. */
    for (let generation = 1; generation <= 6; generation++) {
      const now = generation * TIMEOUT_MS;
      const [opening, answer] = generation % 2 === 1 ? [BACK, THERE] : [THERE, BACK];
      expect(send(ct, opening, now)).toBe('new|trk');
      /* For this packet the earlier connection has not expired yet. The packet belongs to the new one all the same. */
      expect(send(ct, answer, now - 1, {})).toBe('est|rpl|trk');
      expect(dumpAll(ct, now - 1)).toHaveLength(1);
    }
    expect(ct.sweep(6 * TIMEOUT_MS)).toBe(6);
    expectAccountingHolds(ct, 6 * TIMEOUT_MS);
  });

  it('is removed by a sweep at its expiry, and not by one a millisecond earlier', () => {
    const ct = table('sweep');
    send(ct, THERE, 0);
    expect(ct.sweep(TIMEOUT_MS - 1)).toBe(0);
    expect(ct.sweep(TIMEOUT_MS)).toBe(1);
    expect(ct.sweep(TIMEOUT_MS)).toBe(0);
  });
});

describe("a killed connection with reclaim 'sweep'", () => {
  it('is held and counted until it is swept', () => {
    const ct = table('sweep');
    ct.setZoneLimit(0, 100);
    forceInTurn(ct, 4, 0);
    expect(ct.connCount).toBe(4);
    expect(ct.zoneLimit(0).count).toBe(4);
    expect(dumpAll(ct, 0)).toMatchObject([{ orig: { src: ENDS.dst } }]);
    expect(removals(ct)).not.toHaveProperty('killed');
    expect(ct.sweep(0)).toBe(3);
    expect(removals(ct)).toMatchObject({ killed: 3 });
    expect(ct.connCount).toBe(1);
    expect(ct.zoneLimit(0).count).toBe(1);
    expect(send(ct, THERE, 0, {})).toBe('est|rpl|trk');
  });

  it('stays dead if a packet refreshes it', () => {
    const ct = table('sweep');
    closeTcp(ct, 0);
    expect(send(ct, tcp(ENDS, { flags: 'S', seq: 1000 }), 0)).toBe('new|trk');
    expect(ct.connCount).toBe(2);
    expect(dumpAll(ct, 0)).toMatchObject([{ tcp: { stateOrig: 'SYN_SENT', stateReply: 'CLOSED' } }]);
    expect(send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 1, ack: 1001 }), 0)).toBe('est|rpl|trk');
    expect(ct.sweep(0)).toBe(1);
    expect(removals(ct)).toMatchObject({ killed: 1 });
    expectAccountingHolds(ct, 0);
  });

  it('is counted as killed even if it has expired before the sweep', () => {
    const ct = table('sweep');
    forceInTurn(ct, 2, 0);
    expect(ct.sweep(10 * TIMEOUT_MS)).toBe(2);
    expect(removals(ct)).toMatchObject({ killed: 1, expiredAtSweep: 1 });
  });

  it.each([2, 3, 8, 100, 700])('is told from its live successor among %i entries of one key', (entries) => {
    const ct = table('sweep');
    forceInTurn(ct, entries, 0);
    expect(ct.connCount).toBe(entries);
    expect(send(ct, entries % 2 === 0 ? BACK : THERE, 0, {})).toBe('new|trk');
    expect(send(ct, entries % 2 === 0 ? THERE : BACK, 0, {})).toBe('est|rpl|trk');
    expect(dumpAll(ct, 0)).toHaveLength(1);
    expect(ct.sweep(0)).toBe(entries - 1);
    expectAccountingHolds(ct, 0);
    expect(send(ct, entries % 2 === 0 ? THERE : BACK, 0, {})).toBe('est|rpl|trk');
  });

  it('stays where it is when its live successor is flushed', () => {
    const ct = table('sweep');
    forceInTurn(ct, 9, 0);
    expect(ct.flushTuple(TUPLE, { nowMs: 0 })).toBe(true);
    expect(ct.flushTuple(TUPLE, { nowMs: 0 })).toBe(false);
    expect(ct.connCount).toBe(8);
    expect(dumpAll(ct, 0)).toEqual([]);
    expect(removals(ct)).toMatchObject({ flushed: 1 });
    expect(ct.sweep(0)).toBe(8);
    expect(ct.connCount).toBe(0);
  });

  it('goes with a flush, counted as flushed', () => {
    const ct = table('sweep');
    forceInTurn(ct, 9, 0);
    expect(ct.flush()).toBe(9);
    expect(ct.connCount).toBe(0);
    expect(removals(ct)).toMatchObject({ flushed: 9 });
    expectAccountingHolds(ct, 0);
  });

  it('is counted by every search that skips it', () => {
    const ct = table('sweep');
    forceInTurn(ct, 5, 0);
    ct.flushTuple(TUPLE, { nowMs: 0 });
    const before = ct.counters().staleSkipped;
    send(ct, THERE, 0, {});
    expect(ct.counters().staleSkipped - before).toBe(4);
  });
});

describe("an expired connection with reclaim 'lookup-and-sweep'", () => {
  it.each([
    ['one of its packets that opens nothing', THERE, {}],
    ['an answer that opens nothing', BACK, {}],
    ['an answer that opens a connection of its own', BACK, { commit: true }],
    ['one of its packets that opens it anew', THERE, { commit: true }],
    ['an answer with force', BACK, FORCE],
  ])('is removed by %s', (_what, packet, action) => {
    const ct = table('lookup-and-sweep');
    ct.setZoneLimit(0, 5);
    send(ct, THERE, 0);
    expect(send(ct, packet, TIMEOUT_MS, action)).toBe('new|trk');
    const left = 'commit' in action || 'force' in action ? 1 : 0;
    expect(ct.connCount).toBe(left);
    expect(ct.zoneLimit(0).count).toBe(left);
    expect(removals(ct)).toEqual({ expiredAtLookup: 1 });
    expectAccountingHolds(ct, TIMEOUT_MS);
  });

  it('stays for the sweep if no search finds it', () => {
    const ct = table('lookup-and-sweep');
    send(ct, THERE, 0);
    send(ct, udp({ ...ENDS, sport: 7 }), TIMEOUT_MS, {});
    expect(ct.connCount).toBe(1);
    expect(ct.sweep(TIMEOUT_MS)).toBe(1);
    expect(removals(ct)).toEqual({ expiredAtSweep: 1 });
  });

  it('does not block its successor in a full table', () => {
    const ct = table('lookup-and-sweep');
    ct.maxConnections = 1;
    send(ct, THERE, 0);
    expect(send(ct, THERE, TIMEOUT_MS)).toBe('new|trk');
    expect(dumpAll(ct, TIMEOUT_MS)).toHaveLength(1);
  });
});

describe("a killed connection with reclaim 'lookup-and-sweep'", () => {
  it('is removed by the packet that kills it with force', () => {
    const ct = table('lookup-and-sweep');
    forceInTurn(ct, 101, 0);
    expect(ct.connCount).toBe(1);
    expect(removals(ct)).toEqual({ killed: 100 });
    expect(ct.sweep(0)).toBe(0);
    expectAccountingHolds(ct, 0);
  });

  it('is removed by the SYN that opens a new connection in its place', () => {
    const ct = table('lookup-and-sweep');
    closeTcp(ct, 0);
    expect(send(ct, tcp(ENDS, { flags: 'S', seq: 1000 }), 0)).toBe('new|trk');
    expect(ct.connCount).toBe(1);
    expect(removals(ct)).toEqual({ killed: 1 });
  });
});

describe.each<Reclaim>(['sweep', 'lookup-and-sweep'])('many expired connections (%s)', (reclaim) => {
  it('leave a table as good as new, again and again', () => {
    const ct = table(reclaim);
    const rounds = 5;
    for (let round = 0; round < rounds; round++) {
      const now = round * 2 * TIMEOUT_MS;
      for (let port = 1; port <= 1000; port++) {
        expect(send(ct, udp({ ...ENDS, sport: port }), now)).toBe('new|trk');
      }
      expect(ct.connCount).toBe(1000);
      expect(ct.sweep(now + TIMEOUT_MS - 1)).toBe(0);
      expect(ct.sweep(now + TIMEOUT_MS)).toBe(1000);
      expect(ct.connCount).toBe(0);
      expect(ct.buckets().every(({ entries, displaced }) => entries === 0 && displaced === 0)).toBe(true);
    }
    expect(removals(ct)).toEqual({ expiredAtSweep: rounds * 1000 });
    expectAccountingHolds(ct, rounds * 2 * TIMEOUT_MS);
  });
});

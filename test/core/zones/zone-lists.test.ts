/** A dump, a count and a flush of a zone find what a filter over the whole table finds, and read no other zone. */

import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { ENGINES } from '../../../src/core/engines/engine.ts';
import type { ConnEntry } from '../../../src/core/inspect/dump.ts';
import { BucketTable } from '../../../src/core/table/bucket-table.ts';
import { zoneListFaults } from '../../../src/core/zones/zone-lists-check.ts';
import { PLACES, SEGMENT_SHIFT, SegmentWord, TailWord } from '../../../src/core/zones/zone-lists-layout.ts';
import { tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ZONES = [0, 1, 65_535];
/** Beyond every timeout. */
const LATER_MS = 1_000_000_000;

const ends = (n: number) => ({ src: `10.0.${n >> 8}.${n & 0xff}`, sport: 1000, dst: '10.9.9.9', dport: 53 });
const names = (entries: ConnEntry[]) => entries.map((entry) => JSON.stringify(entry)).toSorted();

/** Opens UDP connections, by default one for each number below `count`. */
function open(ct: Conntrack, zone: number, count: number, from = 0): void {
  for (let n = from; n < from + count; n++) {
    send(ct, udp(ends(n)), 0, { commit: true, zone });
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom('udp', 'tcp', 'snat', 'dnat', 'force'),
    zone: fc.constantFrom(...ZONES),
    n: fc.nat(40),
  }),
  fc.record({
    kind: fc.constantFrom('flush', 'flush marked', 'sweep', 'expire', 'other handle'),
    zone: fc.constantFrom(...ZONES),
    n: fc.nat(40),
  }),
  fc.record({ kind: fc.constant('flush one'), zone: fc.constantFrom(...ZONES), n: fc.nat(40) }),
);

const OPENINGS: Record<string, CtActionOptions> = {
  udp: { commit: true, mark: { value: 1, mask: 1 } },
  tcp: { commit: true },
  snat: { commit: true, nat: { action: ['src'], minAddr: '192.0.2.1', maxAddr: '192.0.2.9' } },
  dnat: { commit: true, nat: { action: ['dst'], minAddr: '192.0.2.1', maxAddr: '192.0.2.9' } },
  force: { commit: true, force: true },
};

describe.each(ENGINES)('the connections of a zone, engine %s', (engine) => {
  it('are those that a filter over the whole table finds, whatever happened before', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
        let ct = new Conntrack({ engine, buckets: 2, maxConnections: 100, maxParticipants: 2, hashSeed: [1, 2] });
        let nowMs = 0;
        for (const { kind, zone, n } of steps) {
          const inZone = dumpAll(ct, nowMs).filter((entry) => entry.zone === zone);
          if (kind === 'flush') {
            expect(ct.flush({ zone })).toBeGreaterThanOrEqual(inZone.length);
            expect(dumpAll(ct, nowMs).filter((entry) => entry.zone === zone)).toEqual([]);
          } else if (kind === 'flush marked') {
            ct.flush({ zone, filter: { mark: { value: 1, mask: 1 } } });
            const unmarked = inZone.filter(({ mark }) => (mark & 1) === 0);
            expect(names(dumpAll(ct, nowMs, zone))).toEqual(names(unmarked));
          } else if (kind === 'flush one') {
            ct.flushTuple({ ...ends(n), proto: 17 }, { zone, nowMs });
          } else if (kind === 'sweep') {
            ct.sweep(nowMs);
          } else if (kind === 'expire') {
            nowMs += 40_000;
          } else if (kind === 'other handle') {
            const other = Conntrack.attach(ct.memory);
            ct.close();
            ct = other;
          } else {
            const frame = kind === 'tcp' ? tcp(ends(n), { flags: 'S', seq: 1 }) : udp(ends(n));
            send(ct, frame, nowMs, { ...OPENINGS[kind], zone });
          }
        }
        for (const zone of ZONES) {
          const expected = dumpAll(ct, nowMs).filter((entry) => entry.zone === zone);
          expect(names(dumpAll(ct, nowMs, zone))).toEqual(names(expected));
          expect(ct.stats({ zone, nowMs }).total).toBe(expected.length);
        }
        expect(zoneListFaults(ct.tracker)).toEqual([]);
        ct.close();
      }),
      { numRuns: 25, seed: 1 },
    );
  });

  it('are counted by the bucket in which their original direction stands', () => {
    const ct = new Conntrack({ engine, maxConnections: 1000, maxParticipants: 1 });
    open(ct, 1, 50);
    const { byBucket: all } = ct.stats({ nowMs: 0 });
    open(ct, 2, 50, 100);
    expect(ct.stats({ zone: 1, nowMs: 0 }).byBucket).toEqual(all);
  });
});

describe('beside a full table', () => {
  afterEach(() => void vi.restoreAllMocks());

  function crowded(): Conntrack {
    const ct = new Conntrack({ maxConnections: 5000, maxParticipants: 4 });
    open(ct, 1, 3000);
    open(ct, 3, 10, 4000);
    return ct;
  }

  it.each([
    ['a dump', (ct: Conntrack, zone: number) => dumpAll(ct, 0, zone).length],
    ['a count', (ct: Conntrack, zone: number) => ct.stats({ zone, nowMs: 0 }).total],
    ['a flush', (ct: Conntrack, zone: number) => ct.flush({ zone })],
  ])('%s of a zone searches the index for connections of that zone only', (_what, act) => {
    const ct = crowded();
    const walks = vi.spyOn(BucketTable.prototype, 'visitSlots');
    const searches = vi.spyOn(BucketTable.prototype, 'blockOf');
    expect(act(ct, 2)).toBe(0);
    expect(searches).toHaveBeenCalledTimes(0);
    expect(act(ct, 3)).toBe(10);
    expect(searches).toHaveBeenCalledTimes(10);
    expect(walks).not.toHaveBeenCalled();
  });

  it('a zone that was full and is empty again keeps one segment of its list at most', () => {
    const ct = crowded();
    ct.sweep(LATER_MS);
    const { zoneLists, participant } = ct.tracker;
    const head = zoneLists.words[zoneLists.headOf(1 * 4 + participant.id)]!;
    expect(head === 0 ? 0 : zoneLists.words[(head << SEGMENT_SHIFT) + SegmentWord.NEXT]).toBe(0);
    expect(zoneLists.recordsOf(1)).toHaveLength(0);
  });

  it('connections that come and go use the same segments again', () => {
    const ct = new Conntrack({ maxConnections: 1000, maxParticipants: 1 });
    const round = () => {
      open(ct, 1, 200);
      ct.flush({ zone: 1 });
    };
    round();
    const before = ct.tracker.zoneLists.slab.unitsTaken;
    for (let n = 0; n < 50; n++) {
      round();
    }
    expect(ct.tracker.zoneLists.slab.unitsTaken).toBeLessThanOrEqual(before + 256);
    expect(zoneListFaults(ct.tracker)).toEqual([]);
  });

  it('the check of a list accepts a full last segment, wherever the other segments of the list lie', () => {
    const ct = new Conntrack({ maxConnections: 1000, maxParticipants: 1 });
    open(ct, 1, 2 * PLACES);
    open(ct, 2, PLACES);
    ct.flush({ zone: 1 });
    /* The quiescent points of these batches let the retired segments be free again. */
    open(ct, 2, 2, PLACES);
    open(ct, 1, 2 * PLACES);
    const { zoneLists, participant } = ct.tracker;
    const last = zoneLists.words[zoneLists.tailOf(participant.id, 1) + TailWord.LAST]!;
    expect(zoneLists.words[(last << SEGMENT_SHIFT) + SegmentWord.PREVIOUS]).toBe(last + 1);
    expect(zoneListFaults(ct.tracker)).toEqual([]);
  });

  it('a connection that is refused leaves no place in the list', () => {
    const ct = new Conntrack({ maxConnections: 10, maxParticipants: 1 });
    open(ct, 1, 3 * PLACES);
    expect(zoneListFaults(ct.tracker)).toEqual([]);
    expect(ct.stats({ zone: 1, nowMs: 0 }).total).toBe(10);
  });

  it('a long zone comes in pieces, between which its connections may go', () => {
    const ct = new Conntrack({ maxConnections: 5000, maxParticipants: 2 });
    open(ct, 1, 3000);
    const walk = ct.dump({ zone: 1, nowMs: 0 });
    const first = walk.next().value!.length;
    expect(first).toBeLessThan(3000);
    Conntrack.attach(ct.memory).flush({ zone: 1 });
    open(ct, 2, 3000);
    expect([...walk].flat()).toEqual([]);
  });
});

it('a packet that cannot be listed is refused, and its record is free again', () => {
  const ct = new Conntrack({ maxConnections: 100, maxParticipants: 1 });
  vi.spyOn(ct.tracker.zoneLists.slab, 'allocate').mockReturnValue(0);
  expect(send(ct, udp(ends(1)), 0, { commit: true })).toBe('new|trk');
  expect(ct.connCount).toBe(0);
  expect(ct.counters().insertFailed).toBe(1);
  vi.restoreAllMocks();
  open(ct, 0, 1);
  expect(ct.connCount).toBe(1);
  expect(zoneListFaults(ct.tracker)).toEqual([]);
});

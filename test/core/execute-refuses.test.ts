/** Calls with an invalid batch, action or time are refused before any change. A call that throws has left its epoch. */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { expectAccountingHolds } from '../support/accounting.ts';
import { udp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
const NOW_MS = 1000;
const COMMIT = new CtAction({ commit: true });

function table(): Conntrack {
  return new Conntrack({ buckets: 4, maxConnections: 100, maxParticipants: 4 });
}

function any<Type>(value: unknown): Type {
  return value as Type;
}

function isOnline({ tracker }: Conntrack): boolean {
  return tracker.epochs.isOnline(tracker.participant);
}

function batchOf(...ports: number[]): PacketBatch {
  const batch = PacketBatch.allocate();
  ports.forEach((sport) => batch.add(udp({ ...ENDS, sport })));
  return batch;
}

/** A batch that throws when its n-th slot is read, in any stage. */
function broken(batch: PacketBatch, n: number): PacketBatch {
  let reads = 0;
  const slots = new Proxy(batch.slots, {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name) && ++reads === n) {
        throw new Error('broken');
      }
      return Reflect.get(target, name, target) as unknown;
    },
  });
  Object.defineProperty(batch, 'slots', { value: slots });
  return batch;
}

/** Checks that a thread's retired memory is freed, which needs every thread to be outside an epoch. */
function expectReclaim(ct: Conntrack): void {
  const other = Conntrack.attach(ct.memory);
  const { slab, participant } = other.tracker;
  send(other, udp({ ...ENDS, sport: 999 }), NOW_MS);
  other.flush();
  for (let round = 0; round < 4; round++) {
    other.tracker.reclaim();
  }
  expect(slab.retiredCount(participant)).toBe(0);
  other.close();
}

describe('execute', () => {
  it.each<[string, unknown, unknown, unknown, RegExp]>([
    ['nothing', undefined, COMMIT, NOW_MS, /^a batch must be a PacketBatch, not undefined$/],
    ['null', null, COMMIT, NOW_MS, /^a batch must be a PacketBatch, not null$/],
    ['an empty object', {}, COMMIT, NOW_MS, /^a batch must be a PacketBatch, not \{\}$/],
    ['frames', [udp(ENDS)], COMMIT, NOW_MS, /^a batch must be a PacketBatch/],
    ['what looks like a batch', { ...batchOf(1) }, COMMIT, NOW_MS, /^a batch must be a PacketBatch/],
    ['no action', batchOf(1), undefined, NOW_MS, /^an action must be a CtAction, not undefined$/],
    [
      'options of an action',
      batchOf(1),
      { commit: true },
      NOW_MS,
      /^an action must be a CtAction, not \{"commit":true\}$/,
    ],
    ['no time', batchOf(1), COMMIT, undefined, /^nowMs must be a number of milliseconds, not undefined$/],
    ['a big time', batchOf(1), COMMIT, 5n, /^nowMs must be a number of milliseconds, not 5n$/],
    ['a date', batchOf(1), COMMIT, new Date(5), /^nowMs must be a number of milliseconds/],
    ['a text for the time', batchOf(1), COMMIT, '5', /^nowMs must be a number of milliseconds, not "5"$/],
  ])('refuses %s, and nothing has happened', (_what, batch, action, nowMs, says) => {
    const ct = table();
    const before = ct.counters();
    expect(() => ct.execute(any(batch), any(action), any(nowMs))).toThrow(UsageError);
    expect(() => ct.execute(any(batch), any(action), any(nowMs))).toThrow(says);
    expect(isOnline(ct)).toBe(false);
    expect(ct.counters()).toEqual(before);
    expectReclaim(ct);
  });

  it.each([-1, 257, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 1n, undefined])(
    'refuses a batch whose count is %s',
    (count) => {
      const ct = table();
      const batch = batchOf(1);
      batch.count = any(count);
      expect(() => ct.execute(batch, COMMIT, NOW_MS)).toThrow(UsageError);
      expect(() => ct.execute(batch, COMMIT, NOW_MS)).toThrow(/^a batch has 0 to 256 packets, not /);
      expect(isOnline(ct)).toBe(false);
      expect(ct.counters().packets).toBe(0);
    },
  );

  it('that throws anywhere leaves its epoch, and the table as if the thread had died there', () => {
    for (let n = 1; n <= 6; n++) {
      const ct = table();
      expect(() => ct.execute(broken(batchOf(1, 2, 3), n), COMMIT, NOW_MS), `slot read ${n}`).toThrow('broken');
      expect(isOnline(ct)).toBe(false);
      expectAccountingHolds(ct, NOW_MS);
      expectReclaim(ct);
      /* The prefetched credits of the rest of the batch were released. */
      ct.maxConnections = 2;
      [11, 12, 13].forEach((sport) => send(ct, udp({ ...ENDS, sport }), NOW_MS));
      expect(ct.connCount).toBe(2);
    }
  });

  it('that throws in the middle of a creation leaves no lock behind', () => {
    const ct = table();
    const { table: buckets } = ct.tracker;
    const original = buckets.prefetchForWrite;
    Object.defineProperty(buckets, 'prefetchForWrite', {
      configurable: true,
      value: () => {
        buckets.lockBucket(0, ct.tracker.participant);
        throw new Error('broken');
      },
    });
    expect(() => ct.execute(batchOf(1, 2), COMMIT, NOW_MS)).toThrow('broken');
    Object.defineProperty(buckets, 'prefetchForWrite', { configurable: true, value: original });
    expect(isOnline(ct)).toBe(false);
    expect(ct.flush()).toBe(0);
    expect(send(ct, udp(ENDS), NOW_MS)).toBe('new|trk');
    expectAccountingHolds(ct, NOW_MS);
  });
});

describe('any other call', () => {
  it.each<[string, (ct: Conntrack) => unknown]>([
    ['a dump', (ct) => [...ct.dump({ nowMs: any(5n) })]],
    ['a dump of what is no filter', (ct) => [...ct.dump({ nowMs: NOW_MS, filter: any(5) })]],
    ['a flush', (ct) => ct.flush({ nowMs: any('now') })],
    ['a flush of what is no tuple', (ct) => ct.flushTuple(any({ proto: 6 }), { nowMs: NOW_MS })],
    ['a sweep', (ct) => ct.sweep(any(undefined))],
    ['statistics', (ct) => ct.stats({ nowMs: any(5n) })],
    ['a timeout policy', (ct) => ct.setTimeoutPolicy(1, { udp_first: 0.5 })],
    ['a zone limit', (ct) => ct.setZoneLimit(5, -1)],
  ])('that is refused (%s) is in no epoch', (_what, call) => {
    const ct = table();
    send(ct, udp(ENDS), NOW_MS);
    expect(() => call(ct)).toThrow(UsageError);
    expect(isOnline(ct)).toBe(false);
    expect(ct.connCount).toBe(1);
  });

  it('that throws leaves its epoch, too', () => {
    const filter = { nowMs: NOW_MS };
    const calls: ((ct: Conntrack) => unknown)[] = [
      (ct) => [...ct.dump(filter)],
      (ct) => ct.flush(),
      (ct) => ct.sweep(1e6),
      (ct) => ct.stats(filter),
      (ct) => ct.buckets(),
    ];
    for (const call of calls) {
      const ct = table();
      send(ct, udp(ENDS), NOW_MS);
      const { table: buckets } = ct.tracker;
      const value = () => {
        throw new Error('broken');
      };
      for (const name of ['blockOfBucket', 'lockBucket']) {
        Object.defineProperty(buckets, name, { configurable: true, value });
      }
      expect(() => call(ct)).toThrow('broken');
      expect(isOnline(ct)).toBe(false);
    }
  });

  it('of an iterator that is abandoned leaves its epoch', () => {
    const ct = table();
    send(ct, udp(ENDS), NOW_MS);
    for (const abandon of ['return', 'throw', 'break'] as const) {
      const dump = ct.dump({ nowMs: NOW_MS });
      dump.next();
      expect(isOnline(ct)).toBe(false);
      if (abandon === 'return') {
        dump.return();
      } else if (abandon === 'throw') {
        expect(() => dump.throw(new Error('enough'))).toThrow('enough');
      } else {
        for (const entries of dump) {
          expect(entries.length).toBeLessThan(2);
          break;
        }
      }
      expect(isOnline(ct)).toBe(false);
    }
    expectReclaim(ct);
  });
});

describe('a batch', () => {
  it.each<[string, () => unknown]>([
    ['no words', () => new PacketBatch(any(undefined))],
    ['words that are not shared', () => new PacketBatch(any(new Int32Array(1000)))],
    ['bytes', () => new PacketBatch(any(new Uint8Array(new SharedArrayBuffer(4096))))],
    [
      'a spare part beyond them',
      () => new PacketBatch(new Int32Array(new SharedArrayBuffer(400)), { start: 0, end: 101 }),
    ],
    [
      'a spare part that ends first',
      () => new PacketBatch(new Int32Array(new SharedArrayBuffer(400)), { start: 9, end: 8 }),
    ],
  ])('is not made of %s', (_what, make) => {
    expect(make).toThrow(UsageError);
  });
});

/** Clocks without a valid time, or set back: nothing is removed early, and nothing stays for ever. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { clockMarkMs, hasJumpedPast, sweptAt } from '../../../src/core/expiry/clock.ts';
import { UsageError } from '../../../src/core/errors.ts';
import { purgeFragments } from '../../../src/core/fragments/fragments.ts';
import { fragmentsOf } from '../../support/fragments.ts';
import { reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const DAY_MS = 24 * 60 * 60 * 1000;
const NO_TIMES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, -1e300];

function table(): Conntrack {
  return new Conntrack({ buckets: 4, maxConnections: 100 });
}

describe.each(NO_TIMES)('a packet at the time %d', (noTime) => {
  it('is judged at the time of the packet before it', () => {
    const ct = table();
    send(ct, udp(ENDS), 1_000_000);
    expect(send(ct, udp(reverse(ENDS)), noTime)).toBe('est|rpl|trk');
    expect(dumpAll(ct, 1_000_000)).toMatchObject([{ timeoutMs: 30_000 }]);
    ct.close();
  });

  it('does not move the time of the last walk', () => {
    const ct = table();
    send(ct, udp(ENDS), 0);
    send(ct, udp({ ...ENDS, sport: 7 }), noTime);
    /* By signed difference both have 2^31 ms left here. */
    expect(send(ct, udp(reverse(ENDS)), 2 ** 31 + 60_001, {})).toBe('new|trk');
    expect(dumpAll(ct, 2 ** 31 + 60_001)).toEqual([]);
    ct.close();
  });

  it('as the first of all opens a connection that expires in time', () => {
    const ct = table();
    send(ct, udp(ENDS), noTime);
    expect(ct.connCount).toBe(1);
    ct.sweep(60_001);
    expect(ct.connCount).toBe(0);
    ct.close();
  });

  it.each([5_000_000_000, 1_700_000_000_000, 1_700_000_000_000 + 2 ** 31])(
    "as the first of a thread uses the table's time (%d)",
    (now) => {
      const ct = new Conntrack({ buckets: 4, maxConnections: 100, maxParticipants: 2 });
      const late = Conntrack.attach(ct.memory);
      send(ct, udp(ENDS), now);
      expect(send(late, udp(reverse(ENDS)), noTime)).toBe('est|rpl|trk');
      expect(dumpAll(ct, now)).toMatchObject([{ timeoutMs: 30_000 }]);
      late.close();
      ct.close();
    },
  );

  it('as the time of a sweep or a dump is refused, or removes and hides nothing', () => {
    const ct = table();
    send(ct, udp(ENDS), 5_000_000_000);
    if (Number.isFinite(noTime)) {
      expect(ct.sweep(noTime)).toBe(0);
      expect(dumpAll(ct, noTime)).toHaveLength(1);
    } else {
      expect(() => ct.sweep(noTime)).toThrow(UsageError);
      expect(() => dumpAll(ct, noTime)).toThrow(UsageError);
    }
    expect(send(ct, udp(reverse(ENDS)), 5_000_000_001)).toBe('est|rpl|trk');
    ct.close();
  });
});

describe.each([
  ['a minute', 60_000],
  ['an hour', 3_600_000],
  ['a day', DAY_MS],
  ['12 days', 12 * DAY_MS],
])('a clock that is set back by %s', (_what, backMs) => {
  const start = 20 * DAY_MS;

  it('removes nothing early, and keeps nothing for longer than the step and its timeout', () => {
    const ct = table();
    send(ct, udp(ENDS), start);
    for (const frame of [
      tcp(ENDS, { flags: 'S', seq: 1 }),
      tcp(reverse(ENDS), { flags: 'SA', seq: 9, ack: 2 }),
      tcp(ENDS, { flags: 'A', seq: 2, ack: 10 }),
    ]) {
      send(ct, frame, start);
    }
    const now = start - backMs;
    expect(ct.sweep(now)).toBe(0);
    expect(dumpAll(ct, now)).toHaveLength(2);
    expect(send(ct, udp(reverse(ENDS)), now)).toBe('est|rpl|trk');
    /* A connection with a packet since then expires by the new time, the other by the old one. */
    expect(ct.sweep(now + 29_999)).toBe(0);
    expect(ct.sweep(now + 30_000)).toBe(1);
    expect(ct.sweep(start + DAY_MS)).toBe(1);
    expect(ct.connCount).toBe(0);
    ct.close();
  });

  it('keeps nothing alive if it is then set ahead as far as expiries can be told apart', () => {
    for (const aheadMs of [2 ** 30, 2 ** 31, 2 ** 31 + 60_001, 2 ** 32 - DAY_MS]) {
      const ct = table();
      send(ct, udp({ ...ENDS, sport: 7 }), start);
      send(ct, udp(ENDS), start - backMs);
      expect(send(ct, udp(reverse(ENDS)), start - backMs + aheadMs, {})).toBe('new|trk');
      expect(dumpAll(ct, start - backMs + aheadMs)).toEqual([]);
      ct.close();
    }
  });

  it('loses nothing when it is corrected', () => {
    const ct = table();
    send(ct, udp(ENDS), start);
    send(ct, udp({ ...ENDS, sport: 7 }), start - backMs);
    expect(send(ct, udp(reverse(ENDS)), start + 59_999)).toBe('est|rpl|trk');
    ct.close();
  });

  it('is not a jump forward for the sweeper', () => {
    const ct = table();
    send(ct, udp(ENDS), start);
    const { tracker } = ct;
    const markMs = clockMarkMs(tracker);
    expect(markMs).toBe(start);
    expect(hasJumpedPast(tracker, start - backMs, markMs)).toBe(false);
    send(ct, udp(ENDS), start + 13 * DAY_MS);
    expect(hasJumpedPast(tracker, start - backMs, markMs)).toBe(true);
    expect(hasJumpedPast(tracker, start, Number.NaN)).toBe(true);
    ct.close();
  });

  it('keeps fragments held for 18 minutes at most', () => {
    const ct = table();
    const [first] = fragmentsOf(udp(ENDS, Buffer.alloc(2000)), 1, 1400);
    send(ct, first!, start);
    expect(ct.fragments.status().nfrag).toBe(1);
    const at = start - backMs + 18 * 60_000;
    if (backMs > 18 * 60_000) {
      send(ct, udp({ ...ENDS, sport: 8 }), start - backMs);
    } else {
      send(ct, udp({ ...ENDS, sport: 8 }), at);
    }
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { expiredSent: 1 } });
    ct.close();
  });

  it('lets the sweeper purge them, too', () => {
    const ct = table();
    const [first] = fragmentsOf(udp(ENDS, Buffer.alloc(2000)), 1, 1400);
    send(ct, first!, start);
    purgeFragments(ct.tracker.fragments, start - 1000);
    expect(ct.fragments.status().nfrag).toBe(1);
    purgeFragments(ct.tracker.fragments, backMs > 18 * 60_000 ? start - backMs : start + 26_000);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { purged: 1 } });
    ct.close();
  });
});

describe('a clock that was once 13 days ahead, and is corrected', () => {
  it('is trusted again after a sweep', () => {
    const ct = table();
    const start = 1000 * DAY_MS;
    send(ct, udp(ENDS), start);
    send(ct, udp({ ...ENDS, sport: 7 }), start + 13 * DAY_MS);
    send(ct, udp({ ...ENDS, sport: 8 }), start + 1);
    expect(clockMarkMs(ct.tracker)).toBe(start + 13 * DAY_MS);
    ct.sweep(start + 2);
    expect(clockMarkMs(ct.tracker)).toBe(start + 2);
    /* By signed difference it had time left here. */
    expect(send(ct, udp({ ...ENDS, sport: 8 }), start + 25 * DAY_MS, {})).toBe('new|trk');
    ct.close();
  });

  it('is not taken back by a sweep during which it moved', () => {
    const ct = table();
    const start = 1000 * DAY_MS;
    send(ct, udp(ENDS), start);
    const { tracker } = ct;
    const markMs = clockMarkMs(tracker);
    send(ct, udp({ ...ENDS, sport: 7 }), start + 13 * DAY_MS);
    sweptAt(tracker, start, markMs);
    expect(clockMarkMs(tracker)).toBe(start + 13 * DAY_MS);
    ct.close();
  });
});

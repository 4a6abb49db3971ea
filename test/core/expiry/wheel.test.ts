/** The engine `wheel`: every connection is removed in time, and the sweeper looks at few. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { EngineName } from '../../../src/core/engines/engine.ts';
import { MAX_VISIT_INTERVAL_MS, TICK_MS, TURN_MS } from '../../../src/core/engines/wheel/wheel-layout.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { SweepCursor, sweepStep } from '../../../src/core/expiry/sweep.ts';
import { expectAllListed } from '../../support/expiration-lists.ts';
import { reverse, tcp, udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 2000 };
const flow = (i: number) => ({ ...ENDS, sport: 1000 + i });
const UDP_FIRST_MS = 60_000;
const DAY_MS = 86_400_000;
const CONNECTIONS = 200;
/** Some time in the 32 bits, not at the begin of a slot. */
const START_MS = 1_700_000_012_345;

function table(reclaim: Reclaim = 'sweep', engine: EngineName = 'wheel'): Conntrack {
  return new Conntrack({ engine, buckets: 4, maxConnections: 10_000, maxParticipants: 4, reclaim, hashSeed: [1, 2] });
}

function filled(nowMs = START_MS): Conntrack {
  const ct = table();
  for (let i = 0; i < CONNECTIONS; i++) {
    send(ct, udp(flow(i)), nowMs);
  }
  return ct;
}

/** Records that a sweep reads. */
function visitedBy(ct: Conntrack, nowMs: number): number {
  const before = ct.counters().sweepVisited;
  ct.sweep(nowMs);
  return ct.counters().sweepVisited - before;
}

/** An established TCP connection. */
function establish(ct: Conntrack, nowMs: number): void {
  send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), nowMs);
  send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 1, ack: 2 }), nowMs);
  send(ct, tcp(ENDS, { flags: 'A', seq: 2, ack: 2 }), nowMs);
}

describe('a sweep of the engine wheel', () => {
  it('reads each new record once, and then none until it is due', () => {
    const ct = filled();
    expect(visitedBy(ct, START_MS)).toBe(CONNECTIONS);
    for (let ms = 0; ms < UDP_FIRST_MS; ms += 500) {
      expect(visitedBy(ct, START_MS + ms)).toBe(0);
    }
    expect(visitedBy(ct, START_MS + UDP_FIRST_MS)).toBe(CONNECTIONS);
    expect(ct.connCount).toBe(0);
  });

  it.each([0, 1, TICK_MS - 1, TICK_MS, TICK_MS + 1, 65_535, 65_536])(
    'removes a connection at its expiry, not a millisecond earlier (%i ms later)',
    (offset) => {
      for (const seconds of [1, 2, 60, 65, 66, 900, 7200, 86_400]) {
        const ct = table();
        ct.setTimeoutPolicy(0, { udp_first: seconds });
        send(ct, udp(ENDS), START_MS + offset);
        ct.sweep(START_MS + offset);
        expect(ct.sweep(START_MS + offset + seconds * 1000 - 1)).toBe(0);
        expect(ct.sweep(START_MS + offset + seconds * 1000)).toBe(1);
        ct.close();
      }
    },
  );

  it('reads an extended connection when its first expiry comes, and removes it at the last', () => {
    const ct = table();
    send(ct, udp(ENDS), START_MS);
    ct.sweep(START_MS);
    send(ct, udp(ENDS), START_MS + 50_000);
    expect(visitedBy(ct, START_MS + UDP_FIRST_MS - 1)).toBe(0);
    expect(visitedBy(ct, START_MS + UDP_FIRST_MS)).toBe(1);
    expect(ct.sweep(START_MS + 50_000 + UDP_FIRST_MS - 1)).toBe(0);
    expect(ct.sweep(START_MS + 50_000 + UDP_FIRST_MS)).toBe(1);
  });

  it.each([true, false])('removes in time what is to expire earlier than before (swept before: %s)', (isSwept) => {
    const ct = table();
    ct.setTimeoutPolicy(0, { udp_multiple: 5 });
    send(ct, udp(ENDS), START_MS);
    if (isSwept) {
      ct.sweep(START_MS);
    }
    send(ct, udp(reverse(ENDS)), START_MS + 5);
    expect(ct.sweep(START_MS + 5004)).toBe(0);
    expect(ct.sweep(START_MS + 5005)).toBe(1);
  });

  it('removes a closed TCP connection, which would have lasted a day', () => {
    const ct = table();
    ct.setTimeoutPolicy(0, { tcp_close: 1 });
    establish(ct, START_MS);
    ct.sweep(START_MS + 40_000);
    send(ct, tcp(ENDS, { flags: 'RA', seq: 2, ack: 2 }), START_MS + 50_000);
    expect(ct.sweep(START_MS + 50_999)).toBe(0);
    expect(ct.sweep(START_MS + 51_000)).toBe(1);
  });

  it('removes a killed connection at once', () => {
    const ct = filled();
    ct.sweep(START_MS);
    send(ct, udp(reverse(flow(3))), START_MS + 100, { commit: true, force: true });
    expect(ct.sweep(START_MS + 100)).toBe(1);
    expect(ct.connCount).toBe(CONNECTIONS);
  });

  it('reads an idle connection once in 17.5 minutes, and removes it after its day', () => {
    const ct = table();
    establish(ct, START_MS);
    ct.sweep(START_MS);
    let visited = 0;
    for (let ms = 500; ms < DAY_MS; ms += 30_000) {
      visited += visitedBy(ct, START_MS + ms);
    }
    expect(visited).toBeGreaterThan(75);
    expect(visited).toBeLessThanOrEqual(Math.ceil(DAY_MS / MAX_VISIT_INTERVAL_MS) + 2);
    expect(ct.sweep(START_MS + DAY_MS - 1)).toBe(0);
    expect(ct.sweep(START_MS + DAY_MS)).toBe(1);
  });

  it('continues in steps: each step does something, and all of them the whole', () => {
    const ct = filled();
    ct.sweep(START_MS);
    const { tracker } = ct;
    const cursor = new SweepCursor();
    let steps = 1;
    tracker.enter();
    while (!sweepStep(tracker, cursor, (START_MS + UDP_FIRST_MS) | 0, 0)) {
      steps++;
    }
    tracker.leave();
    expect(ct.connCount).toBe(0);
    expect(steps).toBeGreaterThan(3);
    expect(steps).toBeLessThan(CONNECTIONS);
  });

  it('finishes what another thread has paused, if that thread does not', () => {
    const ct = filled();
    ct.sweep(START_MS);
    const paused = Conntrack.attach(ct.memory);
    paused.tracker.enter();
    expect(sweepStep(paused.tracker, new SweepCursor(), (START_MS + UDP_FIRST_MS) | 0, 0)).toBe(false);
    paused.tracker.quiesce();
    paused.tracker.leave();
    ct.sweep(START_MS + UDP_FIRST_MS);
    expect(ct.connCount).toBe(0);
  });
});

describe('the node of a connection that another thread removed', () => {
  it('stays in its slot, and is dropped when its time comes', () => {
    const ct = filled();
    ct.sweep(START_MS);
    ct.flush();
    expect(visitedBy(ct, START_MS + UDP_FIRST_MS - 1)).toBe(0);
    expect(visitedBy(ct, START_MS + UDP_FIRST_MS)).toBe(CONNECTIONS);
    expect(visitedBy(ct, START_MS + 2 * UDP_FIRST_MS)).toBe(0);
  });

  it.each([true, false])(
    'serves the next connection in the record, which expires earlier (swept between: %s)',
    (isSwept) => {
      const ct = filled();
      ct.sweep(START_MS);
      ct.flush();
      ct.setTimeoutPolicy(0, { udp_first: 2 });
      for (let i = 0; i < CONNECTIONS; i++) {
        send(ct, udp(flow(500 + i)), START_MS + 100);
      }
      if (isSwept) {
        ct.sweep(START_MS + 100);
        expectAllListed(ct);
      }
      expect(ct.sweep(START_MS + 2099)).toBe(0);
      expect(ct.sweep(START_MS + 2100)).toBe(CONNECTIONS);
      /* Some records were not used again. */
      expect(visitedBy(ct, START_MS + UDP_FIRST_MS)).toBeLessThan(CONNECTIONS / 2);
    },
  );

  it('is in its inbox once, however often its record is used between two sweeps', () => {
    const ct = table('lookup-and-sweep');
    ct.sweep(START_MS);
    for (let i = 0; i < 50; i++) {
      send(ct, udp(flow(i)), START_MS);
      expectAllListed(ct);
      ct.flush();
    }
    send(ct, udp(ENDS), START_MS);
    expectAllListed(ct);
    expect(visitedBy(ct, START_MS)).toBeLessThanOrEqual(51);
    expect(ct.sweep(START_MS + UDP_FIRST_MS)).toBe(1);
  });
});

describe('a wheel whose clock', () => {
  it.each([1000, 100_000, 2 * MAX_VISIT_INTERVAL_MS, 30 * DAY_MS])(
    'is set back by %i ms removes in time by the new one',
    (backMs) => {
      const ct = filled();
      ct.sweep(START_MS);
      const nowMs = START_MS - backMs;
      send(ct, udp(flow(500)), nowMs);
      ct.sweep(nowMs);
      expect(ct.connCount).toBeGreaterThanOrEqual(1);
      expectAllListed(ct);
      const before = ct.connCount;
      expect(ct.sweep(nowMs + UDP_FIRST_MS - 1)).toBe(0);
      ct.sweep(nowMs + UDP_FIRST_MS);
      expect(ct.connCount).toBeLessThan(before);
      ct.sweep(START_MS + UDP_FIRST_MS);
      expect(ct.connCount).toBe(0);
    },
  );

  it.each([70_000, TURN_MS - 1, TURN_MS, TURN_MS + 1, 2 * TURN_MS + TICK_MS, DAY_MS - 1])(
    'leaps forward by %i ms keeps what has not expired, and removes it in time',
    (leapMs) => {
      const ct = filled();
      establish(ct, START_MS);
      ct.sweep(START_MS);
      expect(ct.sweep(START_MS + leapMs)).toBe(CONNECTIONS);
      expect(ct.connCount).toBe(1);
      expectAllListed(ct);
      expect(ct.sweep(START_MS + DAY_MS - 1)).toBe(0);
      expect(ct.sweep(START_MS + DAY_MS)).toBe(1);
    },
  );

  it('differs from that of another sweeper loses nothing', () => {
    const ct = filled();
    const other = Conntrack.attach(ct.memory);
    for (let ms = 0; ms < UDP_FIRST_MS - 5000; ms += 500) {
      expect(ct.sweep(START_MS + ms)).toBe(0);
      expect(other.sweep(START_MS + ms - 5000)).toBe(0);
      expect(other.sweep(START_MS + ms + 4999)).toBe(0);
    }
    expect(other.sweep(START_MS + UDP_FIRST_MS)).toBe(CONNECTIONS);
  });
});

/** A small generator of random numbers, after G. Marsaglia (xorshift32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe.each([1, 2, 3, 4, 5, 6])('random traffic, seed %i', (seed) => {
  it('is removed by the same sweeps as with ct-bucket', () => {
    const random = randomOf(seed * 0x9e3779b1);
    const tables = [table('sweep', 'ct-bucket'), table()];
    let nowMs = START_MS;
    for (const ct of tables) {
      ct.setTimeoutPolicy(7, { udp_first: 3, udp_single: 1, udp_multiple: 2 });
      ct.setTimeoutPolicy(8, { udp_first: 3000, udp_single: 100, udp_multiple: 70 });
    }
    for (let step = 0; step < 3000; step++) {
      nowMs += random(4) === 0 ? random(random(100) === 0 ? 5_000_000 : 9000) : random(300);
      const ends = flow(random(60));
      const options = { commit: true, timeoutPolicy: [0, 7, 8][random(3)]!, force: random(10) === 0 };
      const frame = udp(random(3) === 0 ? reverse(ends) : ends);
      const what = random(10);
      const isFlush = what === 3 && random(8) === 0;
      const results = tables.map((ct) => {
        if (what < 3) {
          return ct.sweep(nowMs);
        }
        return isFlush ? ct.flush() : send(ct, frame, nowMs, options);
      });
      expect(results[1], `step ${step}`).toEqual(results[0]);
      expect(tables[1]!.connCount).toBe(tables[0]!.connCount);
    }
    expectAllListed(tables[1]!);
  });
});

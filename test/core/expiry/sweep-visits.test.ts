/** Which index lines the sweeper skips because nothing in them can have expired, and what makes it visit them. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import { killConn } from '../../../src/core/lifecycle/remove.ts';
import { LINE_ENTRIES } from '../../../src/core/table/bucket-layout.ts';
import { BucketTable } from '../../../src/core/table/bucket-table.ts';
import { ConnWord } from '../../../src/core/table/conn.ts';
import { reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 2000 };
const flow = (i: number) => ({ ...ENDS, sport: 1000 + i });
const UDP_FIRST_MS = 60_000;
const CONNECTIONS = 200;

function table(reclaim: 'sweep' | 'lookup-and-sweep' = 'lookup-and-sweep'): Conntrack {
  /* With this hash key no bucket grows while a test counts visits. */
  return new Conntrack({ buckets: 4, maxConnections: 10_000, reclaim, hashSeed: [1, 2] });
}

function filled(): Conntrack {
  const ct = table();
  for (let i = 0; i < CONNECTIONS; i++) {
    send(ct, udp(flow(i)), 0);
  }
  return ct;
}

/** Connections that a sweep visits. */
function visitedBy(ct: Conntrack, nowMs: number): number {
  const before = ct.counters().sweepVisited;
  ct.sweep(nowMs);
  return ct.counters().sweepVisited - before;
}

describe('a sweep', () => {
  it('visits every connection once, and none again while nothing can have expired', () => {
    const ct = filled();
    expect(visitedBy(ct, 1000)).toBe(CONNECTIONS);
    expect(visitedBy(ct, 1000)).toBe(0);
    expect(visitedBy(ct, 30_000)).toBe(0);
  });

  it('removes each of them at its expiry, not a millisecond earlier', () => {
    const ct = filled();
    ct.sweep(1000);
    expect(ct.sweep(UDP_FIRST_MS - 1)).toBe(0);
    expect(ct.sweep(UDP_FIRST_MS)).toBe(CONNECTIONS);
  });

  it('visits the line of a new connection, and removes the connection in time', () => {
    const ct = filled();
    ct.sweep(1000);
    send(ct, udp(flow(CONNECTIONS)), 1000);
    const visited = visitedBy(ct, 1001);
    expect(visited).toBeGreaterThanOrEqual(1);
    expect(visited).toBeLessThanOrEqual(7);
    expect(ct.sweep(UDP_FIRST_MS)).toBe(CONNECTIONS);
    expect(ct.sweep(UDP_FIRST_MS + 1000)).toBe(1);
  });

  it('removes a connection in time whose new state has a shorter timeout', () => {
    const ct = filled();
    ct.setTimeoutPolicy(0, { udp_multiple: 5 });
    ct.sweep(0);
    send(ct, udp(reverse(flow(7))), 5);
    expect(ct.sweep(5004)).toBe(0);
    expect(ct.sweep(5005)).toBe(1);
  });

  it('removes a closed TCP connection, which would have lasted a day', () => {
    const ct = table();
    ct.setTimeoutPolicy(0, { tcp_close: 1 });
    send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), 0);
    send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 1, ack: 2 }), 0);
    send(ct, tcp(ENDS, { flags: 'A', seq: 2, ack: 2 }), 0);
    ct.sweep(0);
    send(ct, tcp(ENDS, { flags: 'RA', seq: 2, ack: 2 }), 10);
    expect(ct.sweep(1009)).toBe(0);
    expect(ct.sweep(1010)).toBe(1);
  });

  it('removes a killed connection, however late its expiry', () => {
    const ct = table('sweep');
    send(ct, udp(ENDS), 0);
    ct.sweep(0);
    ct.tracker.enter();
    killConn(ct.tracker, onlyEntry(ct).record);
    ct.tracker.leave();
    expect(ct.sweep(0)).toBe(1);
  });

  it('keeps a connection that packets have extended, and visits it when it may have expired', () => {
    const ct = table();
    send(ct, udp(ENDS), 0);
    ct.sweep(0);
    send(ct, udp(ENDS), 50_000);
    expect(ct.sweep(UDP_FIRST_MS)).toBe(0);
    expect(ct.sweep(50_000 + UDP_FIRST_MS)).toBe(1);
  });

  it('finds all of them in the new block of a bucket that has grown', () => {
    const ct = filled();
    ct.sweep(0);
    for (let i = CONNECTIONS; i < 8 * CONNECTIONS; i++) {
      send(ct, udp(flow(i)), 10);
    }
    expect(ct.buckets().some(({ growths }) => growths > 2)).toBe(true);
    expect(ct.sweep(UDP_FIRST_MS)).toBe(CONNECTIONS);
    expect(ct.sweep(UDP_FIRST_MS + 10)).toBe(7 * CONNECTIONS);
  });

  it('writes no expiry while a thread holds the bucket, which may be placing an entry', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10_000 });
    const other = Conntrack.attach(ct.memory);
    send(ct, udp(ENDS), 0);
    other.tracker.table.lockBucket(0, other.tracker.participant);
    expect(visitedBy(ct, 0)).toBe(1);
    other.tracker.table.unlockBucket(0);
    expect(visitedBy(ct, 0)).toBe(1);
    expect(visitedBy(ct, 0)).toBe(0);
  });

  it.each(['placeAbsentLocked', 'placeLocked'] as const)(
    'visits a line again after %s has placed an entry in it',
    (how) => {
      const ct = table();
      send(ct, udp(ENDS), 0);
      const { table: index, participant } = ct.tracker;
      const { hash, line } = onlyEntry(ct);
      ct.sweep(0);
      expect(index.mayHaveExpired(line, 0)).toBe(false);
      const bucket = index.bucketOf(hash, index.words, 0);
      index.lockBucket(bucket, participant);
      expect(index[how](bucket, hash ^ 0x100, 77, participant)).toBe(true);
      index.unlockBucket(bucket);
      expect(index.mayHaveExpired(line, 0)).toBe(true);
    },
  );

  it('does not overwrite what another thread writes during its visit', () => {
    const ct = table();
    send(ct, udp(ENDS), 0);
    const { table: index, participant } = ct.tracker;
    const other = Conntrack.attach(ct.memory).tracker.participant;
    const { hash, line } = onlyEntry(ct);
    const bucket = index.bucketOf(hash, index.words, 0);
    const token = index.beginVisit(bucket, line, participant);
    const later = index.beginVisit(bucket, line, other);
    index.endVisit(line, token, 1 << 20);
    expect(index.mayHaveExpired(line, 0)).toBe(true);
    index.requestVisitAt(line + 8);
    index.endVisit(line, later, 1 << 20);
    expect(index.mayHaveExpired(line, 0)).toBe(true);
    const last = index.beginVisit(bucket, line, participant);
    index.endVisit(line, last, 1 << 20);
    expect(index.mayHaveExpired(line, 0)).toBe(false);
  });

  it('is half a minute late at most if a race of two packets leaves an expiry that is too late', () => {
    const ct = table('sweep');
    send(ct, udp(ENDS), 0);
    ct.sweep(0);
    /* One thread extends the expiry that it has read. In between the other one has written a later expiry, which the
     * sweep has noted. */
    visitBucket(ct.tracker, ct.buckets().find(({ entries }) => entries > 0)!.bucket, (_, r) => {
      ct.memory.words[r + ConnWord.EXPIRES] = 1000;
    });
    expect(dumpAll(ct, 1000)).toEqual([]);
    ct.sweep(29_999);
    expect(ct.connCount).toBe(1);
    ct.sweep(30_000);
    expect(ct.connCount).toBe(0);
  });

  it('relies on a line for no longer than half a minute if the clock runs backwards', () => {
    const ct = table();
    ct.setTimeoutPolicy(0, { udp_first: 3600 });
    send(ct, udp(ENDS), 1_000_000);
    expect(visitedBy(ct, 1_000_000)).toBe(1);
    expect(visitedBy(ct, 1_029_999)).toBe(0);
    expect(visitedBy(ct, 1_030_000)).toBe(1);
  });
});

/** The only connection of a table: its record, its hash, and its index line. */
function onlyEntry(ct: Conntrack): { record: number; hash: number; line: number } {
  const { table: index } = ct.tracker;
  for (let bucket = 0; bucket < index.bucketCount; bucket++) {
    const block = index.blockOfBucket(bucket);
    for (let line = 0; line < BucketTable.linesOf(block); line++) {
      const first = BucketTable.firstSlotOf(block, line);
      for (let slot = first; slot < first + LINE_ENTRIES; slot++) {
        if (index.recordAt(slot) !== 0) {
          return { record: index.recordAt(slot), hash: index.hashAt(slot), line: BucketTable.lineOf(block, line) };
        }
      }
    }
  }
  throw new Error('the table is empty');
}

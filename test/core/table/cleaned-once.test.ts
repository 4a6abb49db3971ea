/** The `cleaned` flag: exactly one of several threads removes a connection. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { Counter } from '../../../src/core/counters.ts';
import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../../src/shared/sync/barrier.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';
import { Crew } from '../../threads/crew.ts';
import type { RemoveJobs } from '../../threads/remove-jobs.ts';

const THREADS = 4;
const CONNECTIONS = 1000;
const ROUNDS = 3;
const ZONE = 5;
const TIMEOUT_MS = 60_000;
const REASONS = [Counter.expiredAtLookup, Counter.expiredAtSweep, Counter.flushed, Counter.killed];

const frames = Array.from({ length: CONNECTIONS }, (_, i) =>
  udp({ src: `10.0.${i >> 8}.${i & 255}`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 }),
);

function recordsOf(ct: Conntrack): Int32Array {
  const records: number[] = [];
  ct.tracker.enter();
  for (let bucket = 0; bucket < ct.tracker.table.bucketCount; bucket++) {
    visitBucket(ct.tracker, bucket, (record) => records.push(record));
  }
  ct.tracker.leave();
  return Int32Array.from(records);
}

/* The sweeper's side never asks how a packet reclaims, and the packet's side removes at lookup only. */
describe.each<{ reclaim: Reclaim; buckets: number }>([
  { reclaim: 'lookup-and-sweep', buckets: 1 },
  { reclaim: 'lookup-and-sweep', buckets: 64 },
  { reclaim: 'sweep', buckets: 64 },
])('threads that remove the same connections ($reclaim, $buckets buckets)', ({ reclaim, buckets }) => {
  const crew = new Crew<RemoveJobs>({ jobs: 'remove-jobs', threads: THREADS, checked: true });
  let ct: Conntrack;

  beforeEach(async () => {
    ct = new Conntrack({ buckets, reclaim, maxConnections: 2 * CONNECTIONS, maxParticipants: THREADS + 1 });
    ct.setZoneLimit(ZONE, CONNECTIONS);
    await crew.run('setUp', { memory: ct.memory, barrier: allocateWords(BARRIER_WORDS), parties: THREADS });
  });

  afterAll(() => crew.end());

  function connectAll(nowMs: number): Int32Array {
    for (const frame of frames) {
      expect(send(ct, frame, nowMs, { zone: ZONE, commit: true })).toBe('new|trk');
    }
    const records = recordsOf(ct);
    expect(new Set(records).size).toBe(CONNECTIONS);
    expect(ct.connCount).toBe(CONNECTIONS);
    expect(ct.zoneLimit(ZONE).count).toBe(CONNECTIONS);
    return records;
  }

  function expectEmpty(nowMs: number): void {
    expect(ct.connCount).toBe(0);
    expect(ct.zoneLimit(ZONE).count).toBe(0);
    expect(recordsOf(ct)).toHaveLength(0);
    expectAccountingHolds(ct, nowMs);
  }

  it('remove each connection exactly once, for any reason', async () => {
    const removedBy = REASONS.map(() => 0);
    for (let round = 0; round < ROUNDS; round++) {
      const records = connectAll(round);
      const answers = await crew.run('removeAll', { records, reasons: REASONS });
      for (let i = 0; i < CONNECTIONS; i++) {
        expect(answers.reduce((sum, removed) => sum + removed[i]!, 0)).toBe(1);
      }
      for (const [thread, removed] of answers.entries()) {
        removedBy[thread]! += removed.reduce((sum, each) => sum + each, 0);
      }
      expectEmpty(round);
    }
    const { expiredAtLookup, expiredAtSweep, flushed, killed } = ct.counters();
    expect([expiredAtLookup, expiredAtSweep, flushed, killed]).toEqual(removedBy);
    /* Every thread removed some. */
    expect(removedBy.filter((count) => count > 0).length).toBeGreaterThan(1);
  });

  it('remove each connection exactly once while others kill it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const records = connectAll(round);
      await crew.run('killOrRemove', { records, reason: Counter.expiredAtSweep });
      expectEmpty(round);
    }
    const { created, expiredAtSweep, killed } = ct.counters();
    expect(created).toBe(ROUNDS * CONNECTIONS);
    expect(expiredAtSweep + killed).toBe(created);
  });

  it('remove each expired connection exactly once, as packets and as sweepers', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const nowMs = round * 10 * TIMEOUT_MS;
      connectAll(nowMs);
      await crew.run('meetOrSweep', { frames, nowMs: nowMs + TIMEOUT_MS });
      expectEmpty(nowMs + TIMEOUT_MS);
    }
    const { created, expiredAtLookup, expiredAtSweep } = ct.counters();
    expect(created).toBe(ROUNDS * CONNECTIONS);
    expect(expiredAtLookup + expiredAtSweep).toBe(created);
    if (reclaim === 'sweep') {
      expect(expiredAtLookup).toBe(0);
    }
  });
});

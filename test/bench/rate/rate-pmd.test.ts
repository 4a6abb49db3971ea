/** The loop of a PMD counts latency from the due time. The tests stall it; a busy machine can only make it later. */

import { describe, expect, it } from 'vitest';
import { FlowBatch } from '../../../bench/rate/flow-batch.ts';
import { RatePmd, type RateRun } from '../../../bench/rate/rate-pmd.ts';
import { ReceiveRing } from '../../../bench/rate/receive-ring.ts';
import { type FlowSchedule, RotationSchedule } from '../../../bench/rate/schedule.ts';
import { LATENCY_BINS, latencyBins } from '../../../bench/samples/latency-histogram.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';

const FLOWS = 100;
const STALL_MS = 20;

/** The schedule of a card whose packet with this number takes STALL_MS. */
function stallingAt(packet: number): FlowSchedule {
  const schedule = new RotationSchedule({ firstTuple: 0, tuples: FLOWS, flows: FLOWS });
  let isStalled = false;
  return {
    fillDue: (batch, first, count) => {
      if (!isStalled && first + count > packet) {
        isStalled = true;
        const untilMs = performance.now() + STALL_MS;
        while (performance.now() < untilMs) {
          /* The thread is busy. */
        }
      }
      schedule.fillDue(batch, first, count);
    },
    fillOld: (batch, first, count, isReply) => schedule.fillOld(batch, first, count, isReply),
    lastSeenMs: () => 0,
    clockScale: () => 1,
  };
}

function runStalled(ringPackets: number, load: Partial<RateRun> = {}) {
  const conntrack = new Conntrack({ maxConnections: 1000, maxParticipants: 2 });
  const { tracker } = conntrack;
  const pmd = new RatePmd({
    tracker,
    schedule: stallingAt(100),
    batch: new FlowBatch(32),
    batchSize: 32,
    ring: new ReceiveRing(ringPackets),
    reachedMs: new Float64Array(1),
  });
  const bins = new Float64Array(LATENCY_BINS);
  tracker.enter();
  pmd.openOldFlows(FLOWS);
  const result = pmd.run({ pps: 100_000, seconds: 0.05, bins, ...load });
  tracker.leave();
  return { ...result, latencies: latencyBins(bins), counters: conntrack.counters(), live: conntrack.connCount };
}

describe('the loop of a PMD', () => {
  it('counts the waiting time of all packets that were due while it was busy with one', () => {
    const { latencies, judged, dropped } = runStalled(65_536);
    expect([judged, dropped]).toEqual([5000, 0]);
    const late = latencies.filter(([ns]) => ns > (STALL_MS * 1e6) / 2).reduce((sum, [, packets]) => sum + packets, 0);
    /* Half of those that were due within 20 ms waited for 10 ms or more; 3 % are the width of a bin. */
    expect(late).toBeGreaterThanOrEqual(900);
    expect(latencies.reduce((sum, [, packets]) => sum + packets, 0)).toBe(5000);
  });

  it('drops what is due while its ring is full, and judges the rest', () => {
    const { judged, dropped, offered, counters, longestPauseMs } = runStalled(64);
    expect(offered).toBe(5000);
    expect(judged + dropped).toBe(5000);
    expect(dropped).toBeGreaterThanOrEqual(1800);
    expect(longestPauseMs).toBeGreaterThanOrEqual(STALL_MS);
    expect(counters.packets).toBe(2 * FLOWS + judged);
  });

  it('finds the flows that it opened, in both directions', () => {
    const { counters, live } = runStalled(65_536);
    expect(live).toBe(FLOWS);
    expect({ fresh: counters.new, established: counters.established }).toEqual({
      fresh: FLOWS,
      established: FLOWS + 5000,
    });
  });

  it('in a dry run builds packets, and tracks none', () => {
    const { judged, counters } = runStalled(65_536, { isDry: true });
    expect(judged).toBe(5000);
    expect(counters.packets).toBe(2 * FLOWS);
  });
});

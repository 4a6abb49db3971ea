/** The workloads `zones` and `short` do what they say, in every engine, and their accounting finds what is missing. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { ENGINES } from '../../../src/core/engines/engine.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { type WorkloadName, workloadOf } from '../../../bench/workloads/registry.ts';
import { Sender } from '../../../bench/workloads/sender.ts';
import { operationsOf, SHARED_WORDS } from '../../../bench/workloads/workload.ts';
import { zoneChoice, zoneLimit, zoneVariant } from '../../../bench/workloads/zone-variants.ts';

const CONNECTIONS = 1000;
const THREADS = 2;

interface Work {
  name: WorkloadName;
  variant: string;
  engine?: (typeof ENGINES)[number];
}

/** The shares of two threads, one after the other, on one table. @param phases how many of them */
function done({ name, variant, engine = 'ct-bucket' }: Work, phases?: number) {
  const workload = workloadOf(name);
  const ct = new Conntrack({ engine, buckets: 16, maxConnections: 50_000, maxParticipants: 2 });
  const each = Array.from({ length: THREADS }, (_, thread) =>
    workload.make({
      variant,
      batchSize: 32,
      window: CONNECTIONS,
      threads: THREADS,
      thread,
      connections: CONNECTIONS,
      shared: allocateWords(SHARED_WORDS),
    }),
  );
  ct.tracker.enter();
  for (const phase of workload.phasesOf(variant).slice(0, phases).keys()) {
    for (const [thread, run] of each.entries()) {
      run.run(new Sender(ct, phase), phase, (thread * CONNECTIONS) / THREADS, ((thread + 1) * CONNECTIONS) / THREADS);
    }
  }
  ct.tracker.leave();
  const accounting = {
    counters: ct.counters(),
    live: ct.connCount,
    connections: CONNECTIONS,
    threads: THREADS,
    variant,
  };
  const held = (zone: number) => ct.stats({ nowMs: 10, zone }).total;
  return { held, counters: accounting.counters, fault: workload.fault(accounting) };
}

describe.each(ENGINES)('with engine %s', (engine) => {
  it('zones flushes one zone of each thread, fills it again, and leaves all others full', () => {
    const { held, counters, fault } = done({ name: 'zones', variant: '3', engine });
    expect(fault).toBeUndefined();
    expect([1, 2, 3, 4, 5, 6, 7].map(held)).toEqual([500, 500, 500, 500, 500, 500, 0]);
    expect(counters).toMatchObject({ created: 4000, flushed: 1000, found: 1000 });
  });

  it.each(['1', '16', 'own-1', 'own-3'])('short, variant %s, removes each connection that it opened', (variant) => {
    const { counters, fault } = done({ name: 'short', variant, engine });
    expect(fault).toBeUndefined();
    expect(counters).toMatchObject({ created: 6000, flushed: 5000, established: 5000 });
  });
});

it('the threads of short meet in the same zones, or never', () => {
  const zonesIn = (variant: string) => {
    const { held } = done({ name: 'short', variant });
    return [1, 2, 3, 4, 5].map(held);
  };
  expect(zonesIn('1')).toEqual([1000, 0, 0, 0, 0]);
  expect(zonesIn('own-1')).toEqual([500, 500, 0, 0, 0]);
  const [first, second, ...others] = zonesIn('2');
  expect(first! + second!).toBe(1000);
  expect(Math.abs(first! - second!)).toBeLessThanOrEqual(64);
  expect(others).toEqual([0, 0, 0]);
  expect(zonesIn('own-2').reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)).toBe(4);
});

it('a run without its last phases is void', () => {
  expect(done({ name: 'zones', variant: '3' }, 2).fault).toMatch(/accounting .*"flushed":1000/);
  expect(done({ name: 'zones', variant: '3' }, 3).fault).toMatch(/accounting/);
  expect(done({ name: 'short', variant: '1' }, 1).fault).toMatch(/accounting .*"flushed":0/);
});

it('a phase counts packets, or the calls of its threads', () => {
  const phases = workloadOf('zones').phasesOf('3');
  const counts = phases.map((phase) => operationsOf(phase, { connections: CONNECTIONS, threads: THREADS }));
  expect(counts).toEqual([3000, 1000, 1000, 1000, 32_768]);
});

it('a number of zones is read as it is written, and nothing else is', () => {
  for (const choice of [
    { zones: 16, isOwn: false },
    { zones: 3, isOwn: true },
  ]) {
    expect(zoneChoice(zoneVariant(choice))).toEqual(choice);
  }
  for (const wrong of ['', '0', '01', 'own', 'own-', '-1', '1.5', '100000']) {
    expect(zoneChoice(wrong)).toBeUndefined();
  }
  expect(workloadOf('zones').acceptsVariant!('own-3')).toBe(false);
  expect(workloadOf('short').acceptsVariant!('own-3')).toBe(true);
});

it('too many zones or connections are refused', () => {
  expect(zoneLimit({ zones: 59_999, connections: 1_000_000 })).toBeUndefined();
  expect(zoneLimit({ zones: 60_000, connections: 1 })).toMatch(/60,000 zones of all threads are too many/);
  expect(zoneLimit({ zones: 10, connections: 1e9 })).toMatch(/1,000,000,000 connections in 10 zones do not fit/);
  const limit = workloadOf('zones').limit!;
  expect(limit({ variant: '30000', threads: 2, connections: 1 })).toMatch(/60,000 zones/);
});

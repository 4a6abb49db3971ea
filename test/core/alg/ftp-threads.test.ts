/**
 * Helpers with several threads: control connections share a small range of ports, and end while others add
 * expectations.
 */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { EntryWord } from '../../../src/core/alg/expectation-layout.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { ConnWord, LIFE_CLEANED, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../../src/core/table/conn.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../../src/shared/sync/barrier.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { dumpAll } from '../../support/tracking.ts';
import { ofThisProcess } from '../../support/checked.ts';
import { rounds } from '../../support/rounds.ts';
import { Crew } from '../../threads/crew.ts';
import type { FtpJobs } from '../../threads/ftp-jobs.ts';

const THREADS = 4;
/** Longer than any of the connections lives. */
const ROUND_MS = 100_000;
/** The same values as in the jobs, whose module runs in a thread. */
const SHORT_LIVED = 1;
/**
 * Slab units for up to 1200 records at a time, including stale ones, and the caches. Records that are leaked, or freed
 * to the wrong class, would need 25,000 and more.
 */
const MOST_UNITS = 8192;
/** Clients, control connections of each client, data ports that each control connection names. */
const MOST_CHURNED = THREADS * 4 * 2 * 3;

describe.each(
  ofThisProcess<{ reclaim: Reclaim; buckets: number; checked: boolean }>([
    { reclaim: 'lookup-and-sweep', buckets: 64, checked: false },
    { reclaim: 'lookup-and-sweep', buckets: 1, checked: true },
    { reclaim: 'lookup-and-sweep', buckets: 16, checked: true },
    { reclaim: 'sweep', buckets: 16, checked: true },
  ]),
)('four threads with control connections ($reclaim, $buckets buckets, checked: $checked)', (setting) => {
  const { reclaim, buckets, checked } = setting;
  const crew = new Crew<FtpJobs>({ jobs: 'ftp-jobs', threads: THREADS, checked });
  let ct: Conntrack;

  afterAll(() => crew.end());
  beforeEach(() => crew.end());

  async function setUp(ports: number): Promise<void> {
    ct = new Conntrack({ buckets, reclaim, maxConnections: 2000, maxParticipants: THREADS + 2 });
    ct.setTimeoutPolicy(SHORT_LIVED, { tcp_established: 60 });
    await crew.run('setUp', {
      memory: ct.memory,
      barrier: allocateWords(BARRIER_WORDS),
      claims: allocateWords(ports),
      parties: THREADS,
      minPort: 5000,
      maxPort: 5000 + ports - 1,
    });
  }

  it.each([1, 100, 128])('use a range of %i ports up to the last, and none twice', async (ports) => {
    await setUp(ports);
    const flows = 128;
    /* Leaked records would exceed MOST_UNITS after this many. */
    const count = checked ? rounds(3, 5) : rounds(60, 150);
    const sweeps = reclaim === 'sweep';
    const got = await crew.run('fillAndExpire', { rounds: count, flows, roundMs: ROUND_MS, sweeps });
    for (let round = 0; round < count; round++) {
      expect(got.reduce((sum, ofThread) => sum + ofThread[round]!, 0)).toBe(ports);
    }
    /* Each control connection that got a port has named one data connection, and that was created. */
    const counters = ct.counters();
    expect(counters).toMatchObject({
      created: count * ports * 2,
      natExhausted: count * (THREADS * flows - ports),
      expectationsAdded: count * ports,
      expectationsRefused: 0,
      insertFailed: 0,
      tableFull: 0,
    });
    /* Two units a record, some caches of each thread, but not more with every round. */
    expect(ct.tracker.slab.unitsTaken).toBeLessThan(MOST_UNITS);
    const nowMs = count * ROUND_MS;
    expectAccountingHolds(ct, nowMs);
    const controls = dumpAll(ct, nowMs).filter(({ parent }) => parent === undefined);
    const parents = dumpAll(ct, nowMs).flatMap(({ parent }) => (parent === undefined ? [] : [JSON.stringify(parent)]));
    expect(controls).toHaveLength(ports);
    expect(parents.toSorted()).toEqual(controls.map(({ orig }) => JSON.stringify(orig)).toSorted());
    expect(
      ct
        .dumpExpectations()
        .map(({ parent }) => JSON.stringify(parent))
        .toSorted(),
    ).toEqual(parents.toSorted());
    ct.flush();
    expect(ct.connCount).toBe(0);
    expect(ct.tracker.alg.expectations.used).toBe(0);
    expectAccountingHolds(ct, nowMs);
  });

  it.runIf(checked)('take an expectation back whose control connection is removed meanwhile', async () => {
    await setUp(1);
    expect(await crew.runOn(0, 'removeWhileAnnouncing', null)).toEqual({ used: 0, removed: true });
    expect(dumpAll(ct, 0)).toEqual([]);
    expectAccountingHolds(ct, 0);
  });

  it('leave no expectation of a control connection that was removed', async () => {
    await setUp(1);
    for (let round = 0; round < rounds(2, 5); round++) {
      await crew.run('churn', { steps: checked ? rounds(800, 1500) : rounds(4000, 8000) });
      if (reclaim === 'sweep') {
        ct.sweep(0);
      }
      const { expectations } = ct.tracker.alg;
      const live = new Set(dumpAll(ct, 0).map(({ orig }) => JSON.stringify(orig)));
      const expected = ct.dumpExpectations();
      expect(expected.filter(({ parent }) => !live.has(JSON.stringify(parent)))).toEqual([]);
      expect(expectations.used).toBe(expected.length);
      /* Not of an earlier connection with the same tuple either. */
      expectations.visit(ct.tracker.participant, (entry) => {
        const life = ct.tracker.words[(entry[EntryWord.PARENT_RECORD]! << UNIT_SHIFT) + ConnWord.LIFE]!;
        expect(life >>> LIFE_GENERATION_SHIFT).toBe(entry[EntryWord.PARENT_GENERATION]);
        expect(life & LIFE_CLEANED).toBe(0);
      });
      expect(expectations.mostUsed).toBeLessThanOrEqual(MOST_CHURNED);
      expectAccountingHolds(ct, 0);
      ct.flush();
      expect(expectations.used).toBe(0);
      expect(ct.connCount).toBe(0);
    }
    const { expectationsAdded, flushed, killed, insertFailed } = ct.counters();
    expect(expectationsAdded).toBeGreaterThan(MOST_CHURNED);
    expect(Math.min(flushed, killed)).toBeGreaterThan(0);
    expect(insertFailed).toBe(0);
  });
});

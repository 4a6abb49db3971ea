/** Threads translate to one small range: no tuple is used twice, and none stays unused. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../../src/shared/sync/barrier.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { dumpAll } from '../../support/tracking.ts';
import { ofThisProcess } from '../../support/checked.ts';
import { rounds } from '../../support/rounds.ts';
import { Crew } from '../../threads/crew.ts';
import type { NatJobs } from '../../threads/nat-jobs.ts';

const THREADS = 4;
/** More than the timeout of a new connection. */
const ROUND_MS = 100_000;

describe.each(
  ofThisProcess<{ reclaim: Reclaim; buckets: number; checked: boolean }>([
    { reclaim: 'lookup-and-sweep', buckets: 64, checked: false },
    { reclaim: 'lookup-and-sweep', buckets: 1, checked: true },
    { reclaim: 'lookup-and-sweep', buckets: 16, checked: true },
    { reclaim: 'sweep', buckets: 16, checked: true },
  ]),
)('four threads and one range ($reclaim, $buckets buckets, checked: $checked)', ({ reclaim, buckets, checked }) => {
  const crew = new Crew<NatJobs>({ jobs: 'nat-jobs', threads: THREADS, checked });
  let ct: Conntrack;

  afterAll(() => crew.end());

  async function setUp(ports: number): Promise<void> {
    ct = new Conntrack({ buckets, reclaim, maxConnections: 50_000, maxParticipants: THREADS + 1 });
    await crew.run('setUp', {
      memory: ct.memory,
      barrier: allocateWords(BARRIER_WORDS),
      claims: allocateWords(ports),
      parties: THREADS,
      minPort: 5000,
      maxPort: 5000 + ports - 1,
    });
  }

  beforeEach(async () => {
    await crew.end();
  });

  it.each([1, 100, 128])('use a range of %i ports up to the last, and none twice', async (ports) => {
    await setUp(ports);
    const flows = 64;
    const count = checked ? rounds(4, 12) : rounds(60, 300);
    const got = await crew.run('fillAndExpire', { rounds: count, flows, roundMs: ROUND_MS });
    for (let round = 0; round < count; round++) {
      expect(got.reduce((sum, ofThread) => sum + ofThread[round]!, 0)).toBe(ports);
    }
    const { created, natExhausted } = ct.counters();
    expect(created).toBe(count * ports);
    expect(natExhausted).toBe(count * (THREADS * flows - ports));
    expectAccountingHolds(ct, count * ROUND_MS);
    expect(dumpAll(ct, count * ROUND_MS)).toHaveLength(ports);
    ct.flush();
    expect(ct.connCount).toBe(0);
    expectAccountingHolds(ct, count * ROUND_MS);
  });

  it('never share a tuple while connections come and go', async () => {
    await setUp(100);
    const results = await crew.run('openAndFlush', {
      steps: checked ? rounds(1000, 3000) : rounds(10_000, 40_000),
      most: 40,
    });
    const left = results.reduce((sum, result) => sum + result.left, 0);
    const opened = results.reduce((sum, result) => sum + result.opened, 0);
    expect(opened).toBeGreaterThan(left);
    expect(dumpAll(ct, 0)).toHaveLength(left);
    expect(ct.counters()).toMatchObject({ created: opened, flushed: opened - left });
    expectAccountingHolds(ct, 0);
  });
});

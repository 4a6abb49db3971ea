/** Several threads flood a full table with early drop. */

import { setImmediate } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim, TableFull } from '../../../src/core/memory/table-options.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { ofThisProcess } from '../../support/checked.ts';
import { Crew } from '../../threads/crew.ts';
import type { FloodJobs } from '../../threads/flood-jobs.ts';

const THREADS = 4;
const ESTABLISHED = 25;
const LIMIT = 300;
const NOW_MS = 1_000_000;

describe.each(
  ofThisProcess<{ reclaim: Reclaim; buckets: number; checked: boolean }>([
    { reclaim: 'lookup-and-sweep', buckets: 1, checked: true },
    { reclaim: 'lookup-and-sweep', buckets: 64, checked: false },
    { reclaim: 'sweep', buckets: 64, checked: true },
  ]),
)('a full table under floods from all threads ($reclaim, $buckets buckets)', ({ reclaim, buckets, checked }) => {
  const crew = new Crew<FloodJobs>({ jobs: 'flood-jobs', threads: THREADS, checked });

  afterAll(() => crew.end());

  it.each<TableFull>(['early-drop', 'refuse'])(
    'keeps replied connections, its limit and its accounting (%s)',
    async (tableFull) => {
      const ct = new Conntrack({ reclaim, buckets, maxConnections: LIMIT, maxParticipants: THREADS + 1, tableFull });
      /* Never reached, but counted. The margin is for units that new connections hold while they look for a victim. */
      ct.setZoneLimit(0, LIMIT + THREADS);
      await crew.run('setUp', { memory: ct.memory });
      const plan = {
        gate: allocateWords(16),
        threads: THREADS,
        established: ESTABLISHED,
        rounds: checked ? 600 : 2000,
        tuples: 4096,
        nowMs: NOW_MS,
      };
      await crew.run('establish', plan);
      const flood = { isDone: false };
      const flooding = crew.run('flood', plan).finally(() => {
        flood.isDone = true;
      });
      while (!flood.isDone) {
        expect(ct.connCount).toBeLessThanOrEqual(LIMIT);
        await setImmediate();
      }
      expect(await flooding).toEqual([0, 0, 0, 0]);

      const endMs = NOW_MS + plan.rounds;
      const { created, evicted, tableFull: refused, packets } = ct.counters();
      expect(ct.connCount).toBe(LIMIT);
      expect(ct.zoneLimit(0).count).toBe(LIMIT);
      if (tableFull === 'early-drop') {
        expect(evicted).toBeGreaterThan(packets / 2);
        expect(created - evicted).toBe(LIMIT);
      } else {
        expect([created, evicted]).toEqual([LIMIT, 0]);
        expect(refused).toBeGreaterThan(packets / 2);
      }
      expectAccountingHolds(ct, endMs);
      ct.flush();
      expect([ct.connCount, ct.zoneLimit(0).count]).toEqual([0, 0]);
    },
  );
});

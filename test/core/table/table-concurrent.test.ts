import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { EngineName } from '../../../src/core/engines/engine.ts';
import { engineKind } from '../../../src/core/engines/registry.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { workerEntry } from '../../../src/workers/threads/entry.ts';
import { expectAllListed } from '../../support/expiration-lists.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { rounds } from '../../support/rounds.ts';
import { threadModule } from '../../threads/entry.ts';
import type { TableWorkerTask } from '../../threads/table-worker.ts';

const ENTRY = workerEntry('table-worker', threadModule('table-worker'));

/** Runs the roles on one table, each in its own checked thread, until all have ended. */
async function runRoles(ct: Conntrack, roles: TableWorkerTask['role'][], count: number): Promise<void> {
  const words = allocateWords(16);
  const pmds = roles.filter((role) => role === 'pmd').length;
  await Promise.all(
    roles.map((role, index) => {
      const task: TableWorkerTask = {
        role,
        seed: 77 + index,
        memory: ct.memory,
        rounds: count,
        tuples: 300,
        words,
        parties: roles.length,
        pmds,
      };
      const worker = new Worker(ENTRY.filename, {
        execArgv: ENTRY.execArgv,
        env: { ...process.env, CT_CHECKED: '1' },
        workerData: task,
      });
      return new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))));
      });
    }),
  );
}

describe.each<{ engine: EngineName; reclaim: Reclaim }>([
  { engine: 'ct-bucket', reclaim: 'lookup-and-sweep' },
  { engine: 'ct-bucket', reclaim: 'sweep' },
  { engine: 'baseline', reclaim: 'lookup-and-sweep' },
  { engine: 'baseline', reclaim: 'sweep' },
  { engine: 'ct-scale', reclaim: 'lookup-and-sweep' },
  { engine: 'ct-scale', reclaim: 'sweep' },
  { engine: 'wheel', reclaim: 'lookup-and-sweep' },
  { engine: 'wheel', reclaim: 'sweep' },
  { engine: 'zones', reclaim: 'lookup-and-sweep' },
  { engine: 'zones', reclaim: 'sweep' },
  { engine: 'shards', reclaim: 'lookup-and-sweep' },
])('one table of $engine under threads that insert, look up, sweep and flush ($reclaim)', ({ engine, reclaim }) => {
  it.each(engineKind(engine).hasBuckets ? [1, 64] : [1])(
    'keeps its accounting right with %i buckets',
    async (buckets) => {
      const ct = new Conntrack({ engine, buckets, reclaim, maxConnections: 20_000 });
      const count = reclaim === 'sweep' ? rounds(200, 400) : rounds(250, 800);
      await runRoles(ct, ['pmd', 'pmd', 'sweep', 'flush'], count);
      const { created, killed, flushed, packets } = ct.counters();
      expect(packets).toBe(count * 32 * 2);
      expect(created).toBeGreaterThan(1000);
      expect(killed).toBeGreaterThan(0);
      expect(flushed).toBeGreaterThan(0);
      const endMs = 1000 + count * 200;
      expectAccountingHolds(ct, endMs);
      expectAllListed(ct);
      /* No connection lives longer than the longest timeout of these packets. */
      ct.sweep(endMs + 60_000);
      expect(ct.connCount).toBe(0);
      expectAccountingHolds(ct, endMs + 60_000);
    },
  );

  it('fills a limit to the last connection and never exceeds it, with all threads at the limit', async () => {
    const ct = new Conntrack({ engine, buckets: 16, reclaim, maxConnections: 5000 });
    ct.maxConnections = 100;
    ct.setZoneLimit(0, 90);
    await runRoles(ct, ['pmd', 'pmd', 'pmd'], rounds(100, 400));
    const { zoneFull } = ct.counters();
    expect(zoneFull).toBeGreaterThan(0);
    expect(ct.connCount).toBeLessThanOrEqual(90);
    expect(ct.zoneLimit(0).count).toBe(ct.connCount);
    ct.flush();
    expect(ct.connCount).toBe(0);
    expect(ct.zoneLimit(0).count).toBe(0);
  });
});

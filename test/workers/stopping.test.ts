/** stop copes with dead and hanging workers. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareSocketPath } from '../../src/workers/control/socket-path.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { expectAccountingHolds } from '../support/accounting.ts';
import { udp } from '../support/frames.ts';
import { heldLocks } from '../support/locks.ts';
import { answerOn, request } from '../support/running.ts';
import { flow, hold, start } from '../support/watched-datapaths.ts';

describe('stop', () => {
  it('does not wait for a hanging PMD, whose packets come back without a verdict', async () => {
    const { datapath, verdicts, deaths } = await start({ threads: 1 });
    const letGo = hold(datapath);
    for (let number = 1; number <= 100; number++) {
      await datapath.push(udp(flow(number)), { timeMs: 0, tag: number });
    }
    /* stop ends while the lock is still held. */
    await datapath.stop();
    letGo();
    expect(verdicts.size).toBe(100);
    expect(new Set(verdicts.values())).toEqual(new Set(['0']));
    expect(datapath.conntrack.counters().workerLost).toBe(100);
    expect(deaths).toMatchObject([{ role: 'pmd', isRestarted: false }]);
    expect(heldLocks(datapath.conntrack)).toEqual([]);
    expectAccountingHolds(datapath.conntrack, 0);
  });

  it('may be called twice at once, and does not end the control thread', async () => {
    const { datapath } = await start({ threads: 2 });
    const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-'));
    const path = await prepareSocketPath(join(folder, 'control.sock'));
    const control = await Control.start({ datapath, path });
    try {
      await Promise.all([datapath.stop(), datapath.stop()]);
      expect(datapath.workers()).toMatchObject([{ role: 'control', isUp: true }]);
      expect(await answerOn(await request(path, { command: 'ct-get-nconns', args: [] }))).toMatchObject({
        exitCode: 0,
      });
    } finally {
      await control.stop();
      rmSync(folder, { recursive: true });
    }
    expect(datapath.workers()).toEqual([]);
  });

  it('of the PMDs alone, twice at once, keeps the sweeper', async () => {
    const { datapath } = await start({ threads: 2 });
    const isPmd = ({ role }: { role: string }) => role === 'pmd';
    await Promise.all([datapath.group.end(isPmd), datapath.group.end(isPmd)]);
    expect(datapath.workers()).toMatchObject([{ role: 'sweeper' }]);
    await datapath.stop();
  });

  it('restarts a PMD that dies meanwhile, for the packets that are left', async () => {
    const { datapath, verdicts } = await start({ sweeper: false });
    for (let number = 0; number < 500; number++) {
      await datapath.push(udp(flow(number)), { timeMs: number, tag: number });
    }
    datapath.terminateWorker('pmd', 0);
    await datapath.stop();
    const lost = [...verdicts.values()].filter((state) => state === '0').length;
    expect(verdicts.size).toBe(500);
    expect(lost).toBeLessThanOrEqual(32);
    expect(datapath.conntrack.counters().workerLost).toBe(lost);
    expectAccountingHolds(datapath.conntrack, 499);
  });
});

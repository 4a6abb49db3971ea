/** The supervisor repairs after dead workers and restarts them. */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EventsWord } from '../../src/core/events/event-layout.ts';
import { load } from '../../src/shared/access.ts';
import { Claim, claimOf } from '../../src/shared/memory/participant-slots.ts';
import { prepareSocketPath } from '../../src/workers/control/socket-path.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import type { WorkerState } from '../../src/workers/supervision/group.ts';
import { workerLine, WorkerWord } from '../../src/workers/threads/status.ts';
import { deathLine } from '../../src/cli/tracking/worker-lines.ts';
import { expectAccountingHolds } from '../support/accounting.ts';
import { udp } from '../support/frames.ts';
import { heldLocks } from '../support/locks.ts';
import { answerOn, request } from '../support/running.ts';
import { until } from '../threads/steps.ts';
import { flow, lockFor, poison, start } from '../support/watched-datapaths.ts';

describe('a PMD that dies', () => {
  it('of a packet loses its batch, is restarted in the same slot, and tracks later packets', async () => {
    const { datapath, verdicts, deaths } = await start({ sweeper: false });
    const antidote = poison(datapath, udp(flow(1)));
    await datapath.push(udp(flow(0)), { timeMs: 0, tag: 0 });
    await datapath.drain();
    await datapath.push(udp(flow(1)), { timeMs: 1, tag: 1 });
    await datapath.drain();
    expect(verdicts.get(1)).toBe('0');
    antidote();
    await datapath.push(udp(flow(2)), { timeMs: 2, tag: 2 });
    await datapath.drain();
    expect(verdicts.get(0)).toBe('new|trk');
    expect(verdicts.get(2)).toBe('new|trk');
    expect(deaths).toMatchObject([
      { role: 'pmd', index: 0, packetsLost: 1, isRestarted: true, repaired: { isComplete: true } },
    ]);
    expect(deaths[0]!.error).toBeInstanceOf(Error);
    expect(deathLine(deaths[0]!)).toMatch(/^PMD 0 has died \(.+\): repaired in \d+\.\d ms, 1 packet lost, restarted$/);
    expect(datapath.workers()).toMatchObject([{ participant: deaths[0]!.participant, restarts: 1, isUp: true }]);
    expect(datapath.conntrack.counters()).toMatchObject({ workerRestarts: 1, workerLost: 1 });
    expectAccountingHolds(datapath.conntrack, 2);
    await datapath.stop();
  });

  it('with a lock held has it released at once for other PMDs', async () => {
    const { datapath, deaths } = await start({ threads: 2, sweeper: false });
    const { table } = datapath.conntrack.tracker;
    /* As if it had died while it held the lock of the bucket. */
    lockFor(datapath, datapath.workers()[0]!.participant);
    expect(heldLocks(datapath.conntrack)).toHaveLength(1);
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await datapath.push(udp(flow(2)), { timeMs: 0, tag: 2 });
    await datapath.push(udp(flow(3)), { timeMs: 0, tag: 3 });
    datapath.terminateWorker('pmd', 0);
    await datapath.drain();
    expect(deaths).toMatchObject([{ repaired: { locksReleased: 1 } }]);
    expect(heldLocks(datapath.conntrack)).toEqual([]);
    expect(table.entriesIn(0)).toBeLessThanOrEqual(3);
    await datapath.stop();
  });

  it('with a lock held blocks the main thread, which has to repair, only for the lock timeout', async () => {
    const { datapath, deaths } = await start({ sweeper: false });
    const { conntrack } = datapath;
    const pmd = datapath.workers()[0]!.participant;
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await datapath.drain();
    expect(conntrack.lockTimeoutMs).toBe(2000);
    conntrack.lockTimeoutMs = 50;
    lockFor(datapath, pmd);
    expect(() => conntrack.flush()).toThrow(
      new RegExp(`^the bucket lock at word \\d+ has been held for 0.05 s, now by participant ${pmd}\\. `),
    );
    datapath.terminateWorker('pmd', 0);
    await until('the repair is done', () => deaths.length === 1);
    /* The call that timed out had begun a flush; this one finishes it. */
    conntrack.flush();
    expect(conntrack.connCount).toBe(0);
    expectAccountingHolds(conntrack, 0);
    await datapath.stop();
  });

  it('twice, the second time before its replacement is up, is restarted once more', async () => {
    const { datapath, verdicts, deaths } = await start({ sweeper: false });
    datapath.terminateWorker('pmd', 0);
    await until('the first death is noticed', () => deaths.length === 1);
    datapath.terminateWorker('pmd', 0);
    await until('the second death is noticed', () => deaths.length === 2);
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await datapath.drain();
    expect(verdicts.get(1)).toBe('new|trk');
    await datapath.stop();
  });

  it('keeps its participant slot reserved for its replacement', async () => {
    const { datapath, deaths } = await start({ sweeper: false });
    const { conntrack } = datapath;
    const [{ participant }] = datapath.workers() as [WorkerState];
    const claims: number[] = [];
    const repair = conntrack.repair.bind(conntrack);
    vi.spyOn(conntrack, 'repair').mockImplementation((...call) => {
      const report = repair(...call);
      claims.push(claimOf(conntrack.tracker.participants, participant));
      return report;
    });
    datapath.terminateWorker('pmd', 0);
    await until('it has died', () => deaths.length === 1);
    expect(claims).toEqual([Claim.reserved]);
    await datapath.stop();
  });

  it('more often in a row than allowed, without progress, makes the datapath fail', async () => {
    const { datapath, deaths } = await start({ sweeper: false, restarts: 2 });
    poison(datapath, udp(flow(1)));
    const message = /^a worker of the datapath has died: PMD 0 has died 3 times in a row without progress: /;
    for (let death = 1; death <= 3; death++) {
      await datapath.push(udp(flow(1)), { timeMs: 0, tag: death });
      await until('it has died', () => deaths.length === death);
    }
    expect(() => datapath.push(udp(flow(1)), { timeMs: 0, tag: 4 })).toThrow(message);
    await expect(datapath.stop()).rejects.toThrow(message);
    expect(deaths.map(({ isRestarted }) => isRestarted)).toEqual([true, true, false]);
  });

  it('repeatedly, but makes progress in between, is restarted each time', async () => {
    const { datapath, deaths, verdicts } = await start({ sweeper: false, restarts: 1 });
    poison(datapath, udp(flow(1)));
    for (let round = 0; round < 4; round++) {
      await datapath.push(udp(flow(1)), { timeMs: 0, tag: 2 * round });
      await datapath.drain();
      await datapath.push(udp(flow(2)), { timeMs: 0, tag: 2 * round + 1 });
      await datapath.drain();
      expect(verdicts.get(2 * round + 1)).toContain('trk');
    }
    expect(deaths).toHaveLength(4);
    await datapath.stop();
  });
});

describe('a worker that cannot be started', () => {
  /* Only workers of a checked process preload CT_WORKER_IMPORT. */
  const environment = { CT_CHECKED: '1', CT_WORKER_IMPORT: 'file:///there/is/no/such/module.mjs' };

  it('makes the start fail at once, with the reason', async () => {
    for (const [name, value] of Object.entries(environment)) {
      vi.stubEnv(name, value);
    }
    try {
      const starting = Datapath.start({ maxConnections: 1000, sweeper: false });
      await expect(starting).rejects.toThrow(
        /^a worker of the datapath has died: PMD 0 did not start: Cannot find module '\/there\/is\/no\/such/,
      );
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('a thread that still runs', () => {
  it('keeps its slot: the supervisor neither repairs nor restarts there', async () => {
    const { datapath, deaths } = await start({ sweeper: false });
    /* As if the thread ran on although its exit was reported. */
    const up = workerLine(1, 0) + WorkerWord.UP;
    datapath.on('workerDeath', () => Atomics.store(datapath.share.status, up, 1));
    datapath.terminateWorker('pmd', 0);
    await until('it is noticed', () => deaths.length === 1);
    await expect(datapath.stop()).rejects.toThrow(/the thread of participant \d+ still runs: its slot is not free$/);
  });
});

describe('a sweeper that dies', () => {
  it('is restarted and goes on sweeping', async () => {
    const { datapath, deaths } = await start({});
    datapath.conntrack.sweepIntervalMs = 1;
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await datapath.drain();
    datapath.terminateWorker('sweeper');
    await until('its death is noticed', () => deaths.length === 1);
    await datapath.push(udp(flow(2)), { timeMs: 100_000, tag: 2 });
    await datapath.drain();
    await until('the expired connection is gone', () => datapath.conntrack.connCount === 1);
    expect(deaths).toMatchObject([{ role: 'sweeper', packetsLost: 0, reason: 'terminateWorker was called' }]);
    await datapath.stop();
  });
});

describe('a control thread that dies', () => {
  it('is restarted, and answers on the same socket', async () => {
    const { datapath, deaths } = await start({ sweeper: false });
    const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-'));
    const path = await prepareSocketPath(join(folder, 'control.sock'));
    const control = await Control.start({ datapath, path });
    const ask = async () => answerOn(await request(path, { command: 'ct-get-nconns', args: [] }));
    try {
      expect(await ask()).toMatchObject({ exitCode: 0 });
      /* The dead thread was the reader of events: its replacement takes that over. */
      const listener = await request(path, { command: 'events', args: [] });
      listener.on('error', () => {});
      const { events } = datapath.conntrack.memory;
      await until('it reads events', () => load(events, EventsWord.READER) !== 0);
      datapath.terminateWorker('control');
      await until('it is back', () => deaths.length === 1 && datapath.workers().every(({ isUp }) => isUp));
      listener.destroy();
      expect(deaths).toMatchObject([{ role: 'control', isRestarted: true, repaired: { wasEventReader: true } }]);
      expect(await ask()).toMatchObject({ exitCode: 0 });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const counters = await answerOn(await request(path, { command: 'counters', args: [] }));
      expect(counters.text).toMatch(/^workerRestarts +1 /m);
    } finally {
      await control.stop();
      await datapath.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

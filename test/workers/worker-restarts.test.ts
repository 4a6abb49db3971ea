/** The supervisor restarts dead workers and reports hanging ones; stop copes with both. */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { BucketWord } from '../../src/core/table/bucket-layout.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { ParsedKind } from '../../src/core/packet/key.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import { UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { EventsWord } from '../../src/core/events/event-layout.ts';
import { load } from '../../src/shared/access.ts';
import { lockTagOf } from '../../src/shared/sync/mutex.ts';
import { Claim, claimOf } from '../../src/shared/memory/participant-slots.ts';
import { prepareSocketPath } from '../../src/workers/control/socket-path.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import type { WorkerState } from '../../src/workers/supervision/group.ts';
import type { WorkerHang } from '../../src/workers/supervision/watchdog.ts';
import { workerLine, WorkerWord } from '../../src/workers/threads/status.ts';
import { waitsForAnother } from '../../src/workers/supervision/lock-waits.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import { deathLine, hangLine } from '../../src/cli/worker-lines.ts';
import { expectAccountingHolds } from '../support/accounting.ts';
import { type PortEnds, udp } from '../support/frames.ts';
import { heldLocks } from '../support/locks.ts';
import { answerOn, request } from '../support/running.ts';
import { until } from '../threads/steps.ts';

function flow(i: number): PortEnds {
  return { src: `10.${i & 255}.0.1`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
}

interface Watched {
  datapath: Datapath;
  verdicts: Map<number, string>;
  deaths: WorkerDeath[];
  hangs: WorkerHang[];
}

const started: Datapath[] = [];

afterEach(async () => {
  for (const datapath of started.splice(0)) {
    await datapath.stop().catch(() => {});
  }
});

async function start(options: DatapathOptions): Promise<Watched> {
  const datapath = await Datapath.start({ buckets: 1, maxConnections: 100_000, ringBytes: 1 << 20, ...options });
  started.push(datapath);
  const watched: Watched = { datapath, verdicts: new Map(), deaths: [], hangs: [] };
  datapath.on('verdict', ({ tag, stateText }) => {
    const number = tag as number;
    expect(watched.verdicts.has(number)).toBe(false);
    watched.verdicts.set(number, stateText);
  });
  datapath.on('workerDeath', (death) => watched.deaths.push(death));
  datapath.on('workerHang', (hang) => watched.hangs.push(hang));
  return watched;
}

/** Locks the only bucket. @returns a function that unlocks it */
function hold(datapath: Datapath): () => void {
  const { table, participant } = datapath.conntrack.tracker;
  table.lockBucket(0, participant);
  return () => table.unlockBucket(0);
}

/** Writes a participant's lock tag into the lock of the only bucket, as if the participant held it. */
function lockFor({ conntrack }: Datapath, participant: number): void {
  const bucketLock = memoryLayout(conntrack.memory).buckets + BucketWord.LOCK;
  conntrack.tracker.words[bucketLock] = lockTagOf(participant);
}

/** @returns a function that offers a packet of a new flow to a PMD, and returns the packet's number */
function offering(datapath: Datapath): (pmd: number) => number {
  const steering = new FlowSteering();
  let next = 0;
  return (pmd) => {
    let frame = udp(flow(next));
    while (steering.workerOf(frame, datapath.threads) !== pmd) {
      frame = udp(flow(++next));
    }
    expect(datapath.offer(frame, { timeMs: 0, tag: next })).toBe(true);
    return next++;
  };
}

function hashOf(datapath: Datapath, frame: Uint8Array): number {
  const { tracker } = datapath.conntrack;
  const batch = PacketBatch.allocate();
  batch.add(frame, { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
  expect(parsePacket(batch.words, batch.slots[0]!, tracker.scratch.parsed, 0, 0)).toBe(ParsedKind.KEYED);
  return hashParsed(tracker.keys, tracker.scratch.parsed, 0);
}

/** Puts a broken entry into the table: a worker that reads it dies. @returns a function that removes the entry */
function poison(datapath: Datapath, frame: Uint8Array): () => void {
  const { table, participant, words } = datapath.conntrack.tracker;
  const hash = hashOf(datapath, frame);
  const outOfReach = (words.length >>> UNIT_SHIFT) + 1000;
  table.lockBucket(0, participant);
  table.placeLocked(0, hash, outOfReach, participant);
  table.unlockBucket(0);
  return () => {
    table.lockBucket(0, participant);
    table.unlinkLocked(0, hash, outOfReach);
    table.unlockBucket(0);
  };
}

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

describe('a repair that waits for a lock that another worker holds', () => {
  /** Keeps every repair incomplete until `letGo` is called. */
  function holdRepairs({ conntrack }: Datapath) {
    const repair = conntrack.repair.bind(conntrack);
    let isHeld = true;
    const attempts = vi.spyOn(conntrack, 'repair').mockImplementation((participant, options) => {
      /* The repair of a free slot returns a complete report. */
      return isHeld
        ? { ...repair(conntrack.memory.maxParticipants - 1), isComplete: false }
        : repair(participant, options);
    });
    return { attempts, letGo: () => (isHeld = false) };
  }

  it('is tried again at growing intervals, and reported', async () => {
    const { datapath, deaths, hangs, verdicts } = await start({ sweeper: false, hangAfterMs: 2000, hung: 'terminate' });
    const { attempts, letGo } = holdRepairs(datapath);
    datapath.terminateWorker('pmd', 0);
    await until('the first attempt is made', () => attempts.mock.calls.length > 0);
    const firstMs = performance.now();
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await until('it is reported', () => hangs.length > 0);
    expect(attempts.mock.calls.length).toBeLessThan(10 + (performance.now() - firstMs) / 40);
    expect(deaths).toEqual([]);
    letGo();
    await datapath.drain();
    await until('it is reported again', () => hangs.length === 2);
    expect(verdicts.get(1)).toBe('new|trk');
    expect(deaths).toMatchObject([{ reason: 'terminateWorker was called', isRestarted: true }]);
    expect(hangs).toMatchObject([
      { stuck: 'repair', isStuck: true },
      { stuck: 'repair', isStuck: false },
    ]);
    expect(hangs.map(hangLine)).toEqual([
      expect.stringMatching(
        /^PMD 0 is dead, and its repair has waited \d+\.\d s for a lock that another thread holds$/,
      ),
      expect.stringMatching(/^PMD 0 is repaired, after \d+\.\d s$/),
    ]);
    await datapath.stop();
  });

  it('is abandoned when the datapath is stopped', async () => {
    const { datapath, deaths } = await start({ sweeper: false });
    const { attempts } = holdRepairs(datapath);
    datapath.terminateWorker('pmd', 0);
    await until('the first attempt is made', () => attempts.mock.calls.length > 0);
    await expect(datapath.stop()).rejects.toThrow(
      /: the repair of PMD 0 failed: another thread holds a lock that the repair needs$/,
    );
    const made = attempts.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(attempts.mock.calls).toHaveLength(made);
    expect(deaths).toEqual([]);
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

describe('a worker that hangs', () => {
  it('is reported once, and once more when it makes progress again', async () => {
    const { datapath, hangs, verdicts } = await start({ hangAfterMs: 1000 });
    const letGo = hold(datapath);
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await until('it is reported', () => hangs.some(({ role }) => role === 'pmd'));
    expect(hangs.filter(({ role }) => role === 'pmd')).toMatchObject([{ index: 0, isStuck: true }]);
    expect(hangLine(hangs[0]!)).toMatch(/^PMD 0 hangs: it has work, and made no progress for \d+\.\d s$/);
    expect(hangs[0]!.stuckMs).toBeGreaterThanOrEqual(1000);
    letGo();
    await until('it is reported again', () => hangs.some(({ isStuck }) => !isStuck));
    await datapath.drain();
    expect(verdicts.get(1)).toBe('new|trk');
    expect(hangs.map(({ role, isStuck }) => `${role} ${isStuck}`)).toEqual(['pmd true', 'pmd false']);
    expect(datapath.conntrack.counters().workerRestarts).toBe(0);
    await datapath.stop();
  });

  it('is not reported if it only has no work', async () => {
    const { datapath, hangs } = await start({ hangAfterMs: 1000 });
    datapath.conntrack.sweepIntervalMs = 1_000_000;
    const { sweepRounds } = datapath.conntrack.counters();
    /* Longer than hangAfterMs. */
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(datapath.conntrack.counters().sweepRounds).toBeLessThanOrEqual(sweepRounds + 2);
    expect(hangs).toEqual([]);
    await datapath.stop();
  });

  it('is terminated and restarted with hung: terminate', async () => {
    const { datapath, hangs, deaths, verdicts } = await start({ hangAfterMs: 1000, hung: 'terminate', sweeper: false });
    /* The PMD waits for a lock that it seems to hold itself, for ever. */
    lockFor(datapath, datapath.workers()[0]!.participant);
    await datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    await until('it is dead', () => deaths.length === 1);
    expect(hangs[0]).toMatchObject({ role: 'pmd', stuck: 'work', isStuck: true });
    expect(deaths).toMatchObject([{ reason: expect.stringMatching(/^it hung for \d+ ms$/), packetsLost: 1 }]);
    await datapath.push(udp(flow(2)), { timeMs: 0, tag: 2 });
    await datapath.drain();
    expect(verdicts.get(2)).toBe('new|trk');
    await datapath.stop();
  });

  it('is terminated alone; workers that wait for its lock then go on', async () => {
    const { datapath, hangs, deaths, verdicts } = await start({
      threads: 3,
      hangAfterMs: 1500,
      hung: 'terminate',
      sweeper: false,
    });
    const offerTo = offering(datapath);
    const letGo = hold(datapath);
    const numbersBefore = [offerTo(1), offerTo(2)];
    await until('two are reported', () => new Set(hangs.map(({ index }) => index)).size === 2);
    /* The watchdog looks a few more times meanwhile. */
    await new Promise((resolve) => setTimeout(resolve, 1000));
    letGo();
    await datapath.drain();
    expect(deaths).toEqual([]);
    expect(numbersBefore.map((number) => verdicts.get(number))).toEqual(['new|trk', 'new|trk']);
    const [hanging, ...others] = datapath.workers().map(({ participant }) => participant);
    lockFor(datapath, hanging!);
    const numbers = [offerTo(1), offerTo(2)];
    await until('both wait', () => others.every((id) => waitsForAnother(datapath.conntrack.tracker, id)));
    numbers.push(offerTo(0));
    await datapath.drain();
    expect(deaths.map(({ index }) => index)).toEqual([0]);
    expect(numbers.map((number) => verdicts.get(number))).toEqual(['new|trk', 'new|trk', '0']);
    await datapath.stop();
  });

  it.each([
    ['hangAfterMs', { hangAfterMs: 99 }],
    ['restarts', { restarts: -1 }],
    ['hung', { hung: 'kill' as 'report' }],
  ])('is not watched with a wrong %s: the start fails with a clear error', async (name, options) => {
    await expect(Datapath.start(options)).rejects.toThrow(new RegExp(`^${name} must be `));
  });
});

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

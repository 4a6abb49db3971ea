/** The supervisor reports workers that hang and repairs that wait, and terminates hanging workers if told to. */

import { describe, expect, it, vi } from 'vitest';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { waitsForAnother } from '../../src/workers/supervision/lock-waits.ts';
import { hangLine } from '../../src/cli/tracking/worker-lines.ts';
import { udp } from '../support/frames.ts';
import { until } from '../threads/steps.ts';
import { flow, hold, lockFor, offering, start } from '../support/watched-datapaths.ts';

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

/** Waiting for a quiet machine, and both looks at it. The clock and the readings are those of the test. */

import { describe, expect, it } from 'vitest';
import { MachineWatch, watched, type WatchTools } from '../../../bench/machine/watch.ts';
import type { ProbeReading } from '../../../bench/machine/probe.ts';
import { machineWith, QUIET, SLOW_MEMORY } from '../../support/probe-readings.ts';

const BUSY: ProbeReading = { ...QUIET, runnableOthers: 2 };

/** @param readings one after the other; the last one stays */
function tools(readings: ProbeReading[]) {
  const lines: string[] = [];
  const sleeps: number[] = [];
  let now = 5000;
  let looks = 0;
  const given: WatchTools = {
    probe: () => readings[Math.min(looks++, readings.length - 1)]!,
    nowMs: () => now,
    sleep: async (ms) => {
      sleeps.push(ms);
      now += ms;
    },
    tell: (line) => lines.push(line),
    cores: 2,
    startLoad: 0.2,
    ticks: () => ({ total: 1000 + now, steal: now / 10 }),
  };
  return { given, lines, sleeps, looks: () => looks, pass: (ms: number) => void (now += ms) };
}

describe('a measurement with --wait-quiet', () => {
  it('begins at once, and silently, on a quiet machine', async () => {
    const { given, lines, sleeps, looks } = tools([QUIET]);
    const watch = await MachineWatch.begin({ waitQuiet: 300_000 }, given);
    expect({ lines, sleeps, looks: looks() }).toEqual({ lines: [], sleeps: [], looks: 1 });
    expect(watch.doubts).toEqual([]);
  });

  it('waits until a look finds it quiet, says once what it waits for, and records the wait', async () => {
    const { given, lines, sleeps } = tools([BUSY, SLOW_MEMORY, QUIET]);
    const watch = await MachineWatch.begin({ waitQuiet: 300_000 }, given);
    expect(sleeps).toEqual([3000, 3000]);
    expect(lines).toEqual(['waiting up to 5 min for a quiet machine: 2 other threads were running on 2 cores']);
    expect(watch.before).toBe(QUIET);
    expect(watch.end(machineWith()).probe).toMatchObject({ before: QUIET, after: QUIET, waitedS: 6 });
  });

  it('goes on after the time, and says that the machine was not quiet', async () => {
    const { given, lines, sleeps } = tools([BUSY]);
    const watch = await MachineWatch.begin({ waitQuiet: 7000 }, given);
    expect(sleeps).toEqual([3000, 3000, 1000]);
    expect(lines).toEqual([
      'waiting up to 7 s for a quiet machine: 2 other threads were running on 2 cores',
      'the machine was not quiet for 7 s, measuring all the same: 2 other threads were running on 2 cores',
    ]);
    expect(watch.doubts).toHaveLength(1);
  });
});

describe('a measurement with --wait-quiet', () => {
  it('waits until the load of other work has faded', async () => {
    const { given, sleeps } = tools([
      { ...QUIET, loadAverage1m: 2.1 },
      { ...QUIET, loadAverage1m: 1.9 },
    ]);
    const { machine } = await watched({ waitQuiet: 60_000 }, async () => ({ machine: machineWith() }), given);
    expect(sleeps).toEqual([3000]);
    expect(machine).toMatchObject({ loadAverage1m: 1.9 });
  });

  it('ends its wait without a remark when a signal ends the command', async () => {
    const stop = new AbortController();
    const { given, lines } = tools([BUSY]);
    stop.abort();
    await MachineWatch.begin({ waitQuiet: 60_000 }, { ...given, signal: stop.signal });
    expect(lines).toHaveLength(1);
  });
});

describe('a measurement without --wait-quiet', () => {
  it('begins at once on a busy machine', async () => {
    const { given, lines, sleeps } = tools([BUSY]);
    const watch = await MachineWatch.begin({}, given);
    expect({ lines, sleeps }).toEqual({ lines: [], sleeps: [] });
    expect(watch.doubts).toEqual(['2 other threads were running on 2 cores']);
  });

  it('has a look before and after in its results, the steal time between them, and the doubts', async () => {
    const { given, looks, pass } = tools([QUIET, SLOW_MEMORY]);
    const results = await watched(
      {},
      async () => {
        expect(looks()).toBe(1);
        pass(1000);
        return { machine: machineWith(), figure: 7 };
      },
      given,
    );
    expect(looks()).toBe(2);
    expect(results).toMatchObject({
      figure: 7,
      machine: { cpu: 'Example CPU', probe: { before: QUIET, after: SLOW_MEMORY, stealPercent: 10 } },
    });
    expect(results.machine.doubts).toEqual([
      expect.stringContaining('memory is slow'),
      expect.stringContaining('caches are slow'),
      expect.stringContaining('changed meanwhile'),
      'the hypervisor gave 10 % of the time to other guests',
    ]);
  });

  it('judges the load from the start of the process, not that of its own builds', async () => {
    const { given } = tools([{ ...QUIET, loadAverage1m: 3 }, QUIET]);
    const { machine } = await watched({}, async () => ({ machine: machineWith() }), given);
    expect(machine).toMatchObject({ loadAverage1m: 0.2 });
    expect(machine.doubts).toBeUndefined();
    const loaded = await watched({}, async () => ({ machine: machineWith() }), { ...given, startLoad: 3 });
    expect(loaded.machine.doubts).toEqual(['the load was 3.0 on 2 cores when this began']);
  });
});

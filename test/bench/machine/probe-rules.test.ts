/** When figures cannot be trusted, and when two states of a machine differ, by readings of the probe. */

import { describe, expect, it } from 'vitest';
import type { ProbeReading } from '../../../bench/machine/probe.ts';
import { doubtsAbout, doubtsNow, stateDifferences, usualNs } from '../../../bench/machine/probe-rules.ts';
import { BARE, machineWith, QUIET, SLOW_MEMORY } from '../../support/probe-readings.ts';

const doubts = (before: ProbeReading, after?: ProbeReading) => doubtsAbout(machineWith(before, after));

describe('usual latencies', () => {
  it('of caches are cycles of the clock that the probe measured', () => {
    expect(usualNs('8M', QUIET)).toBeCloseTo(16.2);
    expect(usualNs('8M', { ...QUIET, arithmeticNs: 2.16 })).toBeCloseTo(32.4);
    expect(usualNs('1M', { ...QUIET, cacheBytes: { l2: 2 ** 21 } })).toBeCloseTo(4.32);
  });

  it('of a cache are unknown if the system does not tell its size, or if it is too small', () => {
    expect(usualNs('8M', BARE)).toBeUndefined();
    expect(usualNs('8M', { ...QUIET, cacheBytes: { l2: 2 ** 20, l3: 2 ** 23 } })).toBeUndefined();
    expect(doubtsNow({ ...BARE, loadNs: { '1M': 50, '8M': 80, '64M': 95 } }, 2)).toEqual([]);
  });

  it('of memory depend on the clock only within bounds', () => {
    expect(usualNs('64M', { ...QUIET, arithmeticNs: 0.8 })).toBe(80);
    expect(usualNs('64M', { ...QUIET, arithmeticNs: 1.6 })).toBeCloseTo(120);
    expect(usualNs('64M', { ...QUIET, arithmeticNs: 4 })).toBe(160);
  });
});

describe('figures', () => {
  it('of a quiet machine are trusted, also without most readings', () => {
    expect(doubts(QUIET)).toEqual([]);
    expect(doubts(BARE)).toEqual([]);
    expect(doubtsAbout(machineWith())).toEqual([]);
  });

  it('are not trusted if memory or a cache is slow, before or after', () => {
    const slow = [
      'memory is slow (262 ns from 64 MB, usual: 81 ns)',
      'caches are slow (205 ns from 8 MB, usual: 16.2 ns)',
    ];
    expect(doubts(SLOW_MEMORY)).toEqual(slow);
    expect(doubts(QUIET, SLOW_MEMORY)).toEqual([...slow, 'latency from 64 MB changed meanwhile (90 ns, then 262 ns)']);
    expect(doubts({ ...QUIET, loadNs: { '64M': 161 } })).toEqual([]);
    expect(doubts({ ...QUIET, loadNs: { '64M': 163 } })).toHaveLength(1);
  });

  it('are not trusted if memory, a cache or the clock changed meanwhile', () => {
    const changed = (loadNs: ProbeReading['loadNs']) => doubts(QUIET, { ...QUIET, loadNs });
    expect(changed({ '8M': 16, '64M': 140 })).toEqual(['latency from 64 MB changed meanwhile (90 ns, then 140 ns)']);
    expect(changed({ '8M': 30, '64M': 100 })).toEqual(['latency from 8 MB changed meanwhile (16.0 ns, then 30 ns)']);
    expect(changed({ '8M': 20, '64M': 120 })).toEqual([]);
    expect(doubts(QUIET, { ...QUIET, arithmeticNs: 1.5 })).toEqual([
      'time of an arithmetic step changed meanwhile (1.1 ns, then 1.5 ns)',
    ]);
  });

  it('are not trusted if the hypervisor gave time to others, by the whole measurement rather than by a probe', () => {
    const steal = 'the hypervisor gave 12 % of the time to other guests';
    expect(doubtsNow({ ...QUIET, stealPercent: 12 }, 2)).toEqual([steal]);
    const machine = machineWith({ ...QUIET, stealPercent: 12 });
    expect(doubtsAbout(machine)).toEqual([]);
    expect(doubtsAbout({ ...machine, probe: { before: QUIET, after: QUIET, stealPercent: 12 } })).toEqual([steal]);
    expect(doubtsAbout({ ...machine, probe: { before: QUIET, after: QUIET, stealPercent: 4 } })).toEqual([]);
  });

  it('are not trusted if threads of others run, one of them for every four cores', () => {
    const busy = { ...QUIET, runnableOthers: 1, busiest: [{ name: 'tsc', cpuPercent: 98 }] };
    expect(doubtsNow(busy, 2)).toEqual(['1 other thread was running on 2 cores (tsc 98 %)']);
    expect(doubtsNow(busy, 64)).toEqual([]);
    expect(doubtsNow({ ...QUIET, runnableOthers: 16 }, 64)).toEqual(['16 other threads were running on 64 cores']);
  });

  it('are not trusted if the load was above the cores, also in a file without a probe', () => {
    const loaded = ['the load was 2.5 on 2 cores when this began'];
    expect(doubtsAbout({ ...machineWith(), loadAverage1m: 2.5 })).toEqual(loaded);
    expect(doubtsNow({ ...QUIET, loadAverage1m: 2.5 }, 2)).toEqual(loaded);
    expect(doubtsNow({ ...QUIET, loadAverage1m: 2 }, 2)).toEqual([]);
  });
});

describe('two states of a machine', () => {
  const quiet = machineWith(QUIET);
  const withMemory = (ns: number) => machineWith({ ...QUIET, loadNs: { ...QUIET.loadNs, '64M': ns } });

  it('are alike if both were quiet and memory was about as fast', () => {
    expect(stateDifferences(quiet, withMemory(130))).toEqual([]);
  });

  it('differ if memory differs by more than 1.5 times, though no single reading is suspect', () => {
    expect(stateDifferences(quiet, withMemory(140))).toEqual(['latency from 64 MB: 90 ns in A, 140 ns in B']);
    expect(stateDifferences(withMemory(140), quiet)).toEqual(['latency from 64 MB: 140 ns in A, 90 ns in B']);
  });

  it('differ if the machine was not quiet for one of them', () => {
    const busy = machineWith({ ...QUIET, runnableOthers: 1 });
    expect(stateDifferences(quiet, busy)).toEqual(['B: 1 other thread was running on 2 cores']);
    expect(stateDifferences(busy, machineWith())).toEqual(['A: 1 other thread was running on 2 cores']);
  });

  it('are not said to differ if a file has no probe', () => {
    expect(stateDifferences(machineWith(), quiet)).toEqual([]);
  });
});

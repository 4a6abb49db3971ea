/** What the probe reads: the order of its loads, /proc and caches from texts, and once the machine of this test. */

import { describe, expect, it } from 'vitest';
import { parseCpuTicks, readCpuTicks, runningThreads, stealPercent } from '../../../bench/machine/cpu-ticks.ts';
import { busiestBetween, parseProcessTicks, readProcessTicks } from '../../../bench/machine/other-processes.ts';
import { readCacheBytes, takeProbe, writeCycle } from '../../../bench/machine/probe.ts';

const reading = (files: Record<string, string>) => (path: string) => files[path];

describe('the probe', () => {
  it.each([256, 16_384, 131_072])('walks through %d lines, each once, by strides that differ', (lines) => {
    const words = new Int32Array(lines * 16);
    writeCycle(words, lines);
    const seen = new Set<number>();
    const strides = new Set<number>();
    for (let at = 0; !seen.has(at); at = words[at]!) {
      seen.add(at);
      strides.add((words[at]! - at) & (lines * 16 - 1));
    }
    expect(seen.size).toBe(lines);
    /* A constant stride, or a few of them, would be prefetched. */
    expect(strides.size).toBeGreaterThanOrEqual(lines / 4);
  });

  it('gives positive figures of this machine within its time', () => {
    const { loadNs, atomicNs, arithmeticNs, tookMs } = takeProbe();
    const figures = [...Object.values(loadNs), atomicNs, arithmeticNs];
    expect(figures.length).toBeGreaterThanOrEqual(2);
    expect(figures.every((ns) => ns > 0 && Number.isFinite(ns))).toBe(true);
    /* The bound is a second. A test machine may stop for as long. */
    expect(tookMs).toBeLessThan(5000);
  });

  it('leaves out what the system does not report', () => {
    const figures = takeProbe(reading({}));
    expect(Object.keys(figures).toSorted()).toEqual(['arithmeticNs', 'atomicNs', 'loadAverage1m', 'loadNs', 'tookMs']);
  });
});

describe('/proc/stat', () => {
  const text = 'cpu  100 0 50 800 20 5 5 20 7 0\ncpu0 1 2 3\nprocs_running 4\nprocs_blocked 0\n';

  it('gives the time of all processors and its stolen part', () => {
    expect(parseCpuTicks(text)).toEqual({ total: 1000, steal: 20 });
    expect(stealPercent(undefined, parseCpuTicks(text))).toBe(2);
    expect(stealPercent({ total: 900, steal: 10 }, parseCpuTicks(text))).toBe(10);
    expect(parseCpuTicks('cpu 1 2 3')).toBeUndefined();
    expect(readCpuTicks(reading({}))).toBeUndefined();
  });

  it('gives the threads that run', () => {
    expect(runningThreads(reading({ '/proc/stat': text }))).toBe(4);
    expect(runningThreads(reading({}))).toBeUndefined();
  });
});

describe('other processes', () => {
  const stat = (user: number, system: number, name = 'a b) c') =>
    `7 (${name}) S 1 7 7 0 -1 4194304 100 0 0 0 ${user} ${system} 0 0 20 0 1 0 100`;

  it('are measured by their processor time, whatever their names contain', () => {
    expect(parseProcessTicks(stat(12, 3))).toBe(15);
    expect(parseProcessTicks('')).toBeUndefined();
  });

  it('are named by program, the busiest first, without this process and idle ones', () => {
    const files = (busy: number) =>
      reading({
        '/proc/7/stat': stat(busy, 0),
        '/proc/7/cmdline': '/usr/bin/node\0--flag\0main.js\0',
        '/proc/8/stat': stat(2 * busy, busy),
        '/proc/8/cmdline': '',
        '/proc/8/comm': 'kworker/0\n',
        '/proc/9/stat': stat(1, 0),
        [`/proc/${process.pid}/stat`]: stat(9 * busy, 0),
      });
    const ids = [7, 8, 9, process.pid];
    const before = readProcessTicks(files(10), ids);
    const after = readProcessTicks(files(20), ids);
    expect([...before.keys()]).toEqual([7, 8, 9]);
    expect(busiestBetween(before, after, 200, files(20))).toEqual([
      { name: 'kworker/0', cpuPercent: 150 },
      { name: 'node', cpuPercent: 50 },
    ]);
  });
});

describe('caches', () => {
  const cache = (index: number, level: number, type: string, size: string) => ({
    [`/sys/devices/system/cpu/cpu0/cache/index${index}/level`]: `${level}\n`,
    [`/sys/devices/system/cpu/cpu0/cache/index${index}/type`]: `${type}\n`,
    [`/sys/devices/system/cpu/cpu0/cache/index${index}/size`]: `${size}\n`,
  });

  it('are known by their level, if the system tells', () => {
    const files = {
      ...cache(0, 1, 'Data', '32K'),
      ...cache(2, 2, 'Unified', '1024K'),
      ...cache(3, 3, 'Unified', '32M'),
    };
    expect(readCacheBytes(reading(files))).toEqual({ l2: 2 ** 20, l3: 2 ** 25 });
    expect(readCacheBytes(reading({}))).toBeUndefined();
  });
});

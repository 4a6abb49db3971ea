/** What /proc/stat counts: the time of all processors, and threads that run now. */

import { readFileSync } from 'node:fs';
import type { ReadText } from '../../src/core/memory/machine-memory.ts';

export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** Time of all processors together since boot, in ticks of 10 ms. */
export interface CpuTicks {
  total: number;
  /** The hypervisor gave it to other guests. */
  steal: number;
}

export function readCpuTicks(read: ReadText = readText): CpuTicks | undefined {
  return parseCpuTicks(read('/proc/stat') ?? '');
}

/** The first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal. User includes guest time. */
export function parseCpuTicks(text: string): CpuTicks | undefined {
  const ticks = /^cpu +(.*)$/m.exec(text)?.[1]?.split(' ').map(Number).slice(0, 8);
  if (ticks === undefined || ticks.length < 8) {
    return undefined;
  }
  return { total: ticks.reduce((sum, tick) => sum + tick, 0), steal: ticks[7]! };
}

/** @returns steal time, percent of all time since an earlier reading (or boot). undefined if /proc/stat has none */
export function stealPercent(since?: CpuTicks, now: CpuTicks | undefined = readCpuTicks()): number | undefined {
  if (now === undefined) {
    return undefined;
  }
  const total = now.total - (since?.total ?? 0);
  return total > 0 ? ((now.steal - (since?.steal ?? 0)) / total) * 100 : 0;
}

/** Threads of the whole machine that run or could run, the caller's included. undefined if the system does not tell. */
export function runningThreads(read: ReadText = readText): number | undefined {
  const count = /^procs_running (\d+)$/m.exec(read('/proc/stat') ?? '')?.[1];
  return count === undefined ? undefined : Number(count);
}

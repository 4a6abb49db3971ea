/** Which other processes use the processors, by /proc/PID/stat (proc_pid_stat(5)). */

import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { ReadText } from '../../src/core/memory/machine-memory.ts';
import { readText } from './cpu-ticks.ts';

export interface BusyProcess {
  name: string;
  /** Time on processors, in percent of one. */
  cpuPercent: number;
}

/** Time on processors by process id, in ticks. */
export type ProcessTicks = ReadonlyMap<number, number>;

const TICK_MS = 10;
/** Reading more processes than this would take too long. */
const MOST_PROCESSES = 2000;
const MOST_NAMED = 3;
/** A process below this is not worth a name. */
const LEAST_PERCENT = 10;

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** User and system time of a process. Its name stands in parentheses, and may contain any character. */
export function parseProcessTicks(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return stat.includes(')') && Number.isFinite(ticks) ? ticks : undefined;
}

/** Reads all processes but this one. Empty if the system does not tell. */
export function readProcessTicks(read: ReadText = readText, ids: readonly number[] = processIds()): ProcessTicks {
  const ticks = new Map<number, number>();
  for (const id of ids.length > MOST_PROCESSES ? [] : ids) {
    const own = id === process.pid ? undefined : parseProcessTicks(read(`/proc/${id}/stat`) ?? '');
    if (own !== undefined) {
      ticks.set(id, own);
    }
  }
  return ticks;
}

/** The program's name, from its command line. A kernel thread has none, but the name of its thread. */
function nameOf(id: number, read: ReadText): string {
  const program = (read(`/proc/${id}/cmdline`) ?? '').split(/[\0 ]/)[0]!;
  return basename(program) || (read(`/proc/${id}/comm`) ?? '').trim() || `process ${id}`;
}

/** The processes that used most processor time between two readings, the busiest first. */
export function busiestBetween(
  before: ProcessTicks,
  after: ProcessTicks,
  elapsedMs: number,
  read: ReadText = readText,
): BusyProcess[] {
  return [...after]
    .map(([id, ticks]) => ({ id, cpuPercent: ((ticks - (before.get(id) ?? ticks)) * TICK_MS * 100) / elapsedMs }))
    .filter(({ cpuPercent }) => cpuPercent >= LEAST_PERCENT)
    .toSorted((a, b) => b.cpuPercent - a.cpuPercent)
    .slice(0, MOST_NAMED)
    .map(({ id, cpuPercent }) => ({ name: nameOf(id, read), cpuPercent: Math.round(cpuPercent) }));
}

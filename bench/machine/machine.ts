/** What a result was measured on. Results of different machines are not to be compared. */

import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { cpuQuota, usableCores } from '../../src/host/machine-limits.ts';

export interface MachineFingerprint {
  cpu: string;
  /** Threads that can run at once: the affinity, and no more than a cgroup's CPU quota has. */
  cores: number;
  /** Of the whole machine: its load is theirs. */
  machineCores?: number;
  /** Of a cgroup, in processors; absent without. */
  cpuQuota?: number;
  /** What is to be said of a load above the cores; absent without. */
  overload?: string;
  memoryBytes: number;
  kernel: string;
  node: string;
  v8: string;
  nodeOptions: string;
  /** Options of the process that measured. */
  flags: string[];
  loadAverage1m: number;
  /** Time that the hypervisor gave to others, % of all, since boot; absent where the system does not tell. */
  stealPercent?: number;
}

/** Before this process has done anything: later it would be its own load. */
const loadAtStart: number = loadavg()[0]!;

/** A load above the cores: other processes took time from what was measured. @returns the sentence that says so */
export function overloadText({
  loadAverage1m,
  machineCores,
  cores,
}: Pick<MachineFingerprint, 'loadAverage1m' | 'machineCores' | 'cores'>): string | undefined {
  const all = machineCores ?? cores;
  return loadAverage1m > all
    ? `OVERLOADED: the load was ${loadAverage1m.toFixed(1)} on ${all} cores when this began: these figures measure other processes too; nothing is fitted to them`
    : undefined;
}

export function machineFingerprint(): MachineFingerprint {
  const steal = stealPercent();
  const quota = cpuQuota();
  const machine: MachineFingerprint = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: usableCores(),
    machineCores: cpus().length,
    ...(quota === undefined ? {} : { cpuQuota: quota }),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    v8: process.versions.v8,
    nodeOptions: process.env['NODE_OPTIONS'] ?? '',
    flags: [...process.execArgv],
    loadAverage1m: loadAtStart,
    ...(steal === undefined ? {} : { stealPercent: steal }),
  };
  const overload = overloadText(machine);
  return overload === undefined ? machine : { ...machine, overload };
}

/** @returns steal time, % of all time since an earlier reading (or boot); undefined where /proc/stat does not tell */
export function stealPercent(since?: CpuTicks, now: CpuTicks | undefined = readCpuTicks()): number | undefined {
  if (now === undefined) {
    return undefined;
  }
  const total = now.total - (since?.total ?? 0);
  return total > 0 ? ((now.steal - (since?.steal ?? 0)) / total) * 100 : 0;
}

export interface CpuTicks {
  total: number;
  steal: number;
}

export function readCpuTicks(): CpuTicks | undefined {
  try {
    return parseCpuTicks(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return undefined;
  }
}

/** The first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal; guest time is in user. */
export function parseCpuTicks(text: string): CpuTicks | undefined {
  const ticks = /^cpu +(.*)$/m.exec(text)?.[1]?.split(' ').map(Number).slice(0, 8);
  if (ticks === undefined || ticks.length < 8) {
    return undefined;
  }
  return { total: ticks.reduce((sum, tick) => sum + tick, 0), steal: ticks[7]! };
}

/** Names of what makes two fingerprints different machines; empty for the same machine. */
export function machineDifferences(a: MachineFingerprint, b: MachineFingerprint): string[] {
  const differences: string[] = [];
  if (a.cpu !== b.cpu) {
    differences.push(`CPU (${a.cpu}; ${b.cpu})`);
  }
  if (a.cores !== b.cores) {
    differences.push(`cores (${a.cores}; ${b.cores})`);
  }
  /* A virtual machine's memory varies by some pages from boot to boot. */
  if (Math.abs(a.memoryBytes - b.memoryBytes) > 0.02 * Math.max(a.memoryBytes, b.memoryBytes)) {
    differences.push(`memory (${gib(a.memoryBytes)}; ${gib(b.memoryBytes)})`);
  }
  return differences;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** The fingerprint of the machine that a result was measured on. Results of different machines must not be compared. */

import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { cpuQuota, usableCores } from '../../src/host/machine-limits.ts';

export interface MachineFingerprint {
  cpu: string;
  /** Threads that can run at once, by CPU affinity and by the cgroup's CPU quota. */
  cores: number;
  /** Cores of the whole machine. The load average counts for all of them. */
  machineCores?: number;
  /** CPU quota of the cgroup, in processors. Absent if there is none. */
  cpuQuota?: number;
  /** A warning, if the load was above the number of cores. */
  overload?: string;
  memoryBytes: number;
  kernel: string;
  node: string;
  v8: string;
  nodeOptions: string;
  /** Node options of the process that measured. */
  flags: string[];
  loadAverage1m: number;
  /** Percent of all time since boot that the hypervisor gave to other guests. Absent if the system does not report it. */
  stealPercent?: number;
}

/** Read before this process does any work: later the load would be its own. */
const loadAtStart: number = loadavg()[0]!;

/** @returns a warning if the load is above the number of cores: then other processes took time from the measurement */
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

/** @returns steal time, percent of all time since an earlier reading (or boot). undefined if /proc/stat has none */
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

/** The first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal. User includes guest time. */
export function parseCpuTicks(text: string): CpuTicks | undefined {
  const ticks = /^cpu +(.*)$/m.exec(text)?.[1]?.split(' ').map(Number).slice(0, 8);
  if (ticks === undefined || ticks.length < 8) {
    return undefined;
  }
  return { total: ticks.reduce((sum, tick) => sum + tick, 0), steal: ticks[7]! };
}

/** @returns the fields in which two machines differ; empty for the same machine */
export function machineDifferences(a: MachineFingerprint, b: MachineFingerprint): string[] {
  const differences: string[] = [];
  if (a.cpu !== b.cpu) {
    differences.push(`CPU (${a.cpu}; ${b.cpu})`);
  }
  if (a.cores !== b.cores) {
    differences.push(`cores (${a.cores}; ${b.cores})`);
  }
  /* The memory of a virtual machine varies by some pages from boot to boot. */
  if (Math.abs(a.memoryBytes - b.memoryBytes) > 0.02 * Math.max(a.memoryBytes, b.memoryBytes)) {
    differences.push(`memory (${gib(a.memoryBytes)}; ${gib(b.memoryBytes)})`);
  }
  return differences;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

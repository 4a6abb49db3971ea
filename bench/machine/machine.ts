/** The fingerprint of the machine that a result was measured on. Results of different machines must not be compared. */

import { cpus, loadavg, release, totalmem } from 'node:os';
import { cpuQuota, usableCores } from '../../src/host/machine-limits.ts';
import { stealPercent } from './cpu-ticks.ts';
import type { ProbeReading } from './probe.ts';

export interface MachineFingerprint {
  cpu: string;
  /** Threads that can run at once, by CPU affinity and by the cgroup's CPU quota. */
  cores: number;
  /** Cores of the whole machine. The load average counts for all of them. */
  machineCores?: number;
  /** CPU quota of the cgroup, in processors. Absent if there is none. */
  cpuQuota?: number;
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
  /** What the machine was like before and after the measurement. Absent in older files. */
  probe?: MachineProbe;
  /** Reasons not to trust the figures (doubtsAbout). Absent if there are none, and in older files. */
  doubts?: string[];
}

/** Results with the machine that they were measured on. */
export interface Fingerprinted {
  machine: MachineFingerprint;
}

/** Results that a command writes as JSON. */
export interface WatchedResults extends Fingerprinted {
  [name: string]: unknown;
}

export interface MachineProbe {
  before: ProbeReading;
  after: ProbeReading;
  /** Percent of all processors' time that the hypervisor gave to other guests during the measurement. */
  stealPercent?: number;
  /** Time that the command waited for a quiet machine (--wait-quiet), in s. */
  waitedS?: number;
}

/** Read before this process does any work: later the load would be its own. */
const loadAtStart: number = loadavg()[0]!;

export function machineFingerprint(): MachineFingerprint {
  const steal = stealPercent();
  const quota = cpuQuota();
  return {
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

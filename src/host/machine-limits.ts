/**
 * Limits of this process below those of the machine: CPU quota of a cgroup (version 1 or 2: containers, systemd slices), CPU affinity
 * (`taskset`). Limits of its memory: core/memory/machine-memory.ts.
 */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cgroupFolders, type ReadText, readText } from '../core/memory/machine-memory.ts';

function quotaIn(folder: string, isVersion2: boolean, read: ReadText): number {
  const [quota, period] = isVersion2
    ? (read(join(folder, 'cpu.max')) ?? '').trim().split(' ')
    : [read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us'))];
  const cpus = Number(quota) / Number(period);
  /* "max", -1, and no file: no quota. */
  return cpus > 0 ? cpus : Number.POSITIVE_INFINITY;
}

/** CPU quota of this process, in CPUs; undefined without a quota. */
export function cpuQuota(read: ReadText = readText): number | undefined {
  const least = Math.min(
    ...cgroupFolders('cpu', read).map(({ folder, isVersion2 }) => quotaIn(folder, isVersion2, read)),
  );
  return Number.isFinite(least) ? least : undefined;
}

/** Threads that can run at once: the CPUs of the affinity, limited by the quota. */
export function usableCores(read: ReadText = readText): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(read) ?? Number.POSITIVE_INFINITY)));
}

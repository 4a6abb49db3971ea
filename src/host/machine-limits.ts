/**
 * What this process may use of the machine, where that is less than the machine has: a CPU quota and a memory limit of a
 * cgroup (version 1 or 2: containers, systemd slices), the affinity of `taskset`, the address space of `ulimit -v`.
 */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';

/** The text of a file; undefined if it cannot be read. Tests have files of their own. */
export type ReadText = (path: string) => string | undefined;

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

interface CgroupMount {
  /** The cgroup at the mount point, as /proc/self/cgroup counts. */
  root: string;
  point: string;
  isVersion2: boolean;
  controllers: string[];
}

/** cgroup file systems in /proc/self/mountinfo (proc_pid_mountinfo(5)). */
function cgroupMounts(read: ReadText): CgroupMount[] {
  return (read('/proc/self/mountinfo') ?? '').split('\n').flatMap((line): CgroupMount[] => {
    const [before, after] = line.split(' - ');
    const [, , , root, point] = (before ?? '').split(' ');
    const [type, , options] = (after ?? '').split(' ');
    if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) {
      return [];
    }
    return [{ root, point, isVersion2: type === 'cgroup2', controllers: (options ?? '').split(',') }];
  });
}

/** Folders of this process's cgroup and those above it, as far as they can be seen: each may have a limit. */
function cgroupFolders(controller: string, read: ReadText): { folder: string; isVersion2: boolean }[] {
  const own = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => /^(\d+):([^:]*):(.*)$/.exec(line));
  return cgroupMounts(read).flatMap(({ root, point, isVersion2, controllers }) => {
    if (!isVersion2 && !controllers.includes(controller)) {
      return [];
    }
    const entry = own.find((found) =>
      isVersion2 ? found?.[1] === '0' && found[2] === '' : found?.[2]?.split(',').includes(controller),
    );
    if (entry?.[3] === undefined) {
      return [];
    }
    /* A container sees its own cgroup as the root of what is mounted, though its name may be that outside. */
    const below = relative(root, entry[3]);
    const parts = below.startsWith('..') ? [] : below.split('/').filter((part) => part !== '');
    return Array.from({ length: parts.length + 1 }, (_, length) => ({
      folder: join(point, ...parts.slice(0, length)),
      isVersion2,
    }));
  });
}

function quotaIn(folder: string, isVersion2: boolean, read: ReadText): number {
  const [quota, period] = isVersion2
    ? (read(join(folder, 'cpu.max')) ?? '').trim().split(' ')
    : [read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us'))];
  const cpus = Number(quota) / Number(period);
  /* "max", -1, and no file: no quota. */
  return cpus > 0 ? cpus : Number.POSITIVE_INFINITY;
}

/** Processors' time that this process may take, in processors; undefined without a quota. */
export function cpuQuota(read: ReadText = readText): number | undefined {
  const least = Math.min(
    ...cgroupFolders('cpu', read).map(({ folder, isVersion2 }) => quotaIn(folder, isVersion2, read)),
  );
  return Number.isFinite(least) ? least : undefined;
}

/** Threads that can run at once: processors of the affinity, and no more than the quota has. */
export function usableCores(read: ReadText = readText): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(read) ?? Number.POSITIVE_INFINITY)));
}

export interface MemoryLimit {
  /** Bytes that are left. */
  bytes: number;
  /** Whose limit it is. */
  what: 'the address space (ulimit -v)' | 'the memory of this cgroup';
}

/** Version 1 has a number close to 2^63 for no limit. */
const NO_LIMIT_BYTES = 2 ** 60;

/** Address space that may still be mapped; undefined without a limit. */
export function addressSpaceLeft(read: ReadText = readText): MemoryLimit | undefined {
  const limit = Number(/^Max address space +(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1]);
  const usedKib = Number(/^VmSize:\s+(\d+) kB/m.exec(read('/proc/self/status') ?? '')?.[1] ?? 0);
  return Number.isFinite(limit)
    ? { bytes: Math.max(0, limit - usedKib * 1024), what: 'the address space (ulimit -v)' }
    : undefined;
}

/** The memory limit of the cgroup: what is committed beyond it gets a process of it killed. */
export function cgroupMemory(read: ReadText = readText): MemoryLimit | undefined {
  const least = Math.min(
    ...cgroupFolders('memory', read).map(({ folder, isVersion2 }) => {
      const text = read(join(folder, isVersion2 ? 'memory.max' : 'memory.limit_in_bytes'))?.trim() ?? '';
      const bytes = /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
      return bytes < NO_LIMIT_BYTES ? bytes : Number.POSITIVE_INFINITY;
    }),
  );
  return Number.isFinite(least) ? { bytes: least, what: 'the memory of this cgroup' } : undefined;
}

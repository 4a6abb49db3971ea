/**
 * The memory that a process can have: the limit of its cgroup (version 1 or 2: containers, systemd slices), its address space
 * (`ulimit -v`), and the memory of the machine. What cannot be read is no limit.
 */

import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Reads the text of a file; undefined if it cannot be read. Tests replace it. */
export type ReadText = (path: string) => string | undefined;

export const readText: ReadText = (path) => {
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

/** Folders of this process's cgroup and of its visible ancestors. Each may have a limit. */
export function cgroupFolders(controller: string, read: ReadText): { folder: string; isVersion2: boolean }[] {
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
    /* In a container the mount's root is the container's own cgroup, but its name may be the one outside. */
    const below = relative(root, entry[3]);
    const parts = below.startsWith('..') ? [] : below.split('/').filter((part) => part !== '');
    return Array.from({ length: parts.length + 1 }, (_, length) => ({
      folder: join(point, ...parts.slice(0, length)),
      isVersion2,
    }));
  });
}

export interface MemoryLimit {
  /** Free bytes below the limit. */
  bytes: number;
  /** The limit, for messages. */
  what: 'the address space (ulimit -v)' | 'the memory of this cgroup' | 'this machine' | 'the free memory';
}

/** Version 1 writes "no limit" as a number close to 2^63. */
const NO_LIMIT_BYTES = 2 ** 60;

/** Address space that can still be mapped; undefined without a limit. */
export function addressSpaceLeft(read: ReadText = readText): MemoryLimit | undefined {
  const limit = Number(/^Max address space +(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1]);
  if (!Number.isFinite(limit)) {
    return undefined;
  }
  const usedKib = Number(/^VmSize:\s+(\d+) kB/m.exec(read('/proc/self/status') ?? '')?.[1] ?? 0);
  return { bytes: Math.max(0, limit - usedKib * 1024), what: 'the address space (ulimit -v)' };
}

/** The memory limit of the cgroup. The system kills a process that commits more. */
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

/** Memory and swap space of the machine, in all. */
export function machineMemory(read: ReadText = readText): MemoryLimit | undefined {
  return meminfoSum(['MemTotal', 'SwapTotal'], 'this machine', read);
}

/** Memory and swap space that the system can give at this moment. */
export function freeMemory(read: ReadText = readText): MemoryLimit | undefined {
  return meminfoSum(['MemAvailable', 'SwapFree'], 'the free memory', read);
}

function meminfoSum(
  names: readonly [string, string],
  what: MemoryLimit['what'],
  read: ReadText,
): MemoryLimit | undefined {
  const text = read('/proc/meminfo') ?? '';
  const kibOf = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);
  const bytes = (kibOf(names[0]) + (kibOf(names[1]) || 0)) * 1024;
  return Number.isNaN(bytes) ? undefined : { bytes, what };
}

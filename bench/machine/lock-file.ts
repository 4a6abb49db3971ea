/**
 * Locks between processes: a file that names the process which holds the lock. The file appears with its content in one
 * step (a hard link). The next process breaks the lock of a process that has ended.
 */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { UsageError } from '../../src/core/errors.ts';
import { atEnd } from '../../src/host/cleanup.ts';

export interface LockOptions {
  /** Called once if another process holds the lock. @param holder its process id */
  onWait?: (holder: number) => void;
  /** Fail after this time without the lock. A build takes minutes on a slow machine. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 30 * 60_000;
const RETRY_MS = 100;

interface Holder {
  pid: number;
  /** The process's start time from the kernel. A later process may get the same id, but not the same start time. */
  start: string;
  host: string;
}

/** Field 22 of /proc/PID/stat, counted after the name, since the name may hold spaces. '' without /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function ourselves(): Holder {
  return { pid: process.pid, start: startOf(process.pid), host: hostname() };
}

/** A process of another host counts as alive: this host cannot tell. */
function isAlive({ pid, start, host }: Holder): boolean {
  if (host !== hostname()) {
    return true;
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
      return false;
    }
  }
  return startOf(pid) === start;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

/** @returns undefined if the file is not a lock of this program */
function holderIn(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder;
    return Number.isInteger(holder.pid) && holder.pid > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

/** Removes the lock of a dead process. If another process did so first and holds a new lock, that lock is put back. */
function breakLock(path: string, found: string): void {
  const aside = `${path}.broken-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return;
    }
    throw error;
  }
  if (textOf(aside) !== found) {
    isLinked(aside, path);
  }
  rmSync(aside, { force: true });
}

/**
 * Takes the lock unless a living process holds it.
 * @returns a function that releases the lock, or the process id of the holder
 */
export function tryLock(path: string): (() => void) | number {
  const mine = JSON.stringify(ourselves());
  const own = `${path}.${process.pid}`;
  writeFileSync(own, mine, { mode: 0o600 });
  try {
    for (;;) {
      if (isLinked(own, path)) {
        const release = (): void => {
          forget();
          if (textOf(path) === mine) {
            rmSync(path, { force: true });
          }
        };
        const forget = atEnd(release);
        return release;
      }
      const found = textOf(path);
      const holder = found === undefined ? undefined : holderIn(found);
      if (holder !== undefined && isAlive(holder)) {
        return holder.pid;
      }
      if (found !== undefined) {
        breakLock(path, found);
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * Runs an action while this process alone holds the lock.
 * @throws UsageError if the lock does not become free in time
 */
export async function withLock<Result>(
  path: string,
  action: () => Result | Promise<Result>,
  options: LockOptions = {},
): Promise<Result> {
  const { onWait, timeoutMs = TIMEOUT_MS } = options;
  const endMs = performance.now() + timeoutMs;
  let release = tryLock(path);
  if (typeof release === 'number') {
    onWait?.(release);
  }
  while (typeof release === 'number') {
    if (performance.now() > endMs) {
      throw new UsageError(
        `${path}: process ${release} has held this lock for too long. End the process, or remove the file`,
      );
    }
    await delay(RETRY_MS);
    release = tryLock(path);
  }
  try {
    return await action();
  } finally {
    release();
  }
}

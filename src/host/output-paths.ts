/** Resolves output paths (links, pipes, standard output), and says why one cannot be written. */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { systemReason } from './command-end.ts';

/** The file descriptor. */
export const STDOUT = 1;
/** Most links in a row: as many as Linux follows. */
const MOST_LINKS = 40;

export function cannotWrite(path: string, error: unknown): UsageError {
  const reason = error instanceof UsageError ? error.message : reasonOf(path, error);
  return new UsageError(`cannot write ${path}: ${reason}`, { cause: error });
}

function isLinkAt(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

function reasonOf(path: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    /* Of a dangling link, the folder of its target is missing, not its own. */
    const isLink = isLinkAt(path);
    return `no such folder: ${dirname(isLink ? targetOf(path) : path)}`;
  }
  return code === 'EISDIR' ? 'it is a folder' : systemReason(error);
}

/** Writes all bytes. A pipe may take them in pieces. */
export function writeAll(file: number, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(file, bytes, at);
  }
}

/** The target of a path, through all links. It need not exist. */
export function targetOf(path: string): string {
  let target = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    try {
      return realpathSync(target);
    } catch {
      let next: string;
      try {
        next = readlinkSync(target);
      } catch {
        return target;
      }
      target = isAbsolute(next) ? next : join(dirname(target), next);
    }
  }
  return target;
}

export function isStdout(path: string, found: Stats | undefined): boolean {
  if (path === '-' || ['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'].includes(path)) {
    return true;
  }
  if (found === undefined || !found.isFile()) {
    return false;
  }
  const own = fstatSync(STDOUT);
  return own.dev === found.dev && own.ino === found.ino;
}

/** Opens a pipe for writing. Without a reader, a plain `open` would block this process, signals included. @throws UsageError */
export function openPipe(path: string): number {
  let first: number;
  try {
    first = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') {
      throw new UsageError('this pipe has no reader: start its reader first');
    }
    throw error;
  }
  /* The reader exists. The second descriptor blocks on a full pipe, as a writer should. */
  const file = openSync(path, 'w');
  closeSync(first);
  return file;
}

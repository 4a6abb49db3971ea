/** Folders that no other user can write to: a socket or a file in them can be trusted. */

import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { UsageError } from '../../core/errors.ts';

const PERMISSIONS = 0o777;
const OTHERS = 0o077;

/** @returns undefined if the path does not exist. @throws UsageError if that cannot be found out */
export function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new UsageError(`${path}: cannot access it (${(error as NodeJS.ErrnoException).code})`);
  }
}

/**
 * Creates the folder with mode 700, or checks that it belongs to this user and is closed to all others. A symbolic link is refused: its
 * owner could redirect it.
 * @param remedy advice for the message
 * @throws UsageError
 */
export function requirePrivateFolder(folder: string, remedy: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`${folder}: cannot create it (${(error as NodeJS.ErrnoException).code}); ${remedy}`);
  }
  const stat = statOf(folder);
  const isOurs = stat?.isDirectory() === true && stat.uid === (process.getuid?.() ?? stat.uid);
  if (!isOurs || (stat.mode & OTHERS) !== 0) {
    const mode = stat === undefined ? 'gone' : `mode ${(stat.mode & PERMISSIONS).toString(8)}, user ${stat.uid}`;
    throw new UsageError(`${folder} must be a folder of this user with mode 700 (it is: ${mode}); ${remedy}`);
  }
}

/**
 * The registry of everything that must not outlive the process: temporary folders, child processes, worktrees, unfinished files. It
 * runs at `process.exit`, at the natural end, after an uncaught error, and after a signal (host/signals.ts).
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cleanups = new Set<() => void>();
let isHooked = false;

/**
 * Registers a synchronous cleanup for the end of the process.
 * @returns a function that removes the cleanup: call it when the thing is gone
 */
export function atEnd(cleanup: () => void): () => void {
  if (!isHooked) {
    isHooked = true;
    process.once('exit', cleanUp);
  }
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Runs all cleanups, the latest first. An error of one does not stop the others. */
export function cleanUp(): void {
  for (const cleanup of [...cleanups].toReversed()) {
    cleanups.delete(cleanup);
    try {
      cleanup();
    } catch (error) {
      console.error(`ct-bucket: could not clean up: ${(error as Error).message}`);
    }
  }
}

export interface TemporaryFolder {
  path: string;
  /** Removes the folder and its contents. */
  remove(): void;
}

/** Creates a temporary folder. It is removed at the end of the process at the latest. */
export function temporaryFolder(prefix: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  const remove = (): void => {
    forget();
    /* A process that was just killed may still have been writing into it: so retry. */
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  };
  const forget = atEnd(remove);
  return { path, remove };
}

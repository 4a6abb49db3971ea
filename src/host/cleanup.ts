/**
 * What must be gone when the process ends, however it ends: temporary folders, child processes, worktrees, unfinished
 * files. One registry for all of it. It runs at `process.exit`, at the natural end, after an uncaught error, and after a
 * signal that host/signals.ts handles.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cleanups = new Set<() => void>();
let isHooked = false;

/**
 * Registers what is to happen at the end of the process; it must not wait for the event loop.
 * @returns takes it back: call it when the thing is gone
 */
export function atEnd(cleanup: () => void): () => void {
  if (!isHooked) {
    isHooked = true;
    process.once('exit', cleanUp);
  }
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Does it all, the latest first. What fails does not keep the rest from happening. */
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
  /** Removes it with all that is in it. */
  remove(): void;
}

/** A folder of this process in the temporary directory, which is gone after the end of the process at the latest. */
export function temporaryFolder(prefix: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  const remove = (): void => {
    forget();
    /* A process that was just killed may have been writing into it. */
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  };
  const forget = atEnd(remove);
  return { path, remove };
}

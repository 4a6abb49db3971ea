/**
 * The cache of builds: a folder that belongs to the user alone, since `regress` runs the code in it. One process makes a
 * build while others wait. A build appears complete, in one step.
 */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { atEnd } from '../../../src/host/cleanup.ts';
import { defaultCache, requireCache } from '../../machine/cache-folder.ts';
import { tryLock, withLock } from '../../machine/lock-file.ts';

/** Builds that were not used for this long are removed. */
const UNUSED_MS = 30 * 86_400_000;
/** The remains of a killed build are removed after this long. */
const ABANDONED_MS = 86_400_000;
const SCRATCH = '.building-';

/** Makes the folder of the builds. @throws UsageError if another user could have written to it */
function openCache(cache: string): string {
  requireCache(cache);
  const builds = join(cache, 'builds');
  mkdirSync(builds, { recursive: true, mode: 0o700 });
  return builds;
}

function isComplete(build: string): boolean {
  return existsSync(join(build, 'dist', '.complete')) && existsSync(join(build, 'node_modules'));
}

export interface KeptBuild {
  cache: string;
  /** Equal sources have equal keys. */
  key: string;
  /** Name of the build in messages. */
  label: string;
  /** Fills `result` with dist/ and node_modules/. All other files go to `scratch`. */
  make: (result: string, scratch: string) => void | Promise<void>;
  say?: (line: string) => void;
}

/** Makes the build unless the cache has it. @returns its folder. @throws UsageError */
export async function keptBuild({ cache, key, label, make, say }: KeptBuild): Promise<string> {
  const builds = openCache(cache);
  const kept = join(builds, key);
  if (isComplete(kept)) {
    return used(kept);
  }
  return withLock(
    `${kept}.lock`,
    async () => {
      if (!isComplete(kept)) {
        say?.(`building ${label}`);
        await buildInto(kept, builds, make);
      }
      return used(kept);
    },
    { onWait: (holder) => say?.(`waiting for process ${holder}, which builds ${label}`) },
  );
}

/** The caller holds the lock. */
async function buildInto(kept: string, builds: string, make: KeptBuild['make']): Promise<void> {
  removeOld(builds);
  const scratch = mkdtempSync(join(builds, SCRATCH));
  const remove = (): void => rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  const forget = atEnd(remove);
  try {
    const result = join(scratch, 'result');
    mkdirSync(result);
    await make(result, scratch);
    if (!isComplete(result)) {
      throw new UsageError('the build made no dist/.complete: its build command must end with scripts/build.mjs');
    }
    /* The folder holds no complete build. Move it aside, since a process that began earlier may still read from it. */
    if (existsSync(kept)) {
      renameSync(kept, join(scratch, 'old'));
    }
    renameSync(result, kept);
  } finally {
    remove();
    forget();
  }
}

function used(kept: string): string {
  const now = new Date();
  utimesSync(kept, now, now);
  return kept;
}

function removeOld(builds: string): void {
  for (const name of readdirSync(builds)) {
    const path = join(builds, name);
    const ageMs = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (ageMs > (name.startsWith(SCRATCH) ? ABANDONED_MS : UNUSED_MS)) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/**
 * Runs a measurement. Warns first if the user runs another one at the same time. It does not wait for the other one, which may
 * take hours.
 */
export async function measuring<Result>(
  say: (line: string) => void,
  action: () => Result | Promise<Result>,
): Promise<Result> {
  const release = tryMeasuring();
  if (typeof release === 'number') {
    say(`another regress (process ${release}) measures at the same time: each disturbs the other`);
    return action();
  }
  try {
    return await action();
  } finally {
    release();
  }
}

/** Without a cache folder there is no lock, and other measurements do not see this one. Builds in folders need no cache. */
function tryMeasuring(): (() => void) | number {
  try {
    const cache = defaultCache();
    requireCache(cache);
    return tryLock(join(cache, 'measuring.lock'));
  } catch (error) {
    if (error instanceof UsageError || (error as NodeJS.ErrnoException).code !== undefined) {
      return () => {};
    }
    throw error;
  }
}

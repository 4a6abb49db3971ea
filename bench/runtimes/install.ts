/** Fetches a runtime with npm into the user's cache folder, and keeps it there. */

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { ChildError, runChild } from '../../src/host/children.ts';
import { atEnd } from '../../src/host/cleanup.ts';
import { requireCache } from '../machine/cache-folder.ts';
import { withLock } from '../machine/lock-file.ts';
import { type Platform, runtimePackage } from './packages.ts';

/** After this time a runtime is fetched again: its release may have a newer version. */
const FRESH_MS = 30 * 86_400_000;
const FETCH_TIMEOUT_MS = 10 * 60_000;
const SCRATCH = '.fetching-';
/** Runs no script of the package: it would execute with the user's rights. */
const NPM_INSTALL = [
  'install',
  '--no-save',
  '--no-package-lock',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
  '--fetch-retries=1',
];

export interface InstallOptions {
  /** The user's cache folder (defaultCache). */
  cache: string;
  platform: Platform;
  say?: (line: string) => void;
}

/**
 * The path of a runtime's program, such as `node22`. Fetches it if the cache has none, or an old one. Without a network an old
 * one serves.
 * @throws UsageError of one line if it cannot be fetched
 */
export async function installedRuntime(name: string, { cache, platform, say }: InstallOptions): Promise<string> {
  const { spec, binary } = runtimePackage(name, platform);
  requireCache(cache);
  const runtimes = join(cache, 'runtimes');
  mkdirSync(runtimes, { recursive: true, mode: 0o700 });
  const folder = join(runtimes, name);
  const program = join(folder, 'node_modules', binary);
  const isFresh = (): boolean => Date.now() - (statSync(program, { throwIfNoEntry: false })?.ctimeMs ?? 0) < FRESH_MS;
  if (isFresh()) {
    return program;
  }
  return withLock(
    `${folder}.lock`,
    async () => {
      if (!isFresh()) {
        say?.(`fetching ${spec}`);
        await fetchUnlessOld({ name, spec, binary, runtimes }, existsSync(program) ? say : undefined);
      }
      return program;
    },
    { onWait: (holder) => say?.(`waiting for process ${holder}, which fetches ${spec}`) },
  );
}

interface Fetch {
  name: string;
  spec: string;
  binary: string;
  /** The folder of all runtimes. */
  runtimes: string;
}

/** @param sayOld present if the cache has an old binary, which then serves */
async function fetchUnlessOld(fetch: Fetch, sayOld: ((line: string) => void) | undefined): Promise<void> {
  try {
    await fetchRuntime(fetch);
  } catch (error) {
    if (sayOld === undefined || !(error instanceof UsageError)) {
      throw error;
    }
    sayOld(`${error.message}; the one in the cache serves`);
  }
}

/** The caller holds the lock. The runtime appears complete, in one step. */
async function fetchRuntime({ name, spec, binary, runtimes }: Fetch): Promise<void> {
  const scratch = mkdtempSync(join(runtimes, SCRATCH));
  const remove = (): void => rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  const forget = atEnd(remove);
  const fetched = join(scratch, name);
  try {
    mkdirSync(fetched);
    writeFileSync(join(fetched, 'package.json'), '{"private":true}');
    await runChild('npm', [...NPM_INSTALL, '--prefix', fetched, spec], {
      cwd: fetched,
      stderr: 'pipe',
      timeoutMs: FETCH_TIMEOUT_MS,
      isGroup: true,
    });
    if (!existsSync(join(fetched, 'node_modules', binary))) {
      throw new UsageError(`${spec} has no ${binary}: give the path of the program (${name}=PATH)`);
    }
    /* A process that began earlier may still run the old program. It keeps its open file. */
    if (existsSync(join(runtimes, name))) {
      renameSync(join(runtimes, name), join(scratch, 'old'));
    }
    renameSync(fetched, join(runtimes, name));
  } catch (error) {
    throw error instanceof ChildError ? new UsageError(fetchFailure(name, spec, error)) : error;
  } finally {
    remove();
    forget();
  }
}

/** npm explains an error in many lines: `npm error code ENOTFOUND`, and more. */
function fetchFailure(name: string, spec: string, { message, stderr }: ChildError): string {
  const code = /^npm (?:error|ERR!) code (\S+)$/m.exec(stderr)?.[1];
  return `npm cannot fetch ${spec} (${code ?? message}): is there a network? Else give the path of the program (${name}=PATH)`;
}

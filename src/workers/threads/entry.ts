/**
 * Finds the module of a worker thread: compiled JavaScript, or TypeScript (in tests, and for the command in the repository). Node 20 runs
 * TypeScript in a worker only after the worker has registered a hook.
 */

import { fileURLToPath } from 'node:url';
import { requireThreadMemory } from './thread-memory.ts';

export interface WorkerEntry {
  /** Path of the module. */
  filename: string;
  /** Node options for the worker. */
  execArgv: string[];
}

/**
 * The worker entry beside the calling module.
 * @param name file name without extension
 * @param importMetaUrl `import.meta.url` of the caller
 * @param threads how many threads the caller is about to start
 * @throws UsageError if there is no memory for them
 *
 * With CT_CHECKED=1 every worker first loads the module at the URL CT_WORKER_IMPORT. Tests install their scheduling hook so.
 */
export function workerEntry(name: string, importMetaUrl: string, threads = 1): WorkerEntry {
  requireThreadMemory(threads);
  const preloaded = process.env['CT_CHECKED'] === '1' ? process.env['CT_WORKER_IMPORT'] : undefined;
  const preload = preloaded === undefined ? [] : ['--import', preloaded];
  const isSource = importMetaUrl.endsWith('.ts');
  const filename = fileURLToPath(new URL(`./${name}${isSource ? '.ts' : '.js'}`, importMetaUrl));
  const runsTypeScript = (process.features as { typescript?: unknown }).typescript;
  if (!isSource || runsTypeScript) {
    /* A thread with options of its own inherits none. */
    return { filename, execArgv: process.sourceMapsEnabled ? ['--enable-source-maps', ...preload] : preload };
  }
  return { filename, execArgv: ['--import', new URL('./typescript-hook.mjs', import.meta.url).href, ...preload] };
}

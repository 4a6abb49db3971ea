/**
 * Where a worker thread's module is and how to start it: as compiled JavaScript, or from TypeScript source (tests, and
 * the command in the repository), which Node 20 can run in a worker only after a hook is registered there.
 */

import { fileURLToPath } from 'node:url';

export interface WorkerEntry {
  /** Path of the module. */
  filename: string;
  /** Node options the worker must be started with. */
  execArgv: string[];
}

/**
 * The worker entry beside the calling module.
 * @param name file name without extension
 * @param importMetaUrl `import.meta.url` of the caller
 *
 * With CT_CHECKED=1 a test can have a module loaded first in every worker, to install its scheduling hook:
 * CT_WORKER_IMPORT is that module's URL.
 */
export function workerEntry(name: string, importMetaUrl: string): WorkerEntry {
  const preloaded = process.env['CT_CHECKED'] === '1' ? process.env['CT_WORKER_IMPORT'] : undefined;
  const preload = preloaded === undefined ? [] : ['--import', preloaded];
  const isSource = importMetaUrl.endsWith('.ts');
  const filename = fileURLToPath(new URL(`./${name}${isSource ? '.ts' : '.js'}`, importMetaUrl));
  const runsTypeScript = (process.features as { typescript?: unknown }).typescript;
  if (!isSource || runsTypeScript) {
    /* A thread that is given options inherits none. */
    return { filename, execArgv: process.sourceMapsEnabled ? ['--enable-source-maps', ...preload] : preload };
  }
  return { filename, execArgv: ['--import', new URL('./typescript-hook.mjs', import.meta.url).href, ...preload] };
}

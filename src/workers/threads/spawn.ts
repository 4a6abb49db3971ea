/** Starts the threads of a datapath. */

import { Worker } from 'node:worker_threads';
import { workerEntry } from './entry.ts';
import { packed } from './parcel.ts';
import type { StartedWorker } from '../supervision/worker-types.ts';
import type { PmdTask } from './pmd-worker.ts';
import type { SweeperTask } from './sweeper.ts';

/** Starts a thread. It has ended normally if its exit code is 0. */
export function startThread(name: string, task: unknown): StartedWorker {
  const entry = workerEntry(name, import.meta.url);
  const thread = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: packed(task) });
  const end = async (): Promise<void> => {
    await thread.terminate();
  };
  return { thread, end };
}

/**
 * Starts a thread that does not keep the process alive. Packets under way do (delivery.ts). A thread pool such as piscina would keep it
 * alive: it holds a port open while a task runs, and the task of a PMD never ends.
 */
function startBackground(name: string, task: unknown): StartedWorker {
  const started = startThread(name, task);
  started.thread.unref();
  return started;
}

export function startPmd(task: PmdTask): StartedWorker {
  return startBackground('pmd-worker', task);
}

export function startSweeper(task: SweeperTask): StartedWorker {
  return startBackground('sweeper-worker', task);
}

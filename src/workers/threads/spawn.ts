/** How the threads of a datapath are started. */

import { Worker } from 'node:worker_threads';
import { workerEntry } from './entry.ts';
import type { WorkerLife } from '../supervision/supervisor.ts';
import type { PmdTask } from './pmd-worker.ts';
import type { SweeperTask } from './sweeper.ts';

/** A thread of its own; its work is done when it comes to its end without an error. */
export function startThread(name: string, workerData: unknown): WorkerLife {
  const entry = workerEntry(name, import.meta.url);
  const thread = new Worker(entry.filename, { execArgv: entry.execArgv, workerData });
  const end = async (): Promise<void> => {
    await thread.terminate();
  };
  return { thread, end };
}

/**
 * A thread that does not keep the process alive: the packets on their way do (delivery.ts). A pool of threads (piscina) would:
 * it holds a port open for as long as a task runs, and the task of a PMD has no end.
 */
function startBackground(name: string, workerData: unknown): WorkerLife {
  const life = startThread(name, workerData);
  life.thread.unref();
  return life;
}

export function startPmd(task: PmdTask): WorkerLife {
  return startBackground('pmd-worker', task);
}

export function startSweeper(task: SweeperTask): WorkerLife {
  return startBackground('sweeper-worker', task);
}

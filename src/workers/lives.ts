/** How the threads of a datapath are started. */

import { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { workerEntry } from './entry.ts';
import type { WorkerLife } from './keeper.ts';
import type { PmdTask } from './pmd-worker.ts';
import type { SweeperTask } from './sweeper.ts';

/**
 * A PMD: one endless task of a pool with one thread. Each life has a pool of its own, which is given up before it could
 * replace the thread by itself: nobody is to run before everything has been repaired.
 */
export function startPmd(task: PmdTask): WorkerLife {
  const pool = new Piscina({
    ...workerEntry('pmd-worker', import.meta.url),
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
  });
  const thread = pool.threads[0]!;
  const exited = new Promise<void>((resolve) => {
    thread.once('exit', () => resolve());
  });
  const end = (): Promise<void> => {
    void pool.destroy();
    return exited;
  };
  thread.prependListener('error', () => void end());
  /* The thread's own event says the same. */
  pool.on('error', () => {});
  const done = pool.run(task).then(() => {});
  return { thread, done, end };
}

/** A thread of its own; its work is done when it comes to its end without an error. */
export function startThread(name: string, workerData: unknown): WorkerLife {
  const entry = workerEntry(name, import.meta.url);
  const thread = new Worker(entry.filename, { execArgv: entry.execArgv, workerData });
  const end = async (): Promise<void> => {
    await thread.terminate();
  };
  return { thread, end };
}

export function startSweeper(task: SweeperTask): WorkerLife {
  return startThread('sweeper-worker', task);
}

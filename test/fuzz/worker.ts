/** The thread that runs one target. The main thread watches its progress, to see if an input hangs. */

import { parentPort, workerData } from 'node:worker_threads';
import { runSession, type SessionOptions } from './session.ts';
import { inputOf, Tally } from './target.ts';
import { targetOf } from './targets.ts';

export interface FuzzTask extends SessionOptions {
  target: string;
  /** Word 0: number of the current input. Word 1: its start (ms, low 32 bits; 0: none has begun). This thread writes them. */
  progress: Int32Array<SharedArrayBuffer>;
  /** An input to run instead of generated ones. */
  repeat?: string;
}

const task = workerData as FuzzTask;
const target = targetOf(task.target);

function began(number: number): void {
  Atomics.store(task.progress, 0, number);
  Atomics.store(task.progress, 1, Date.now() | 1);
}

if (task.repeat === undefined) {
  parentPort!.postMessage(await runSession(target, task, began));
} else {
  await target.prepare?.({ shared: task.shared });
  began(0);
  const tally = new Tally();
  let message = '';
  try {
    await target.run(inputOf(task.repeat), tally);
  } catch (error) {
    message = (error as Error).stack ?? String(error);
  }
  await target.end?.();
  parentPort!.postMessage({ message, tally: tally.counts });
}
/* A target may leave handles open, which would keep the thread alive. */
process.exit(0);

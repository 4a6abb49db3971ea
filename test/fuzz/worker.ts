/** The thread that fuzzes one target. Another one watches it: it hangs when its input number stands still. */

import { parentPort, workerData } from 'node:worker_threads';
import { runSession, type SessionOptions } from './session.ts';
import { inputOf, Tally } from './target.ts';
import { targetOf } from './targets.ts';

export interface FuzzTask extends SessionOptions {
  target: string;
  /** Int32: 0 number of the input that runs, 1 when it began (ms, low bits; 0: none has). Written here, read by the watcher. */
  progress: Int32Array<SharedArrayBuffer>;
  /** Instead of generated inputs: this one. */
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
/* Whatever a target left behind does not keep the thread alive. */
process.exit(0);

/**
 * Can this runtime run ct-bucket? Prints a RuntimeProbe as a line of JSON. A thread gets a table of the size that samples use,
 * creates a connection in it, and wakes this thread, which waits.
 *
 * Samples answer the same, but some runtimes hang in them where they fail here.
 */

import { Worker } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { packed } from '../../src/workers/threads/parcel.ts';
import type { ProbeTask, RuntimeProbe } from './runtime-probe.ts';

const CONNECTIONS = 3_000_000;

function probe(): Promise<RuntimeProbe> {
  tuneCompiler();
  const conntrack = new Conntrack({ maxConnections: CONNECTIONS, maxParticipants: 4 });
  const { memory } = conntrack;
  const { filename, execArgv } = workerEntry('runtime-probe-thread', import.meta.url);
  const task: ProbeTask = { memory, done: allocateWords(1) };
  const worker = new Worker(filename, { execArgv, workerData: packed(task) });
  return new Promise((answer, fail) => {
    worker.once('error', fail);
    worker.once('exit', () => {
      const isDone = Atomics.load(task.done, 0) === 1 && conntrack.connCount === 1;
      answer(
        isDone
          ? { hasModule: memory.module !== undefined }
          : { hasModule: false, problem: 'a thread created no connection in the table of another' },
      );
    });
  });
}

function failed(error: unknown): RuntimeProbe {
  return { hasModule: false, problem: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

const answer = await probe().catch(failed);
console.log(JSON.stringify(answer));
/* The thread may have failed in a way that leaves it running. */
process.exit(0);

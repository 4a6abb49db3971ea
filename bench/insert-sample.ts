/**
 * One sample of the insertion benchmark, in a process of its own: `node insert-sample.js '<InsertSampleOptions>'`
 * prints an InsertSample as a line of JSON.
 *
 * The threads come up and warm up on other tables; only then is the table made, so that what the process
 * occupies before and after is the table alone. All start at a barrier; whole phases are timed, from the first thread's
 * start to the last one's end.
 */

import { Worker } from 'node:worker_threads';
import { Conntrack } from '../src/core/conntrack.ts';
import { allocateWords } from '../src/shared/access.ts';
import { BARRIER_WORDS } from '../src/shared/barrier.ts';
import { tuneCompiler } from '../src/workers/compiler.ts';
import { workerEntry } from '../src/workers/entry.ts';
import type { InsertThreadTask } from './insert-thread.ts';
import { INSERT_PHASES, PhaseTimes } from './phase-times.ts';
import { profileOf } from './profile/in-sample.ts';
import type { LockProfile } from './profile/model.ts';

export interface InsertSampleOptions {
  threads: number;
  connections: number;
  batchSize: number;
  buckets: number;
  /** Memory for all connections is committed before the start. */
  prefaulted: boolean;
}

export interface InsertSample {
  insertMs: number;
  lookupMs: number;
  /** (resident with all connections - resident before the table was made) / connections. */
  bytesPerConnection: number;
  /** In a profiled process. */
  profile?: LockProfile;
  /** Set when the books do not balance: the sample is then void. */
  error?: string;
}

const REHEARSALS = 4;
const REHEARSAL_CONNECTIONS = 300_000;

const options = JSON.parse(process.argv[2]!) as InsertSampleOptions;
tuneCompiler();
console.log(JSON.stringify(await sample()));

async function sample(): Promise<InsertSample> {
  const { threads, connections, batchSize, buckets, prefaulted } = options;
  const barrier = allocateWords(BARRIER_WORDS);
  const phases = PhaseTimes.allocate(threads, INSERT_PHASES);
  const rehearsals = Array.from(
    { length: REHEARSALS },
    () =>
      new Conntrack({ buckets: 16, maxConnections: 2 * REHEARSAL_CONNECTIONS, maxParticipants: threads + 1 }).memory,
  );
  const entry = workerEntry('insert-thread', import.meta.url);
  const workers = Array.from({ length: threads }, (_, index) => {
    const task: InsertThreadTask = {
      index,
      threads,
      connections,
      batchSize,
      barrier,
      times: phases.times,
      rehearsals,
      rehearsalConnections: REHEARSAL_CONNECTIONS,
    };
    return new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
  });
  const ends = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      }),
  );
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));

  const residentBefore = process.memoryUsage.rss();
  const conntrack = new Conntrack({
    buckets,
    prefaultConnections: prefaulted ? connections : 0,
    maxConnections: Math.max(3_000_000, connections),
    maxParticipants: threads + 1,
  });
  const done = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
  for (const worker of workers) {
    worker.postMessage(conntrack.memory);
  }
  await Promise.race([Promise.all(done), Promise.all(ends)]);
  const residentAfter = process.memoryUsage.rss();
  for (const worker of workers) {
    worker.postMessage('end');
  }
  await Promise.all(ends);

  const { created, invalid, insertFailed, tableFull, new: fresh } = conntrack.counters();
  /* UDP in one direction stays `new`: both phases count each connection's packet as such. */
  const books = { created, invalid, insertFailed, tableFull, new: fresh, live: conntrack.connCount };
  const right =
    created === connections &&
    books.live === connections &&
    fresh === 2 * connections &&
    invalid + insertFailed + tableFull === 0;
  return {
    insertMs: phases.phaseMs(0),
    lookupMs: phases.phaseMs(1),
    bytesPerConnection: (residentAfter - residentBefore) / connections,
    ...profileOf(conntrack),
    ...(right ? {} : { error: `the books do not balance: ${JSON.stringify(books)}` }),
  };
}

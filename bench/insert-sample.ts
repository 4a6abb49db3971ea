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

export interface InsertSampleOptions {
  threads: number;
  connections: number;
  batchSize: number;
  buckets: number;
  /** Memory for all connections is committed before the start. */
  prefaulted: boolean;
  /** Tables to warm up on, and connections of each, where the defaults take too long. */
  rehearsals?: number;
  rehearsalConnections?: number;
  /** How often both phases are measured, each time on a new table; once unless said. */
  repetitions?: number;
}

export interface InsertRepetition {
  insertMs: number;
  lookupMs: number;
  /** Processor time, with one thread. */
  insertCpuMs?: number;
  lookupCpuMs?: number;
}

export interface InsertSample {
  /** Of the first repetition. */
  insertMs: number;
  lookupMs: number;
  /** Of all repetitions, if more than one was asked for. */
  repetitions?: InsertRepetition[];
  /** (resident with all connections - resident before the table was made) / connections. */
  bytesPerConnection: number;
  /** Set when the books do not balance: the sample is then void. */
  error?: string;
}

const REHEARSALS = 4;
const REHEARSAL_CONNECTIONS = 300_000;

const options = JSON.parse(process.argv[2]!) as InsertSampleOptions;
tuneCompiler();
console.log(JSON.stringify(await sample()));

async function sample(): Promise<InsertSample> {
  const { threads, connections, batchSize, buckets, prefaulted, repetitions = 1 } = options;
  const { rehearsals: tables = REHEARSALS, rehearsalConnections = REHEARSAL_CONNECTIONS } = options;
  const barrier = allocateWords(BARRIER_WORDS);
  const phases = PhaseTimes.allocate(threads, INSERT_PHASES * repetitions);
  const rehearsals = Array.from(
    { length: tables },
    () => new Conntrack({ buckets: 16, maxConnections: 2 * rehearsalConnections, maxParticipants: threads + 1 }).memory,
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
      rehearsalConnections,
      repetitions,
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

  let bytesPerConnection = 0;
  let error: string | undefined;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const residentBefore = process.memoryUsage.rss();
    const conntrack = new Conntrack({
      buckets,
      prefaultConnections: prefaulted ? connections : 0,
      maxConnections: repetitions > 1 ? connections : Math.max(3_000_000, connections),
      maxParticipants: threads + 1,
    });
    const done = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
    for (const worker of workers) {
      worker.postMessage(conntrack.memory);
    }
    await Promise.race([Promise.all(done), Promise.all(ends)]);
    if (repetition === 0) {
      /* Later tables may lie where earlier ones lay. */
      bytesPerConnection = (process.memoryUsage.rss() - residentBefore) / connections;
    }
    error ??= imbalance(conntrack, connections);
  }
  for (const worker of workers) {
    worker.postMessage('end');
  }
  await Promise.all(ends);

  const runs = Array.from({ length: repetitions }, (_, i): InsertRepetition => {
    const [insert, lookup] = [i * INSERT_PHASES, i * INSERT_PHASES + 1];
    return {
      insertMs: phases.phaseMs(insert),
      lookupMs: phases.phaseMs(lookup),
      ...(threads === 1 ? { insertCpuMs: phases.cpuMs(insert), lookupCpuMs: phases.cpuMs(lookup) } : {}),
    };
  });
  return {
    insertMs: runs[0]!.insertMs,
    lookupMs: runs[0]!.lookupMs,
    ...(repetitions > 1 ? { repetitions: runs } : {}),
    bytesPerConnection,
    ...(error === undefined ? {} : { error }),
  };
}

/** What is wrong with the books of a table after both phases. */
function imbalance(conntrack: Conntrack, connections: number): string | undefined {
  const { created, invalid, insertFailed, tableFull, new: fresh } = conntrack.counters();
  /* UDP in one direction stays `new`: both phases count each connection's packet as such. */
  const books = { created, invalid, insertFailed, tableFull, new: fresh, live: conntrack.connCount };
  const right =
    created === connections &&
    books.live === connections &&
    fresh === 2 * connections &&
    invalid + insertFailed + tableFull === 0;
  return right ? undefined : `the books do not balance: ${JSON.stringify(books)}`;
}

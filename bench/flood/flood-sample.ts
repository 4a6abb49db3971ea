/**
 * One sample of the flood benchmark. `node flood-sample.js '<FloodSampleOptions>'` prints a FloodSample as a line of JSON.
 *
 * Two PMDs share a table. The first establishes its connections. The second fills the table with connections of one packet
 * each. Then the first sends traffic on its connections while the second opens many more.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../src/shared/sync/barrier.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import type { FloodThreadResult, FloodThreadTask } from './flood-thread.ts';
import { FLOOD_WORDS } from '../workloads/flood.ts';

/** room: the table can hold the whole flood. Else it is full when the flood begins: see ConntrackOptions.tableFull. */
export type FloodMode = 'room' | 'early-drop' | 'refuse';

export interface FloodSampleOptions {
  mode: FloodMode;
  /** Connections that the flood opens. */
  connections: number;
  /** Connections in the table when the flood begins. */
  table: number;
  /** Number of these that are established. */
  established: number;
  batchSize: number;
  buckets: number;
}

export interface FloodSample {
  /** Packets per second of the established traffic during the flood. */
  establishedPps: number;
  floodPps: number;
  floodMs: number;
  /** Packets of established connections that did not get the state of one. */
  strangers: number;
  evicted: number;
  refused: number;
  /** Set if the accounting of the table is wrong. The sample is then invalid. */
  error?: string;
}

const options = JSON.parse(process.argv[2]!) as FloodSampleOptions;
tuneCompiler();
console.log(JSON.stringify(await sample()));

async function sample(): Promise<FloodSample> {
  const { mode, connections, table, established, batchSize, buckets } = options;
  const barrier = allocateWords(BARRIER_WORDS);
  const words = allocateWords(FLOOD_WORDS);
  const entry = workerEntry('flood-thread', import.meta.url, 2);
  const workers = (['established', 'flood'] as const).map((role) => {
    const task: FloodThreadTask = { role, connections, table, established, batchSize, barrier, words };
    return new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));

  const maxConnections = mode === 'room' ? table + connections : table;
  const conntrack = new Conntrack({
    buckets,
    maxConnections,
    prefaultConnections: maxConnections,
    maxParticipants: 3,
    tableFull: mode === 'early-drop' ? 'early-drop' : 'refuse',
  });
  const results = Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[FloodThreadResult]>));
  for (const worker of workers) {
    worker.postMessage(conntrack.memory);
  }
  const [[talk], [flood]] = (await results) as [[FloodThreadResult], [FloodThreadResult]];

  const { created, evicted, tableFull, killed, invalid, insertFailed, clash } = conntrack.counters();
  const accounting = { created, evicted, tableFull, killed, invalid, insertFailed, clash, live: conntrack.connCount };
  const right =
    created === accounting.live + evicted &&
    created + tableFull === table + connections &&
    accounting.live === maxConnections &&
    (mode === 'early-drop' || evicted === 0) &&
    (mode !== 'room' || tableFull === 0) &&
    invalid + insertFailed + killed === 0;
  return {
    establishedPps: (talk.packets / talk.ms) * 1000,
    floodPps: (flood.packets / flood.ms) * 1000,
    floodMs: flood.ms,
    strangers: talk.strangers,
    evicted,
    refused: tableFull,
    ...(right ? {} : { error: `the accounting of the table is wrong: ${JSON.stringify(accounting)}` }),
  };
}

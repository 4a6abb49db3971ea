/** A thread of the flood benchmark (flood-sample.ts): the flood, or the established traffic beside it. */

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { Counter } from '../../src/core/counters.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { Tracker } from '../../src/core/tracker.ts';
import { load, store, type Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { allocateTalkBatch, fillTalkBatch, FLOOD_OVER } from '../workloads/flood.ts';
import { allocateGridBatch, fillGridBatch } from '../workloads/udp-grid.ts';

export interface FloodThreadTask {
  role: 'flood' | 'established';
  /** Connections that the flood opens. `table` are there before, and `established` of these are established. */
  connections: number;
  table: number;
  established: number;
  batchSize: number;
  /** Barrier words (BARRIER_WORDS). The flood's thread sets FLOOD_OVER in `words` to 1 when the flood ends. */
  barrier: Words;
  words: Words;
}

/** The report of a thread. */
export interface FloodThreadResult {
  packets: number;
  ms: number;
  /** Packets of established connections that did not get the state of one. */
  strangers: number;
}

const START_MS = 1_000_000;
/** Batches in a millisecond of the packets' clock. This is close to the real rate. */
const FLOOD_BATCHES_PER_MS = 64;
const TALK_BATCHES_PER_MS = 256;
const WARM_UP_TABLE = 20_000;
const WARM_UP_ROUNDS = 12;

const task = workerData as FloodThreadTask;
const action = new CtAction({ commit: true });
const gridBatch = allocateGridBatch(task.batchSize);
const talkBatch = allocateTalkBatch(task.batchSize);

warmUp();
const ready = once(parentPort!, 'message') as Promise<[TrackerMemory]>;
parentPort!.postMessage('warm');
const [memory] = await ready;
parentPort!.postMessage(measure(new Tracker(memory)));
parentPort!.close();

/** Sends one packet for each connection of the grid from `from` to before `to`. */
function open(tracker: Tracker, from: number, to: number): void {
  for (let id = from, batches = 0; id < to; id += task.batchSize, batches++) {
    fillGridBatch(gridBatch, id, Math.min(task.batchSize, to - id));
    conntrackExecute(tracker, gridBatch, action, START_MS + Math.trunc(batches / FLOOD_BATCHES_PER_MS));
  }
}

/** Sends batches `from` to before `to` of the established traffic. Stops early when the flood is over. */
function talk(tracker: Tracker, connections: number, from: number, to: number): number {
  const perBatch = task.batchSize >> 1;
  for (let batches = from; batches < to; batches++) {
    if (load(task.words, FLOOD_OVER) !== 0) {
      return batches;
    }
    fillTalkBatch(talkBatch, (batches * perBatch) % connections, task.batchSize, connections);
    conntrackExecute(tracker, talkBatch, action, START_MS + Math.trunc(batches / TALK_BATCHES_PER_MS));
  }
  return to;
}

/** Batches that cover each of the connections once. */
function batchesFor(connections: number): number {
  return Math.ceil(connections / (task.batchSize >> 1));
}

/** Runs the same functions on a table of its own until the compiler has nothing left to do. */
function warmUp(): void {
  const conntrack = new Conntrack({ maxConnections: WARM_UP_TABLE, maxParticipants: 1, tableFull: 'early-drop' });
  const { tracker } = conntrack;
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    conntrack.tableFull = round % 3 === 2 ? 'refuse' : 'early-drop';
    tracker.enter();
    talk(tracker, WARM_UP_TABLE / 4, 0, 4 * batchesFor(WARM_UP_TABLE / 4));
    open(tracker, WARM_UP_TABLE / 4, 4 * WARM_UP_TABLE);
    tracker.leave();
    conntrack.flush();
  }
}

function measure(tracker: Tracker): FloodThreadResult {
  const { role, connections, table, established, barrier, words } = task;
  const { counters } = tracker;
  const rounds = batchesFor(established);
  let packets = 0;
  let startNs = 0;
  let endNs = 0;
  let strangers = 0;
  tracker.enter();
  if (role === 'established') {
    /* The first round opens all connections and replies. The second finds them established. */
    talk(tracker, established, 0, 2 * rounds);
  }
  arriveAndWait(barrier, 0, 2);
  if (role === 'flood') {
    open(tracker, established, table);
  }
  arriveAndWait(barrier, 0, 2);
  startNs = Number(process.hrtime.bigint());
  if (role === 'flood') {
    open(tracker, table, table + connections);
    packets = connections;
    endNs = Number(process.hrtime.bigint());
    store(words, FLOOD_OVER, 1);
    arriveAndWait(barrier, 0, 2);
  } else {
    const before = counters[Counter.established]!;
    packets = (talk(tracker, established, 2 * rounds, Number.MAX_SAFE_INTEGER) - 2 * rounds) * task.batchSize;
    endNs = Number(process.hrtime.bigint());
    arriveAndWait(barrier, 0, 2);
    /* Run once more through each connection. */
    store(words, FLOOD_OVER, 0);
    const last = talk(tracker, established, 2 * rounds, 3 * rounds);
    strangers = packets + (last - 2 * rounds) * task.batchSize - (counters[Counter.established]! - before);
  }
  tracker.quiesce();
  tracker.close();
  return { packets, ms: (endNs - startNs) / 1e6, strangers };
}

/** A PMD of a sample of `bench rate` (rate-sample.ts). It rehearses on one table, then measures on another. */

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { Tracker } from '../../src/core/tracker.ts';
import type { Words } from '../../src/shared/access.ts';
import { arriveAndWait } from '../../src/shared/sync/barrier.ts';
import { StatusWord } from '../../src/workers/threads/status.ts';
import { LATENCY_BINS } from '../samples/latency-histogram.ts';
import { FlowBatch, GRID_TUPLES } from './flow-batch.ts';
import type { RateSampleOptions } from './rate-options.ts';
import { RatePmd, type RateRunResult } from './rate-pmd.ts';
import { ReceiveRing } from './receive-ring.ts';
import { scheduleOf } from './schedule.ts';

export interface RateThreadTask {
  options: RateSampleOptions;
  index: number;
  barrier: Words;
  bins: Float64Array;
  rehearsal: RateTable;
}

/** A table, and the status words of its sweeper. */
export interface RateTable {
  memory: TrackerMemory;
  status: Words;
  /** Flows of all threads together. */
  flows: number;
}

export interface RateThreadResult extends RateRunResult {
  /** All packets that this thread sent through the table. */
  sent: number;
  opened: number;
  /** Packets a second that it builds without tracking them. */
  senderPps: number;
}

/** Offered in the rehearsal: more than any thread can track, then so few that most batches are small. */
const OVERLOAD_PPS = 20_000_000;
const LIGHT_PPS = 400_000;

const { options, index, barrier, bins, rehearsal } = workerData as RateThreadTask;
const { threads } = options;

const senderPps = rehearse();
const ready = once(parentPort!, 'message') as Promise<[RateTable]>;
parentPort!.postMessage('warm');
const [table] = await ready;
parentPort!.postMessage(measure(table));
parentPort!.close();

function shareOf(all: number): number {
  return Math.floor((all * (index + 1)) / threads) - Math.floor((all * index) / threads);
}

/** A thread without flows of its own would have nothing to send. */
function flowsOf(all: number): number {
  return Math.max(1, shareOf(all));
}

function makePmd(tracker: Tracker, { status, flows }: RateTable): RatePmd {
  const tuples = Math.floor(GRID_TUPLES / threads);
  const range = { firstTuple: index * tuples, tuples, flows: flowsOf(flows) };
  return new RatePmd({
    tracker,
    schedule: scheduleOf(options.shape, range),
    batch: new FlowBatch(options.batchSize),
    batchSize: options.batchSize,
    ring: new ReceiveRing(options.ring),
    /* The sweeper goes by the clock of the first thread. The clocks of the others differ by less than a batch. */
    reachedMs: new Float64Array(index === 0 ? status.buffer : new SharedArrayBuffer(64), StatusWord.REACHED_MS * 4, 1),
  });
}

/** Runs the same code until the compiler has nothing left to do. @returns packets a second of a dry run */
function rehearse(): number {
  const tracker = new Tracker(rehearsal.memory);
  const pmd = makePmd(tracker, rehearsal);
  const seconds = options.rehearsalSeconds / 4;
  const load = { seconds, bins };
  tracker.enter();
  pmd.openOldFlows(flowsOf(rehearsal.flows));
  for (const pps of [OVERLOAD_PPS, LIGHT_PPS, OVERLOAD_PPS]) {
    pmd.run({ ...load, pps });
  }
  const { judged, ms } = pmd.run({ ...load, pps: 20 * OVERLOAD_PPS, isDry: true });
  tracker.leave();
  tracker.close();
  return (judged / ms) * 1000;
}

function measure(measured: RateTable): RateThreadResult {
  const tracker = new Tracker(measured.memory);
  const pmd = makePmd(tracker, measured);
  const opened = flowsOf(measured.flows);
  const pps = options.pps / threads;
  tracker.enter();
  let sent = pmd.openOldFlows(opened);
  arriveAndWait(barrier, 0, threads);
  sent += pmd.run({ pps, seconds: options.settleSeconds, bins }).judged;
  bins.fill(0, 0, LATENCY_BINS);
  const result = pmd.run({ pps, seconds: options.seconds, bins });
  tracker.leave();
  tracker.close();
  return { ...result, sent: sent + result.judged, opened, senderPps };
}

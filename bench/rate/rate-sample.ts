/**
 * One sample of `bench rate`. `node rate-sample.js '<RateSampleOptions>'` prints a RateSample as a line of JSON.
 *
 * The PMDs rehearse on a small table. Then they open the flows of the measured table, whose ages are those of a load that has run for
 * long. They offer the load for a while, then measure. A sweeper runs beside them all the time.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { Counters } from '../../src/core/counters.ts';
import { bucketsFor } from '../../src/core/engines/registry.ts';
import { MAX_CONNECTIONS } from '../../src/core/memory/table-options.ts';
import { allocateWords, notify, store } from '../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../src/shared/sync/barrier.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { StatusWord, statusWords } from '../../src/workers/threads/status.ts';
import { LATENCY_BINS, latencyBins, latencyQuantile } from '../samples/latency-histogram.ts';
import { accountingError } from './accounting.ts';
import type { RateSample, RateSampleOptions } from './rate-options.ts';
import { START_MS } from './rate-pmd.ts';
import type { RateSweeperTask } from './rate-sweeper.ts';
import type { RateTable, RateThreadResult, RateThreadTask } from './rate-thread.ts';
import { ENDLESS_TIMEOUT_S, LIFE_TIMEOUT_S } from './schedule.ts';

/** Flows of the rehearsal, and its sweep interval: in the rehearsal's overload, flows end fast. */
const REHEARSAL_FLOWS = 20_000;
const REHEARSAL_SWEEP_MS = 20;
/** Room for flows that have expired and were not removed yet. */
const ROOM = 2;
/** Room for the credits that threads hold, where no flow ends. */
const SPARE = 10_000;

const options = JSON.parse(process.argv[2]!) as RateSampleOptions;
tuneCompiler();
console.log(JSON.stringify(await sample()));

/** A table with its sweeper. */
interface Swept {
  conntrack: Conntrack;
  table: RateTable;
  /** Stops the sweeper. The figures of the table stay the same from then on. */
  stop(): Promise<void>;
}

function makeTable(flows: number): Conntrack {
  const { engine, buckets, threads, shape } = options;
  const isEndless = shape.kind !== 'lives';
  const conntrack = new Conntrack({
    engine,
    buckets: bucketsFor(engine, { threads, buckets }),
    maxConnections: Math.min(MAX_CONNECTIONS, isEndless ? flows + SPARE : ROOM * flows),
    prefaultConnections: flows,
    maxParticipants: threads + 3,
  });
  const s = isEndless ? ENDLESS_TIMEOUT_S : LIFE_TIMEOUT_S;
  conntrack.setTimeoutPolicy(0, { udp_first: s, udp_single: s, udp_multiple: s });
  return conntrack;
}

function sweepBeside(conntrack: Conntrack, flows: number): Swept {
  const { threads } = options;
  const { memory } = conntrack;
  const status = allocateWords(statusWords(threads));
  new Float64Array(status.buffer, StatusWord.REACHED_MS * 4, 1)[0] = START_MS;
  const { filename, execArgv } = workerEntry('rate-sweeper', import.meta.url);
  const worker = new Worker(filename, { execArgv, workerData: { memory, status, threads } satisfies RateSweeperTask });
  const ended = once(worker, 'exit');
  return {
    conntrack,
    table: { memory, status, flows },
    stop: async () => {
      store(status, StatusWord.STOP, 1);
      notify(status, StatusWord.STOP, 1);
      await ended;
    },
  };
}

async function sample(): Promise<RateSample> {
  const { threads, flows } = options;
  const rehearsalFlows = Math.min(flows, REHEARSAL_FLOWS);
  const rehearsed = makeTable(rehearsalFlows);
  rehearsed.sweepIntervalMs = REHEARSAL_SWEEP_MS;
  const rehearsal = sweepBeside(rehearsed, rehearsalFlows);
  const barrier = allocateWords(BARRIER_WORDS);
  const bins = Array.from({ length: threads }, () => new Float64Array(new SharedArrayBuffer(LATENCY_BINS * 8)));
  const entry = workerEntry('rate-thread', import.meta.url, threads);
  const workers = bins.map((own, index) => {
    const task: RateThreadTask = { options, index, barrier, bins: own, rehearsal: rehearsal.table };
    return new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  await rehearsal.stop();

  const measured = sweepBeside(makeTable(flows), flows);
  const results = Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[RateThreadResult]>));
  for (const worker of workers) {
    worker.postMessage(measured.table);
  }
  const threadResults = (await results).map(([result]) => result);
  await measured.stop();
  return evaluate(measured.conntrack, threadResults, bins);
}

function removedOf({ expiredAtLookup, expiredAtSweep, killed, flushed, evicted }: Counters): number {
  return expiredAtLookup + expiredAtSweep + killed + flushed + evicted;
}

function evaluate(
  conntrack: Conntrack,
  results: readonly RateThreadResult[],
  bins: readonly Float64Array[],
): RateSample {
  const sum = (value: (result: RateThreadResult) => number) => results.reduce((all, each) => all + value(each), 0);
  const most = (value: (result: RateThreadResult) => number) => Math.max(...results.map(value));
  const counters = conntrack.counters();
  const opened = sum((each) => each.opened);
  const [offered, judged, dropped] = [
    sum((each) => each.offered),
    sum((each) => each.judged),
    sum((each) => each.dropped),
  ];
  const accounting = {
    offered,
    judged,
    dropped,
    sent: sum((each) => each.sent),
    packets: counters.packets,
    verdicts: counters.new + counters.established + counters.related + counters.invalid,
    invalid: counters.invalid,
    created: counters.created,
    removed: removedOf(counters),
    live: conntrack.connCount,
    opened,
  };
  const error = accountingError(accounting);
  /* Of all connections that came after the opening, as many as the time of the measurement has of the load's. */
  const share = options.seconds / (options.seconds + options.settleSeconds);
  const ms = most((each) => each.ms);
  const perS = (connections: number) => (Math.max(0, connections) * share * 1000) / ms;
  return {
    offered,
    judged,
    dropped,
    refused: counters.tableFull + counters.insertFailed,
    ms,
    createdPerS: perS(accounting.created - opened),
    removedPerS: perS(accounting.removed),
    ...latencies(bins),
    idleShare: sum((each) => each.idleMs / each.ms) / results.length,
    longestPauseMs: most((each) => each.longestPauseMs),
    senderPps: sum((each) => each.senderPps),
    live: accounting.live,
    accounting,
    ...(error === undefined ? {} : { error: `the accounting of a run is wrong: ${error}` }),
  };
}

function latencies(bins: readonly Float64Array[]): Pick<RateSample, 'latencyUs' | 'latencyNs'> {
  const all = bins[0]!.map((_, bin) => bins.reduce((total, thread) => total + thread[bin]!, 0));
  const us = (share: number) => latencyQuantile(all, share) / 1000;
  return {
    latencyUs: { p50: us(0.5), p99: us(0.99), p999: us(0.999), max: us(1) },
    ...(options.histogram ? { latencyNs: latencyBins(all) } : {}),
  };
}

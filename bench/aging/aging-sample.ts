/**
 * One sample of the aging benchmark, in a process of its own: `node aging-sample.js '<AgingSampleOptions>'` prints an
 * AgingSample as a line of JSON. One table, PMDs, and the datapath's sweeper on the system's clock:
 *
 *   1. rehearsal, on the same table: connections that come and expire, until the code of all threads is compiled
 *   2. the table is filled; memory per connection
 *   3. nobody sends, nothing expires: what the sweeper costs then
 *   4. traffic, with the sweeper at work and held up in turn: the latency of batches
 *   5. connections that expire one after the other: when each is gone
 *   6. all connections expire at once: what the removal of one costs, and when the last is gone
 */

import { Worker } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import { allocateWords, store } from '../../src/shared/access.ts';
import { tuneCompiler } from '../../src/workers/compiler.ts';
import { workerEntry } from '../../src/workers/entry.ts';
import { statusWords, StatusWord, sweeperNumber, workerLine } from '../../src/workers/status.ts';
import type { SweeperTask } from '../../src/workers/sweeper.ts';
import { type AgingAnswer, type AgingTask, PROBE_POLICY } from './aging-tasks.ts';
import { LATENCY_BINS, latencyQuantile } from '../samples/latency-histogram.ts';
import { quantile } from '../statistics/statistics.ts';
import { threadTimeNs } from '../samples/thread-time.ts';

export interface AgingSampleOptions {
  engine: EngineName;
  buckets: number;
  connections: number;
  /** PMDs. */
  threads: number;
  /** Shorter phases. */
  isQuick?: boolean;
}

export interface AgingSample {
  lagMs: { p50: number; p99: number; max: number };
  /** When the last of all connections, expired at once, was gone, ms after its expiry. */
  allAtOnceMs: number;
  /** Of a core, while nothing expires; absent where the system does not tell. */
  sweeperCpuPercent?: number;
  nsPerVisited?: number;
  nsPerRemoved?: number;
  bytesPerConnection: number;
  /** Microseconds of a batch: with the sweeper at work, and with the sweeper held up. */
  latencyUs: { with: Quantiles; without: Quantiles };
  error?: string;
}

interface Quantiles {
  p50: number;
  p99: number;
  p999: number;
}

const REHEARSAL_CONNECTIONS = 20_000;
const options = JSON.parse(process.argv[2]!) as AgingSampleOptions;
const IDLE_MS = options.isQuick ? 1000 : 3000;
const WINDOW_MS = options.isQuick ? 200 : 400;
const WINDOWS = options.isQuick ? 2 : 6;
const PROBE_TIMEOUT_S = 1;
const PROBE_MS = options.isQuick ? 1000 : 3000;
/** No connection that is not a probe expires within this time. */
const LONG_S = 3600;
const SOON_S = options.isQuick ? 1 : 2;
const SHORT_REHEARSAL_MS = 300;
/** The sweeper does not come within this time: it is held up. */
const NEVER_MS = 0x7fffffff;
const MASS_PATIENCE_MS = 60_000;

tuneCompiler();
console.log(JSON.stringify(await sample()));
process.exit(0);

async function sample(): Promise<AgingSample> {
  const { engine, buckets, connections, threads } = options;
  const ct = new Conntrack({
    engine,
    ...(engine === 'ct-bucket' ? { buckets } : {}),
    maxConnections: Math.max(3_000_000, connections) + 500_000,
  });
  const intervalMs = ct.sweepIntervalMs;
  ct.setTimeoutPolicy(PROBE_POLICY, { udp_first: PROBE_TIMEOUT_S, udp_single: PROBE_TIMEOUT_S });
  const expireAfter = (seconds: number) => ct.setTimeoutPolicy(0, { udp_first: seconds, udp_single: seconds });

  const entry = workerEntry('aging-thread', import.meta.url);
  const pmds = Array.from(
    { length: threads },
    () => new Worker(entry.filename, { execArgv: entry.execArgv, workerData: ct.memory }),
  );
  const status = allocateWords(statusWords(threads));
  const sweeperEntry = workerEntry('aging-sweeper', import.meta.url);
  const sweeper = new Worker(sweeperEntry.filename, {
    execArgv: sweeperEntry.execArgv,
    workerData: {
      memory: ct.memory,
      status,
      clock: 'system',
      line: workerLine(threads, sweeperNumber(threads)),
      beatMs: 1000,
    } satisfies SweeperTask,
  });
  const sweeperId = (await answer(sweeper)) as number | undefined;
  const share = Math.floor(connections / threads);
  /** Grid numbers of probes begin behind all connections; no number is used twice. */
  let probes = connections;

  expireAfter(1);
  await each((pmd) => ({ kind: 'send', first: pmd * REHEARSAL_CONNECTIONS, count: REHEARSAL_CONNECTIONS }));
  await talk(SHORT_REHEARSAL_MS, REHEARSAL_CONNECTIONS);
  await each((pmd) => ({
    kind: 'probe',
    firstProbe: takeProbes(pmd),
    durationMs: SHORT_REHEARSAL_MS,
    timeoutMs: 1000,
  }));
  await emptied();

  expireAfter(LONG_S);
  const residentBefore = process.memoryUsage.rss();
  await each((pmd) => ({ kind: 'send', first: pmd * share, count: share }));
  const bytesPerConnection = (process.memoryUsage.rss() - residentBefore) / (share * threads);

  const firstRound = await spent(() => rounds(2));
  const idle = await spent(() => delay(IDLE_MS));

  const withBins = new Float64Array(LATENCY_BINS);
  const withoutBins = new Float64Array(LATENCY_BINS);
  for (let window = 0; window < WINDOWS; window++) {
    const isHeldUp = window % 2 === 1;
    ct.sweepIntervalMs = isHeldUp ? NEVER_MS : intervalMs;
    await (isHeldUp ? delay(50) : rounds(1));
    for (const { bins } of await talk(WINDOW_MS, share)) {
      add(isHeldUp ? withoutBins : withBins, bins!);
    }
  }
  ct.sweepIntervalMs = intervalMs;
  await delay(2 * intervalMs);

  const probed = await each((pmd) => ({
    kind: 'probe',
    firstProbe: takeProbes(pmd),
    durationMs: PROBE_MS,
    timeoutMs: PROBE_TIMEOUT_S * 1000,
  }));
  const lags = probed.flatMap(({ lagsMs }) => [...lagsMs!]);
  const opened = probed.reduce((sum, { probes: count }) => sum + count!, 0);

  expireAfter(SOON_S);
  await each((pmd) => ({ kind: 'send', first: pmd * share, count: share }));
  const expiredMs = performance.now() + SOON_S * 1000;
  const removal = await spent(emptied);
  const allAtOnceMs = performance.now() - expiredMs;

  store(status, StatusWord.STOP, 1);
  ct.sweepIntervalMs = intervalMs;
  const { created, expiredAtSweep, expiredAtLookup, tableFull, insertFailed } = ct.counters();
  const isRight =
    ct.connCount === 0 &&
    lags.length === opened &&
    created === expiredAtSweep + expiredAtLookup &&
    tableFull + insertFailed === 0;
  return {
    lagMs: { p50: quantile(lags, 0.5), p99: quantile(lags, 0.99), max: Math.max(...lags) },
    allAtOnceMs,
    ...(idle.cpuNs === undefined ? {} : { sweeperCpuPercent: (idle.cpuNs / 1e6 / idle.wallMs) * 100 }),
    ...(firstRound.cpuNs === undefined || firstRound.visited === 0
      ? {}
      : { nsPerVisited: firstRound.cpuNs / firstRound.visited }),
    ...(removal.cpuNs === undefined ? {} : { nsPerRemoved: removal.cpuNs / (share * threads) }),
    bytesPerConnection,
    latencyUs: { with: quantiles(withBins), without: quantiles(withoutBins) },
    ...(isRight
      ? {}
      : {
          error: `the accounting of the table is wrong: ${JSON.stringify({ live: ct.connCount, created, expiredAtSweep, expiredAtLookup, opened, gone: lags.length, tableFull, insertFailed })}`,
        }),
  };

  function takeProbes(pmd: number): number {
    /* More than any phase opens. */
    probes += 2_000_000;
    return probes + pmd * 1_000_000;
  }

  function each(taskOf: (pmd: number) => AgingTask): Promise<AgingAnswer[]> {
    return Promise.all(
      pmds.map((pmd, index) => {
        pmd.postMessage(taskOf(index));
        return answer(pmd) as Promise<AgingAnswer>;
      }),
    );
  }

  function talk(durationMs: number, count: number): Promise<AgingAnswer[]> {
    return each((pmd) => ({ kind: 'talk', first: pmd * count, count, durationMs, firstProbe: takeProbes(pmd) }));
  }

  /** Until the sweeper has gone round so often from now on. */
  async function rounds(count: number): Promise<void> {
    const until = ct.counters().sweepRounds + count;
    while (ct.counters().sweepRounds < until) {
      await delay(5);
    }
  }

  async function emptied(): Promise<void> {
    const end = performance.now() + MASS_PATIENCE_MS;
    while (ct.connCount > 0 && performance.now() < end) {
      await delay(5);
    }
  }

  /** What the sweeper does while something goes on. */
  async function spent(work: () => Promise<void>): Promise<{ cpuNs?: number; wallMs: number; visited: number }> {
    const fromNs = threadTimeNs(sweeperId);
    const fromMs = performance.now();
    const before = ct.counters().sweepVisited;
    await work();
    const cpuNs = threadTimeNs(sweeperId);
    return {
      ...(cpuNs === undefined ? {} : { cpuNs: cpuNs - fromNs! }),
      wallMs: performance.now() - fromMs,
      visited: ct.counters().sweepVisited - before,
    };
  }
}

function answer(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message) => {
      worker.off('error', reject);
      resolve(message);
    });
    worker.once('error', reject);
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function add(to: Float64Array, from: Float64Array): void {
  for (let bin = 0; bin < to.length; bin++) {
    to[bin]! += from[bin]!;
  }
}

function quantiles(bins: Float64Array): Quantiles {
  const us = (share: number) => latencyQuantile(bins, share) / 1000;
  return { p50: us(0.5), p99: us(0.99), p999: us(0.999) };
}

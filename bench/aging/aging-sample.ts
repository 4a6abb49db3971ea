/**
 * One sample of the aging benchmark. `node aging-sample.js '<AgingSampleOptions>'` prints an AgingSample as a line of JSON.
 * PMDs and the datapath's sweeper share one table and use the system's clock:
 *
 *   1. Rehearsal on the same table: connections come and expire until the code of all threads is compiled.
 *   2. The PMDs fill the table. This gives the memory per connection.
 *   3. No PMD sends and no connection expires. This gives the idle cost of the sweeper.
 *   4. Traffic, in turn with the sweeper running and paused. This gives the latency of batches.
 *   5. Connections expire one after another. This gives the lag of each removal.
 *   6. All connections expire at once. This gives the cost of a removal, and the time until the last one is gone.
 */

import { Worker } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import { engineKind } from '../../src/core/engines/registry.ts';
import { allocateWords, store, type Words } from '../../src/shared/access.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { statusWords, StatusWord, sweeperNumber, workerLine } from '../../src/workers/threads/status.ts';
import type { SweeperTask } from '../../src/workers/threads/sweeper.ts';
import { AgingCrew, delay, nextMessage, type SweeperWork } from './aging-crew.ts';
import { PROBE_POLICY, PROBE_ROOM } from './aging-tasks.ts';
import { LATENCY_BINS, latencyQuantile } from '../samples/latency-histogram.ts';
import { quantile } from '../statistics/statistics.ts';

export interface AgingSampleOptions {
  engine: EngineName;
  buckets: number;
  connections: number;
  /** Number of PMDs. */
  threads: number;
  /** Makes the phases shorter. */
  isQuick?: boolean;
}

export interface AgingSample {
  lagMs: { p50: number; p99: number; max: number };
  /** All connections expire at once: ms until the last one was gone. */
  allAtOnceMs: number;
  /** Percent of one core while nothing expires. Absent if the system does not report thread times. */
  sweeperCpuPercent?: number;
  nsPerVisited?: number;
  nsPerRemoved?: number;
  bytesPerConnection: number;
  /** Microseconds for a batch, with the sweeper running and with the sweeper paused. */
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
/** Timeout of connections that must not expire during the sample. */
const LONG_S = 3600;
const SOON_S = options.isQuick ? 1 : 2;
const SHORT_REHEARSAL_MS = 300;
/** A sweep interval that pauses the sweeper. */
const NEVER_MS = 0x7fffffff;

tuneCompiler();
console.log(JSON.stringify(await sample()));
process.exit(0);

function startPmds(ct: Conntrack): Worker[] {
  const entry = workerEntry('aging-thread', import.meta.url, options.threads);
  const start = () => new Worker(entry.filename, { execArgv: entry.execArgv, workerData: ct.memory });
  return Array.from({ length: options.threads }, start);
}

function startSweeper(ct: Conntrack, status: Words): Worker {
  const { threads } = options;
  const entry = workerEntry('aging-sweeper', import.meta.url);
  const task: SweeperTask = {
    memory: ct.memory,
    status,
    clock: 'system',
    line: workerLine(threads, sweeperNumber(threads)),
    beatMs: 1000,
  };
  return new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
}

function makeTable(): Conntrack {
  const { engine, buckets, connections } = options;
  const ct = new Conntrack({
    engine,
    ...(engineKind(engine).hasBuckets ? { buckets } : {}),
    maxConnections: Math.max(3_000_000, connections) + PROBE_ROOM,
  });
  ct.setTimeoutPolicy(PROBE_POLICY, { udp_first: PROBE_TIMEOUT_S, udp_single: PROBE_TIMEOUT_S });
  return ct;
}

/** Phase 1: connections come and expire until the code of all threads is compiled. */
async function rehearse(crew: AgingCrew): Promise<void> {
  crew.expireAfter(1);
  await crew.send(REHEARSAL_CONNECTIONS);
  await crew.talk(SHORT_REHEARSAL_MS, REHEARSAL_CONNECTIONS);
  await crew.probe(SHORT_REHEARSAL_MS, 1000);
  await crew.emptied();
}

/** Phase 2: fills the table. @returns bytes per connection */
async function fill(crew: AgingCrew, share: number): Promise<number> {
  crew.expireAfter(LONG_S);
  const residentBefore = process.memoryUsage.rss();
  await crew.send(share);
  return (process.memoryUsage.rss() - residentBefore) / (share * options.threads);
}

/** Phase 4: traffic, in turn with the sweeper running and paused. */
async function latencies(crew: AgingCrew, share: number, intervalMs: number): Promise<AgingSample['latencyUs']> {
  const { ct } = crew;
  const withBins = new Float64Array(LATENCY_BINS);
  const withoutBins = new Float64Array(LATENCY_BINS);
  for (let window = 0; window < WINDOWS; window++) {
    const isHeldUp = window % 2 === 1;
    ct.sweepIntervalMs = isHeldUp ? NEVER_MS : intervalMs;
    await (isHeldUp ? delay(50) : crew.rounds(1));
    for (const { bins } of await crew.talk(WINDOW_MS, share)) {
      add(isHeldUp ? withoutBins : withBins, bins!);
    }
  }
  ct.sweepIntervalMs = intervalMs;
  await delay(2 * intervalMs);
  return { with: quantiles(withBins), without: quantiles(withoutBins) };
}

/** Phase 6: all connections expire at once. @returns the sweeper's work, and ms until the last connection was gone */
async function expireAll(crew: AgingCrew, share: number): Promise<{ removal: SweeperWork; allAtOnceMs: number }> {
  crew.expireAfter(SOON_S);
  await crew.send(share);
  const expiredMs = performance.now() + SOON_S * 1000;
  const removal = await crew.spent(() => crew.emptied());
  return { removal, allAtOnceMs: performance.now() - expiredMs };
}

/** Call when all connections are gone. @returns the first error in the accounting of the table */
function faultOf(ct: Conntrack, opened: number, gone: number): string | undefined {
  const { created, expiredAtSweep, expiredAtLookup, tableFull, insertFailed } = ct.counters();
  const live = ct.connCount;
  const isRight =
    live === 0 && gone === opened && created === expiredAtSweep + expiredAtLookup && tableFull + insertFailed === 0;
  const figures = { live, created, expiredAtSweep, expiredAtLookup, opened, gone, tableFull, insertFailed };
  return isRight ? undefined : `the accounting of the table is wrong: ${JSON.stringify(figures)}`;
}

async function sample(): Promise<AgingSample> {
  const { connections, threads } = options;
  const ct = makeTable();
  const intervalMs = ct.sweepIntervalMs;
  const pmds = startPmds(ct);
  const status = allocateWords(statusWords(threads));
  const sweeperId = (await nextMessage(startSweeper(ct, status))) as number | undefined;
  const crew = new AgingCrew(ct, pmds, sweeperId, connections);
  const share = Math.floor(connections / threads);

  await rehearse(crew);
  const bytesPerConnection = await fill(crew, share);
  const firstRound = await crew.spent(() => crew.rounds(2));
  const idle = await crew.spent(() => delay(IDLE_MS));
  const latencyUs = await latencies(crew, share, intervalMs);
  const probed = await crew.probe(PROBE_MS, PROBE_TIMEOUT_S * 1000);
  const lags = probed.flatMap(({ lagsMs }) => [...lagsMs!]);
  const opened = probed.reduce((sum, { probes: count }) => sum + count!, 0);
  const { removal, allAtOnceMs } = await expireAll(crew, share);

  store(status, StatusWord.STOP, 1);
  ct.sweepIntervalMs = intervalMs;
  const error = faultOf(ct, opened, lags.length);
  return {
    lagMs: { p50: quantile(lags, 0.5), p99: quantile(lags, 0.99), max: Math.max(...lags) },
    allAtOnceMs,
    ...(idle.cpuNs === undefined ? {} : { sweeperCpuPercent: (idle.cpuNs / 1e6 / idle.wallMs) * 100 }),
    ...(firstRound.cpuNs === undefined || firstRound.visited === 0
      ? {}
      : { nsPerVisited: firstRound.cpuNs / firstRound.visited }),
    ...(removal.cpuNs === undefined ? {} : { nsPerRemoved: removal.cpuNs / (share * threads) }),
    bytesPerConnection,
    latencyUs,
    ...(error === undefined ? {} : { error }),
  };
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

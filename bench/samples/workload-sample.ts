/**
 * One sample of a workload, in a process of its own: `node workload-sample.js '<WorkloadSampleOptions>'` prints a
 * WorkloadSample as a line of JSON.
 *
 * The threads come up and warm up on other tables; only then is the table made, so that what the process
 * occupies before and after is the table alone. All start each phase at a barrier; whole phases are timed, from the first
 * thread's start to the last one's end.
 */

import { Worker } from 'node:worker_threads';
import { Conntrack } from '../../src/core/conntrack.ts';
import { COUNTER_NAMES, type Counters } from '../../src/core/counters.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import type { ConntrackOptions } from '../../src/core/memory.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../src/shared/barrier.ts';
import { tuneCompiler } from '../../src/workers/compiler.ts';
import { workerEntry } from '../../src/workers/entry.ts';
import { LATENCY_BINS, latencyQuantile } from './latency-histogram.ts';
import { PhaseTimes } from './phase-times.ts';
import { profileOf } from '../../src/core/lock-records.ts';
import type { LockProfile } from '../../src/core/lock-records.ts';
import type { WorkloadSweeperTask } from './workload-sweeper.ts';
import type { WorkloadTable, WorkloadThreadTask } from './workload-thread.ts';
import { CHURN_TIMEOUT_S } from '../workloads/churn.ts';
import { type WorkloadName, workloadOf } from '../workloads/registry.ts';
import { SHARED_WORDS } from '../workloads/workload.ts';

export interface WorkloadSampleOptions {
  workload: WorkloadName;
  /** One of the workload's; default its first. */
  variant?: string;
  engine?: EngineName;
  threads: number;
  /** Of all threads together, or with perThread of each. */
  connections: number;
  perThread?: boolean;
  /** Each thread has a table of its own: what the machine allows where nothing is shared. */
  separateTables?: boolean;
  batchSize: number;
  /** Of each thread, connections whose packets come side by side; default all. */
  window?: number;
  buckets: number;
  /** Memory for all connections is committed before the start. */
  prefaulted: boolean;
  /** Every batch is timed, which costs some time itself. */
  latency?: boolean;
  /** Tables to warm up on, and connections of each, where the defaults take too long. */
  rehearsals?: number;
  rehearsalConnections?: number;
  /** How often the phases are measured, each time on a new table; once unless said. */
  repetitions?: number;
}

export interface PhaseResult {
  name: string;
  ms: number;
  /** Processor time, with one thread. */
  cpuMs?: number;
  packets: number;
  /** Of each thread. */
  threadMs: number[];
}

export interface WorkloadSample {
  /** Of the first repetition. */
  results: PhaseResult[];
  /** Of all, if more than one was asked for. */
  repetitions?: { results: PhaseResult[] }[];
  /** (resident with all connections - resident before the table was made) / connections. */
  bytesPerConnection: number;
  /** Of a batch in the timed phases, if asked for. */
  latencyUs?: { p50: number; p99: number; p999: number };
  counters: Partial<Counters>;
  /** In a profiled process: of the last repetition's first table. */
  profile?: LockProfile;
  /** Set when the books do not balance: the sample is then void. */
  error?: string;
}

/**
 * Packets of a rehearsal, and the fewest connections: with these two or three have equal hashes, code that must not be met
 * for the first time later.
 */
const REHEARSALS = 4;
const REHEARSAL_PACKETS = 300_000;
const FEWEST_REHEARSED = 100_000;
const REHEARSAL_BUCKETS = 16;
/** IPv6 records are twice as large. */
const SPARE_RECORDS = 2;

const options = JSON.parse(process.argv[2]!) as WorkloadSampleOptions;
tuneCompiler();
console.log(JSON.stringify(await sample()));

async function sample(): Promise<WorkloadSample> {
  const { threads, perThread = false, separateTables = false, batchSize, repetitions = 1 } = options;
  const workload = workloadOf(options.workload);
  const variant = options.variant ?? workload.variants[0]!;
  const phases = workload.phasesOf(variant);
  const connections = perThread ? options.connections * threads : options.connections;
  const packetsEach = phases.reduce((sum, phase) => sum + phase.packetsPerConnection, 0);
  const rehearsalConnections =
    options.rehearsalConnections ??
    (workload.hasSweeper ? 20_000 : Math.max(FEWEST_REHEARSED, Math.ceil((2 * REHEARSAL_PACKETS) / packetsEach)));

  const barrier = allocateWords(BARRIER_WORDS);
  const times = PhaseTimes.allocate(threads, phases.length * repetitions);
  const bins = options.latency
    ? Array.from({ length: threads }, () => new Float64Array(new SharedArrayBuffer(LATENCY_BINS * 8)))
    : undefined;
  const rehearsals = Array.from({ length: options.rehearsals ?? REHEARSALS }, () =>
    sharedTable(makeTable({ of: rehearsalConnections, buckets: REHEARSAL_BUCKETS, isRehearsal: true })),
  );
  const entry = workerEntry('workload-thread', import.meta.url);
  const workers = Array.from({ length: threads }, (_, index) => {
    const task: WorkloadThreadTask = {
      workload: options.workload,
      variant,
      index,
      threads,
      connections,
      batchSize,
      window: options.window ?? connections,
      barrier,
      times: times.times,
      rehearsals,
      rehearsalConnections,
      repetitions,
      separateTables,
      ...(bins === undefined ? {} : { bins: bins[index]! }),
    };
    return new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
  });
  const sweepers: Worker[] = [];
  const sweep = (tables: WorkloadTable[]) => {
    if (workload.hasSweeper) {
      const sweeperEntry = workerEntry('workload-sweeper', import.meta.url);
      sweepers.push(
        new Worker(sweeperEntry.filename, {
          execArgv: sweeperEntry.execArgv,
          workerData: { tables, threads: separateTables ? 1 : threads } satisfies WorkloadSweeperTask,
        }),
      );
    }
  };
  sweep(rehearsals);
  const ends = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      }),
  );
  const answers = () => Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
  await Promise.race([answers(), Promise.all(ends)]);

  let bytesPerConnection = 0;
  let error: string | undefined;
  let counters: Counters | undefined;
  let measured: Conntrack | undefined;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const residentBefore = process.memoryUsage.rss();
    const count = separateTables ? threads : 1;
    const tables = Array.from({ length: count }, () =>
      makeTable({ of: connections / count, buckets: options.buckets, isRehearsal: false }),
    );
    const shared = tables.map(sharedTable);
    for (const table of shared) {
      sweep([table]);
    }
    const done = answers();
    for (const [index, worker] of workers.entries()) {
      worker.postMessage(shared[index % count]);
    }
    await Promise.race([done, Promise.all(ends)]);
    if (repetition === 0) {
      /* Later tables may lie where earlier ones lay. */
      bytesPerConnection = (process.memoryUsage.rss() - residentBefore) / connections;
    }
    measured = tables[0]!;
    counters = sumOf(tables.map((table) => table.counters()));
    const live = tables.reduce((sum, table) => sum + table.connCount, 0);
    error ??= workload.fault({ counters, live, connections, threads });
  }
  for (const worker of workers) {
    worker.postMessage('end');
  }
  await Promise.all(ends);

  const runs = Array.from({ length: repetitions }, (_, repetition) => ({
    results: phases.flatMap(({ result, packetsPerConnection }, index): PhaseResult[] => {
      const phase = repetition * phases.length + index;
      return result === undefined
        ? []
        : [
            {
              name: result,
              ms: times.phaseMs(phase),
              ...(threads === 1 ? { cpuMs: times.cpuMs(phase) } : {}),
              packets: packetsPerConnection * connections,
              threadMs: times.threadMs(phase),
            },
          ];
    }),
  }));
  return {
    results: runs[0]!.results,
    ...(repetitions > 1 ? { repetitions: runs } : {}),
    bytesPerConnection,
    ...(bins === undefined ? {} : { latencyUs: quantiles(bins) }),
    counters: Object.fromEntries(Object.entries(counters!).filter(([, count]) => count !== 0)),
    ...profileOf(measured!),
    ...(error === undefined ? {} : { error }),
  };

  function makeTable({ of, buckets, isRehearsal }: { of: number; buckets: number; isRehearsal: boolean }): Conntrack {
    const own: ConntrackOptions = {
      ...(options.engine === undefined ? {} : { engine: options.engine }),
      buckets,
      maxParticipants: threads + 2,
      maxConnections: isRehearsal || repetitions > 1 ? SPARE_RECORDS * Math.ceil(of) : Math.max(3_000_000, 2 * of),
      ...(isRehearsal || !options.prefaulted || workload.fewConnections ? {} : { prefaultConnections: Math.ceil(of) }),
    };
    const table = new Conntrack({ ...own, ...workload.tableOf?.({ connections: of, variant }) });
    if (workload.hasSweeper) {
      const s = CHURN_TIMEOUT_S;
      table.setTimeoutPolicy(0, { udp_first: s, udp_single: s, udp_multiple: s });
    }
    return table;
  }
}

function sharedTable(table: Conntrack): WorkloadTable {
  return { memory: table.memory, shared: allocateWords(SHARED_WORDS) };
}

function sumOf(all: readonly Counters[]): Counters {
  const names = [...COUNTER_NAMES, 'found'] as const;
  const sum = (name: keyof Counters) => all.reduce((total, counters) => total + counters[name], 0);
  return Object.fromEntries(names.map((name) => [name, sum(name)])) as unknown as Counters;
}

function quantiles(bins: readonly Float64Array[]): { p50: number; p99: number; p999: number } {
  const all = bins[0]!.map((_, bin) => bins.reduce((sum, thread) => sum + thread[bin]!, 0));
  const us = (share: number) => latencyQuantile(all, share) / 1000;
  return { p50: us(0.5), p99: us(0.99), p999: us(0.999) };
}

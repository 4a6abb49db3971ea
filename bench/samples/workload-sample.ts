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
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../src/shared/sync/barrier.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { LATENCY_BINS, latencyQuantile } from './latency-histogram.ts';
import { PhaseTimes } from './phase-times.ts';
import { profileOf } from '../../src/core/inspect/lock-records.ts';
import type { WorkloadSweeperTask } from './workload-sweeper.ts';
import type { WorkloadTable, WorkloadThreadTask } from './workload-thread.ts';
import { CHURN_TIMEOUT_S } from '../workloads/churn.ts';
import type { PhaseResult, WorkloadSample, WorkloadSampleOptions } from './workload-options.ts';
import { workloadOf } from '../workloads/registry.ts';
import { type Phase, SHARED_WORDS, type Workload } from '../workloads/workload.ts';

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

/** What is the same in all repetitions. */
interface Plan {
  workload: Workload;
  variant: string;
  phases: readonly Phase[];
  threads: number;
  /** Of all threads together. */
  connections: number;
  separateTables: boolean;
  repetitions: number;
  rehearsalConnections: number;
}

function makePlan(): Plan {
  const { threads, perThread = false, separateTables = false, repetitions = 1 } = options;
  const workload = workloadOf(options.workload);
  const variant = options.variant ?? workload.variants[0]!;
  const phases = workload.phasesOf(variant);
  const packetsEach = phases.reduce((sum, phase) => sum + phase.packetsPerConnection, 0);
  const usual = workload.hasSweeper
    ? 20_000
    : Math.max(FEWEST_REHEARSED, Math.ceil((2 * REHEARSAL_PACKETS) / packetsEach));
  return {
    workload,
    variant,
    phases,
    threads,
    connections: perThread ? options.connections * threads : options.connections,
    separateTables,
    repetitions,
    rehearsalConnections: options.rehearsalConnections ?? usual,
  };
}

interface TableSize {
  /** Connections that it is to hold. */
  of: number;
  buckets: number;
  isRehearsal: boolean;
}

function makeTable(
  { workload, variant, threads, repetitions }: Plan,
  { of, buckets, isRehearsal }: TableSize,
): Conntrack {
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

/** Where the threads leave their times. */
interface Clocks {
  times: PhaseTimes;
  /** Of batches, by thread. */
  bins: Float64Array<SharedArrayBuffer>[] | undefined;
}

function makeClocks({ threads, phases, repetitions }: Plan): Clocks {
  const makeBins = () => new Float64Array(new SharedArrayBuffer(LATENCY_BINS * 8));
  return {
    times: PhaseTimes.allocate(threads, phases.length * repetitions),
    bins: options.latency ? Array.from({ length: threads }, makeBins) : undefined,
  };
}

function startThreads(plan: Plan, { times, bins }: Clocks, rehearsals: WorkloadTable[]): Worker[] {
  const { variant, threads, connections, separateTables, repetitions, rehearsalConnections } = plan;
  const barrier = allocateWords(BARRIER_WORDS);
  const entry = workerEntry('workload-thread', import.meta.url);
  return Array.from({ length: threads }, (_, index) => {
    const task: WorkloadThreadTask = {
      workload: options.workload,
      variant,
      index,
      threads,
      connections,
      batchSize: options.batchSize,
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
}

/** @returns the sweeper; undefined where the workload has none */
function startSweeper({ workload, threads, separateTables }: Plan, tables: WorkloadTable[]): Worker | undefined {
  if (!workload.hasSweeper) {
    return undefined;
  }
  const entry = workerEntry('workload-sweeper', import.meta.url);
  const task: WorkloadSweeperTask = { tables, threads: separateTables ? 1 : threads };
  return new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
}

/** The threads of a sample. */
interface Crew {
  workers: Worker[];
  /** All have ended; rejected if one has failed. */
  ends: Promise<unknown>;
}

function crewOf(workers: Worker[]): Crew {
  const endOf = (worker: Worker) =>
    new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  return { workers, ends: Promise.all(workers.map(endOf)) };
}

/** The next message of every thread, or a failure. */
function answersOf({ workers, ends }: Crew): Promise<unknown> {
  const answers = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
  return Promise.race([Promise.all(answers), ends]);
}

/** What one repetition has left. */
interface Repetition {
  tables: Conntrack[];
  counters: Counters;
  bytesPerConnection: number;
  error: string | undefined;
}

async function measure(plan: Plan, crew: Crew): Promise<Repetition> {
  const { workload, threads, connections, separateTables } = plan;
  const residentBefore = process.memoryUsage.rss();
  const count = separateTables ? threads : 1;
  const size = { of: connections / count, buckets: options.buckets, isRehearsal: false };
  const tables = Array.from({ length: count }, () => makeTable(plan, size));
  const shared = tables.map(sharedTable);
  for (const table of shared) {
    startSweeper(plan, [table]);
  }
  const done = answersOf(crew);
  for (const [index, worker] of crew.workers.entries()) {
    worker.postMessage(shared[index % count]);
  }
  await done;
  const bytesPerConnection = (process.memoryUsage.rss() - residentBefore) / connections;
  const counters = sumOf(tables.map((table) => table.counters()));
  const live = tables.reduce((sum, table) => sum + table.connCount, 0);
  return { tables, counters, bytesPerConnection, error: workload.fault({ counters, live, connections, threads }) };
}

function resultsOf({ phases, threads, connections }: Plan, times: PhaseTimes, repetition: number): PhaseResult[] {
  return phases.flatMap(({ result, packetsPerConnection }, index): PhaseResult[] => {
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
  });
}

async function sample(): Promise<WorkloadSample> {
  const plan = makePlan();
  const { repetitions } = plan;
  const clocks = makeClocks(plan);
  const size = { of: plan.rehearsalConnections, buckets: REHEARSAL_BUCKETS, isRehearsal: true };
  const rehearsals = Array.from({ length: options.rehearsals ?? REHEARSALS }, () => sharedTable(makeTable(plan, size)));
  const crew = crewOf(startThreads(plan, clocks, rehearsals));
  startSweeper(plan, rehearsals);
  await answersOf(crew);

  /* Earlier tables are not held: their memory may be used again. */
  let last = await measure(plan, crew);
  /* Of the first repetition: later tables may lie where earlier ones lay. */
  const { bytesPerConnection } = last;
  let { error } = last;
  for (let repetition = 1; repetition < repetitions; repetition++) {
    last = await measure(plan, crew);
    error ??= last.error;
  }
  for (const worker of crew.workers) {
    worker.postMessage('end');
  }
  await crew.ends;

  const runs = Array.from({ length: repetitions }, (_, repetition) => ({
    results: resultsOf(plan, clocks.times, repetition),
  }));
  return {
    results: runs[0]!.results,
    ...(repetitions > 1 ? { repetitions: runs } : {}),
    bytesPerConnection,
    ...(clocks.bins === undefined ? {} : { latencyUs: quantiles(clocks.bins) }),
    counters: Object.fromEntries(Object.entries(last.counters).filter(([, count]) => count !== 0)),
    ...profileOf(last.tables[0]!),
    ...(error === undefined ? {} : { error }),
  };
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

/**
 * One sample of a workload, in a process of its own: `node workload-sample.js '<WorkloadSampleOptions>'` prints a
 * WorkloadSample as a line of JSON.
 *
 * The threads are a pool. First each thread rehearses on other tables. Only then is the measured table made, so that the growth
 * of the process is the table alone. All threads start each phase at a barrier. A phase lasts from the first thread's start to
 * the last one's end.
 */

import { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Conntrack } from '../../src/core/conntrack.ts';
import { COUNTER_NAMES, type Counters } from '../../src/core/counters.ts';
import { type ConntrackOptions, MAX_CONNECTIONS, MAX_MODULE_CONNECTIONS } from '../../src/core/memory/table-options.ts';
import { bucketsFor } from '../../src/core/engines/registry.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../src/shared/sync/barrier.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { packed } from '../../src/workers/threads/parcel.ts';
import { LATENCY_BINS, latencyQuantile } from './latency-histogram.ts';
import { PhaseTimes } from './phase-times.ts';
import { hostsFor } from './steered.ts';
import { profileOf } from '../../src/core/inspect/lock-records.ts';
import type { WorkloadSweeperTask } from './workload-sweeper.ts';
import type {
  MeasurementTask,
  RehearsalTask,
  ThreadTaskName,
  WorkloadShare,
  WorkloadTable,
} from './workload-thread.ts';
import { CHURN_TIMEOUT_S } from '../workloads/churn.ts';
import type { PhaseResult, WorkloadSample, WorkloadSampleOptions } from './workload-options.ts';
import { workloadOf } from '../workloads/registry.ts';
import { operationsOf, type Phase, SHARED_WORDS, type Workload } from '../workloads/workload.ts';

/**
 * Rehearsal tables, packets on each, and fewest connections. With as many connections two or three have equal hashes. That code
 * path must not run for the first time during the measurement.
 */
const REHEARSALS = 4;
const REHEARSAL_PACKETS = 300_000;
const FEWEST_REHEARSED = 100_000;
const REHEARSAL_BUCKETS = 16;
/** Units of capacity for each connection: IPv6 records are twice as large. */
const SPARE_RECORDS = 2;

const options = JSON.parse(process.argv[2]!) as WorkloadSampleOptions;
tuneCompiler();
console.log(JSON.stringify(await sample()));

/** The plan of a sample, the same for all repetitions. */
interface Plan {
  workload: Workload;
  variant: string;
  phases: readonly Phase[];
  threads: number;
  /** Connections of all threads together. */
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
  const held = heldBy(workload, variant, 1);
  const packetsEach = phases.reduce((sum, phase) => sum + phase.packetsPerConnection, 0);
  const usual = workload.hasSweeper
    ? 20_000
    : Math.ceil(Math.max(FEWEST_REHEARSED / held, (2 * REHEARSAL_PACKETS) / packetsEach));
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

/** Connections that the table holds at once, for `connections` of the workload. */
function heldBy(workload: Workload, variant: string, connections: number): number {
  return workload.tableConnections?.({ connections, variant }) ?? connections;
}

interface TableSize {
  /** Connections of the workload. */
  of: number;
  buckets: number;
  isRehearsal: boolean;
}

/** Capacity of a table that must hold so many: twice as many, but not beyond what the packet module can use if a sixth is left. */
function roomyTable(connections: number): number {
  const twice = 2 * connections;
  return 1.2 * connections <= MAX_MODULE_CONNECTIONS
    ? Math.max(3_000_000, Math.min(twice, MAX_MODULE_CONNECTIONS))
    : Math.min(twice, MAX_CONNECTIONS);
}

function makeTable(
  { workload, variant, threads, repetitions, separateTables: isAlone }: Plan,
  { of, buckets, isRehearsal }: TableSize,
): Conntrack {
  const held = Math.ceil(heldBy(workload, variant, of));
  const own: ConntrackOptions = {
    ...(options.engine === undefined ? {} : { engine: options.engine }),
    buckets: bucketsFor(options.engine ?? 'ct-bucket', { threads: isAlone ? 1 : threads, buckets }),
    maxParticipants: threads + 2,
    maxConnections: isRehearsal || repetitions > 1 ? SPARE_RECORDS * held : roomyTable(held),
    ...(isRehearsal || !options.prefaulted || workload.fewConnections ? {} : { prefaultConnections: held }),
  };
  const table = new Conntrack({ ...own, ...workload.tableOf?.({ connections: of, variant }) });
  if (workload.hasSweeper) {
    const s = CHURN_TIMEOUT_S;
    table.setTimeoutPolicy(0, { udp_first: s, udp_single: s, udp_multiple: s });
  }
  return table;
}

/** Shared memory for the times of the threads. */
interface Clocks {
  times: PhaseTimes;
  /** Latencies of batches, by thread. */
  bins: Float64Array<SharedArrayBuffer>[] | undefined;
}

function makeClocks({ threads, phases, repetitions }: Plan): Clocks {
  const makeBins = () => new Float64Array(new SharedArrayBuffer(LATENCY_BINS * 8));
  return {
    times: PhaseTimes.allocate(threads, phases.length * repetitions),
    bins: options.latency ? Array.from({ length: threads }, makeBins) : undefined,
  };
}

/** Starts the threads. They stay the same for all tasks, so that the measurement finds the code that the rehearsal compiled. */
function startPool({ threads }: Plan): Piscina {
  const { filename, execArgv } = workerEntry('workload-thread', import.meta.url, threads);
  return new Piscina({ filename, execArgv, minThreads: threads, maxThreads: threads, concurrentTasksPerWorker: 1 });
}

/** The parts of a thread's tasks that are the same in rehearsal and measurement. */
function sharesOf({ variant, threads, connections }: Plan, { bins }: Clocks): WorkloadShare[] {
  const barrier = allocateWords(BARRIER_WORDS);
  return Array.from({ length: threads }, (_, index) => ({
    workload: options.workload,
    variant,
    index,
    threads,
    batchSize: options.batchSize,
    window: options.window ?? connections,
    barrier,
    ...(bins === undefined ? {} : { bins: bins[index]! }),
  }));
}

/**
 * Gives every thread one task. The tasks wait for each other at barriers, so no thread can finish one and take another.
 * @throws the error of the first task that fails. The others may wait for it for ever: destroy the pool then.
 */
async function runTogether<Task>(pool: Piscina, name: ThreadTaskName, tasks: readonly Task[]): Promise<void> {
  await Promise.all(tasks.map((task) => pool.run(packed(task), { name })));
}

/**
 * Starts a sweeper, a Worker of its own: it runs beside the tasks of the pool.
 * @returns undefined if the workload has none
 */
function startSweeper({ workload, threads, separateTables }: Plan, tables: WorkloadTable[]): Worker | undefined {
  if (!workload.hasSweeper) {
    return undefined;
  }
  const { filename, execArgv } = workerEntry('workload-sweeper', import.meta.url);
  const task: WorkloadSweeperTask = { tables, threads: separateTables ? 1 : threads };
  return new Worker(filename, { execArgv, workerData: packed(task) });
}

/** The results of a repetition, beside the times. */
interface Repetition {
  tables: Conntrack[];
  counters: Counters;
  bytesPerConnection: number;
  error: string | undefined;
}

/** What all rounds of tasks need. */
interface Crew {
  pool: Piscina;
  shares: readonly WorkloadShare[];
  clocks: Clocks;
}

/** Warms up all threads on other tables. */
function rehearse(plan: Plan, { pool, shares }: Crew): Promise<void> {
  const size = { of: plan.rehearsalConnections, buckets: REHEARSAL_BUCKETS, isRehearsal: true };
  const count = options.rehearsals ?? REHEARSALS;
  const tables = Array.from({ length: count }, () =>
    sharedTable(makeTable(plan, size), plan, plan.rehearsalConnections),
  );
  startSweeper(plan, tables);
  const { rehearsalConnections: connections } = plan;
  const tasks = shares.map((share): RehearsalTask => ({ ...share, connections, tables }));
  return runTogether(pool, 'rehearse', tasks);
}

async function measure(plan: Plan, { pool, shares, clocks }: Crew, repetition: number): Promise<Repetition> {
  const { workload, variant, threads, connections, separateTables, repetitions, phases } = plan;
  const residentBefore = process.memoryUsage.rss();
  const count = separateTables ? threads : 1;
  const size = { of: connections / count, buckets: options.buckets, isRehearsal: false };
  const tables = Array.from({ length: count }, () => makeTable(plan, size));
  const shared = tables.map((table) => sharedTable(table, plan, connections));
  for (const table of shared) {
    startSweeper(plan, [table]);
  }
  const tasks = shares.map(
    (share, index): MeasurementTask => ({
      ...share,
      connections,
      table: shared[index % count]!,
      separateTables,
      times: clocks.times.times,
      firstPhase: repetition * phases.length,
      phases: phases.length * repetitions,
    }),
  );
  await runTogether(pool, 'measure', tasks);
  const bytesPerConnection = (process.memoryUsage.rss() - residentBefore) / heldBy(workload, variant, connections);
  const counters = sumOf(tables.map((table) => table.counters()));
  const live = tables.reduce((sum, table) => sum + table.connCount, 0);
  return {
    tables,
    counters,
    bytesPerConnection,
    error: workload.fault({ counters, live, connections, threads, variant }),
  };
}

function resultsOf({ phases, threads, connections }: Plan, times: PhaseTimes, repetition: number): PhaseResult[] {
  return phases.flatMap((of, index): PhaseResult[] => {
    const { result, livesPerConnection: lives } = of;
    const phase = repetition * phases.length + index;
    return result === undefined
      ? []
      : [
          {
            name: result,
            ms: times.phaseMs(phase),
            ...(threads === 1 ? { cpuMs: times.cpuMs(phase) } : {}),
            packets: operationsOf(of, { connections, threads }),
            ...(lives === undefined ? {} : { lives: lives * connections }),
            threadMs: times.threadMs(phase),
          },
        ];
  });
}

async function sample(): Promise<WorkloadSample> {
  const plan = makePlan();
  const clocks = makeClocks(plan);
  const pool = startPool(plan);
  try {
    const crew: Crew = { pool, shares: sharesOf(plan, clocks), clocks };
    await rehearse(plan, crew);
    return await measureAll(plan, crew);
  } finally {
    /* Also ends threads that wait for a failed one. */
    await pool.destroy();
  }
}

async function measureAll(plan: Plan, crew: Crew): Promise<WorkloadSample> {
  const { repetitions } = plan;
  const { bins, times } = crew.clocks;
  /* Keep no reference to earlier tables, so that their memory can be used again. */
  let last = await measure(plan, crew, 0);
  /* Take the memory of the first repetition: later tables may reuse the memory of earlier ones. */
  const { bytesPerConnection } = last;
  let { error } = last;
  for (let repetition = 1; repetition < repetitions; repetition++) {
    last = await measure(plan, crew, repetition);
    error ??= last.error;
  }
  const runs = Array.from({ length: repetitions }, (_, repetition) => ({
    results: resultsOf(plan, times, repetition),
  }));
  return {
    results: runs[0]!.results,
    ...(repetitions > 1 ? { repetitions: runs } : {}),
    bytesPerConnection,
    ...(bins === undefined ? {} : { latencyUs: quantiles(bins) }),
    counters: Object.fromEntries(Object.entries(last.counters).filter(([, count]) => count !== 0)),
    ...profileOf(last.tables[0]!),
    ...(error === undefined ? {} : { error }),
  };
}

/** @param connections of all threads together */
function sharedTable(
  table: Conntrack,
  { workload, threads, separateTables }: Plan,
  connections: number,
): WorkloadTable {
  const { batchSize } = options;
  return {
    memory: table.memory,
    shared: allocateWords(SHARED_WORDS),
    hosts: separateTables ? undefined : hostsFor(table, workload, { threads, connections, batchSize }),
  };
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

/**
 * `npm run bench`: the first benchmark for a newcomer, within a given time. A first sample and the first round show the speed of
 * the machine. A slow machine gets fewer connections and fewer runs, and a line says so.
 */

import { REVIEWED_ENGINES } from '../../src/core/engines/engine.ts';
import { benchAging } from '../aging/aging.ts';
import { Budget } from './budget.ts';
import { machineFingerprint } from '../machine/machine.ts';
import { groups, ms } from '../report/format.ts';
import type { ResultsFile } from '../report/results-file.ts';
import { takeSample, type TakeSample } from '../samples/samples.ts';
import { type BenchConduct, benchWorkload } from './workload-bench.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';

export interface SuiteOptions {
  threads: readonly number[];
  /** Upper limit. */
  connections: number;
  /** Upper limit. */
  runs: number;
  batch: number;
  buckets: number;
  /** Time limit of the whole suite, in seconds. */
  seconds: number;
}

export interface SuiteTools {
  take?: TakeSample;
  /** The clock of the budget, in ms. */
  nowMs?: () => number;
}

/** Time that aging waits for connections to expire, in ms. The rest of its time equals this many samples. */
const AGING_WAITS_MS = 9000;
const AGING_SAMPLES = 2;
/** With fewer connections, the start of the threads would dominate. */
const FEWEST_CONNECTIONS = 20_000;
const REHEARSAL = { insert: 100_000, life: 40_000 };
const FEWEST_REHEARSED = 20_000;
/** The first sample is small. One of the usual size takes up to `timesOfUsual` times as long. */
const PROBE = { connections: 50_000, rehearsed: 40_000, timesOfUsual: 2.5 };
/** The command also looks at the machine before and after, for at most a second each. */
const PROBES_S = 2;
/** Share of the connections for TCP lives, which have eight packets and more each. */
const LIFE_SHARE = 1 / 8;

/** State that all measurements of a suite share. */
interface SuiteRun {
  options: SuiteOptions;
  say: (line: string) => void;
  take: TakeSample;
  nowMs: () => number;
  budget: Budget;
  /** Expected duration of a sample of the usual size. */
  sampleMs: number;
  /** Expected duration of the aging benchmark. */
  agingMs: number;
  /** Scales a number from `most` down to `fewest`, as the time allows. */
  fewer: (most: number, fewest: number) => number;
  /** The last workload's expected time: of a round, and of all rounds. */
  roundMs: number;
  lifeMs: number;
}

type WorkloadResults = Awaited<ReturnType<typeof benchWorkload>>;

/** Takes a small first sample to estimate the speed of the machine. */
async function probe(options: SuiteOptions, take: TakeSample, budget: Budget): Promise<number> {
  const { ms: probeMs } = await budget.timed(() =>
    take<WorkloadSample>('samples/workload-sample.js', {
      workload: 'insert',
      engine: REVIEWED_ENGINES[0]!,
      threads: 1,
      connections: Math.min(options.connections, PROBE.connections),
      batchSize: options.batch,
      buckets: options.buckets,
      prefaulted: true,
      rehearsals: 3,
      rehearsalConnections: PROBE.rehearsed,
    } satisfies WorkloadSampleOptions),
  );
  return probeMs * PROBE.timesOfUsual;
}

function firstFiguresPrinter(say: (line: string) => void, phases: string) {
  const shown = new Set<string>();
  return (what: string, { results }: WorkloadSample): void => {
    if (shown.size === 0) {
      say(`First figures of ${phases}; time, and packets a second:`);
    }
    if (!shown.has(what)) {
      shown.add(what);
      say(`  ${what.padEnd(46)}${results.map(figureOf).join('  ')}`);
    }
  };
}

/** Repeats rounds while there is time. @param reserveMs time that must be left after the next round */
function conductOf(run: SuiteRun, reserveMs: (done: number, roundMs: number) => number): BenchConduct {
  const { options, say, take, nowMs, budget } = run;
  const { runs, seconds } = options;
  return {
    take,
    nowMs,
    /* Each engine needs a profiled sample, which takes half as long again. The other workload must still fit in. */
    mayPredict: () => budget.leftMs >= 1.5 * (REVIEWED_ENGINES.length + 1) * run.sampleMs + run.lifeMs + run.agingMs,
    mayRunAgain(done: number, tookMs: number): boolean {
      run.roundMs = tookMs;
      run.lifeMs = done * tookMs;
      const hasTime = budget.leftMs >= tookMs + reserveMs(done, tookMs);
      if (!hasTime && done < runs) {
        say(
          `A round takes ${(tookMs / 1000).toFixed(1)} s here: ${done} run${done === 1 ? '' : 's'} of each instead of ${runs}, to end within ${seconds} s (--seconds)`,
        );
      }
      return hasTime;
    },
  };
}

function commonOf({ threads, batch, buckets, runs }: SuiteOptions) {
  return { engines: REVIEWED_ENGINES, threads, batch, buckets, runs, latency: false, memory: false };
}

function measureInsert(run: SuiteRun, connections: number): Promise<WorkloadResults> {
  return benchWorkload(
    {
      ...commonOf(run.options),
      workload: 'insert',
      connections,
      rehearsalConnections: run.fewer(REHEARSAL.insert, FEWEST_REHEARSED),
    },
    firstFiguresPrinter(run.say, 'insertion and lookup'),
    conductOf(run, (done, roundMs) => (done + 1) * roundMs + run.agingMs),
  );
}

async function measureLives(run: SuiteRun, connections: number): Promise<WorkloadResults | undefined> {
  if (run.budget.leftMs < run.roundMs) {
    run.say('No time is left for TCP lives. Measure them with `ct-bucket bench tcp-life`');
    return undefined;
  }
  return benchWorkload(
    {
      ...commonOf(run.options),
      workload: 'tcp-life',
      window: 4096,
      predict: false,
      rehearsalConnections: run.fewer(REHEARSAL.life, FEWEST_REHEARSED),
      connections: Math.ceil(connections * LIFE_SHARE),
    },
    firstFiguresPrinter(run.say, 'TCP lives'),
    conductOf(run, () => run.agingMs),
  );
}

async function measureAging(run: SuiteRun, connections: number): Promise<ResultsFile | undefined> {
  if (run.budget.leftMs < run.agingMs) {
    run.say('No time is left for aging. Measure it with `ct-bucket bench aging`');
    return undefined;
  }
  return benchAging(
    {
      engines: ['ct-bucket'],
      buckets: [run.options.buckets],
      connections: [Math.ceil(connections / 2)],
      threads: 1,
      runs: 1,
      isQuick: true,
    },
    run.say,
    run.take,
  );
}

/** @param say gets the output line by line. @throws VoidRunError */
export async function runSuite(
  options: SuiteOptions,
  say: (line: string) => void,
  { take = takeSample, nowMs = () => performance.now() }: SuiteTools = {},
): Promise<ResultsFile> {
  const { threads, seconds } = options;
  /* Read the load before the suite itself loads the machine. */
  const machine = machineFingerprint();
  const budget = new Budget(seconds - PROBES_S, nowMs);
  const samplesOfRound = threads.reduce((sum, count) => sum + REVIEWED_ENGINES.length + (count > 1 ? 1 : 0), 0);
  const sampleMs = await probe(options, take, budget);
  const agingMs = AGING_WAITS_MS + AGING_SAMPLES * sampleMs;
  /* Choose a size with which at least one round of each workload fits in. */
  const size = Math.min(1, (budget.leftMs - agingMs) / (2 * samplesOfRound * sampleMs));
  const fewer = (most: number, fewest: number) => Math.min(most, Math.max(fewest, Math.ceil(most * size)));
  const connections = fewer(options.connections, FEWEST_CONNECTIONS);
  if (connections < options.connections) {
    say(
      `A sample takes some ${(sampleMs / 1000).toFixed(1)} s here: ${groups(connections)} connections instead of ${groups(options.connections)}, to end within ${seconds} s (--seconds)`,
    );
  }
  const run: SuiteRun = { options, say, take, nowMs, budget, sampleMs, agingMs, fewer, roundMs: 0, lifeMs: 0 };
  const insert = await measureInsert(run, connections);
  const life = await measureLives(run, connections);
  const aging = await measureAging(run, connections);
  return {
    benchmark: 'suite',
    machine,
    options: { ...options, connections },
    results: [...insert.results, ...(life?.results ?? [])],
    ...(insert.simulation === undefined ? {} : { simulation: insert.simulation }),
    ...(aging === undefined ? {} : { aging: aging.aging! }),
  };
}

function figureOf({ name, ms: tookMs, packets }: WorkloadSample['results'][number]): string {
  return `${name} ${ms(tookMs)}, ${(packets / tookMs / 1000).toFixed(2)} M/s`;
}

/** `ct-bucket bench study runtime`: the same work on several releases of Node, on Bun and on Deno. */

import Table from 'cli-table3';
import { UsageError } from '../../src/core/errors.ts';
import { counted } from '../../src/host/terminal.ts';
import { defaultCache } from '../machine/cache-folder.ts';
import { machineFingerprint } from '../machine/machine.ts';
import type { BenchResult, ResultsFile } from '../report/results-file.ts';
import { compiledBench } from '../samples/compiled.ts';
import { IN_JAVASCRIPT, SampleFailure, sampleOn, showProgress } from '../samples/samples.ts';
import type { PhaseResult, WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';
import { median, medianRatio } from '../statistics/statistics.ts';
import { VoidRunError } from '../suite/workload-bench.ts';
import { thisPlatform } from './packages.ts';
import { defaultRuntimes, type Runtime, type RuntimeChoice, runningNode, runtimeOf } from './runtime.ts';
import { probeRuntime } from './runtime-probe.ts';

export interface RuntimeStudyOptions {
  /** Default: the releases of Node that are supported, Bun and Deno. */
  runtimes?: readonly RuntimeChoice[];
  connections: number;
  runs: number;
  /** The reference of the ratios. Tests replace it. Default: the running Node. */
  own?: Runtime;
}

/** The work of a run. Connections that talk side by side (window) lie in the cache, as most packets of a datapath find them. */
const WORKS: readonly Pick<WorkloadSampleOptions, 'workload' | 'window'>[] = [
  { workload: 'insert' },
  { workload: 'tcp-life', window: 32 },
  { workload: 'tcp-data', window: 32 },
];

/** JavaScript first: a runtime that fails there cannot run the module either. */
const PATHS = [
  { path: 'JavaScript', environment: IN_JAVASCRIPT },
  { path: 'module', environment: {} },
] as const;

/** A runtime on one of the two packet paths. */
interface Contestant {
  runtime: Runtime;
  path: (typeof PATHS)[number]['path'];
  environment: Record<string, string>;
  /** By workload, in the order of the runs. */
  samples: Map<string, PhaseResult[]>;
  /** Why it is out. */
  problem?: string;
}

export interface RuntimeStudyResults extends ResultsFile {
  runtimes: { label: string; version: string; program: string }[];
  /** The runtimes that cannot run it, with the reason. */
  leftOut: { label: string; reason: string }[];
}

/** @throws UsageError if a runtime cannot be found or fetched, or if none but the running Node can run ct-bucket */
export async function runRuntimeStudy(options: RuntimeStudyOptions): Promise<RuntimeStudyResults> {
  const others = await runtimesOf(options.runtimes ?? defaultRuntimes());
  const own = options.own ?? runningNode();
  const all = await contestantsOf([own, ...others]);
  for (let run = 0; run < options.runs; run++) {
    for (const work of WORKS) {
      for (const contestant of all.filter(({ problem }) => problem === undefined)) {
        const { runtime, path } = contestant;
        showProgress(`run ${run + 1} of ${options.runs}: ${work.workload}, ${runtime.label}, ${path}`);
        await measure(contestant, work, { connections: options.connections, isOwn: runtime === own });
      }
    }
  }
  showProgress('');
  return resultsOf(options, all);
}

async function runtimesOf(choices: readonly RuntimeChoice[]): Promise<Runtime[]> {
  const cache = defaultCache();
  const platform = thisPlatform();
  const found: Runtime[] = [];
  for (const choice of choices) {
    found.push(await runtimeOf(choice, { cache, platform, say: showProgress }));
  }
  showProgress('');
  return found;
}

/** The first is the running Node. @throws UsageError */
async function contestantsOf(runtimes: readonly Runtime[]): Promise<Contestant[]> {
  const all: Contestant[] = [];
  for (const runtime of runtimes) {
    let problem: string | undefined;
    for (const { path, environment } of PATHS) {
      showProgress(`trying ${runtime.label}, ${path}`);
      problem ??= await problemOf(runtime, path, environment);
      all.push({ runtime, path, environment, samples: new Map(), ...(problem === undefined ? {} : { problem }) });
    }
  }
  showProgress('');
  requireOne(all);
  return all;
}

/** Why the runtime cannot run ct-bucket on a packet path; undefined if it can. */
async function problemOf(
  runtime: Runtime,
  path: Contestant['path'],
  environment: Record<string, string>,
): Promise<string | undefined> {
  const { problem, hasModule } = await probeRuntime(runtime, environment);
  return problem ?? (path === 'module' && !hasModule ? 'it has no memory that the packet module can use' : undefined);
}

/** @throws UsageError unless the running Node and another runtime are left */
function requireOne(all: readonly Contestant[]): void {
  const own = all[0]!.runtime;
  const left = all.filter(({ problem }) => problem === undefined);
  if (!left.some(({ runtime }) => runtime === own)) {
    throw new UsageError(`${own.label} itself cannot run ct-bucket: ${all[0]!.problem}`);
  }
  if (!left.some(({ runtime }) => runtime !== own)) {
    const reasons = leftOutOf(all).map(({ label, reason }) => `${label}: ${reason}`);
    throw new UsageError(`no other runtime can run ct-bucket: ${reasons.join('; ')}`);
  }
}

/** A runtime that fails is out from then on. @throws VoidRunError, and the error of a sample, if it is the running Node */
async function measure(
  contestant: Contestant,
  { workload, window }: (typeof WORKS)[number],
  { connections, isOwn }: { connections: number; isOwn: boolean },
): Promise<void> {
  const { runtime, environment, samples } = contestant;
  const options: WorkloadSampleOptions = {
    workload,
    threads: 1,
    connections,
    batchSize: 32,
    buckets: 1024,
    prefaulted: true,
    ...(window === undefined ? {} : { window }),
  };
  try {
    const path = await compiledBench('samples/workload-sample.js');
    const sample = await sampleOn<WorkloadSample>(runtime, path, options, environment);
    if (sample.error !== undefined) {
      throw new VoidRunError(`a run on ${runtime.label} is void: ${sample.error}`);
    }
    for (const result of sample.results) {
      samples.set(result.name, [...(samples.get(result.name) ?? []), result]);
    }
  } catch (error) {
    const isFailure = error instanceof SampleFailure || error instanceof VoidRunError || error instanceof SyntaxError;
    if (isOwn || !isFailure) {
      throw error;
    }
    contestant.problem = error.message;
  }
}

function leftOutOf(all: readonly Contestant[]): RuntimeStudyResults['leftOut'] {
  const reasons = new Map<string, string>();
  for (const { runtime, path, problem } of all) {
    if (problem !== undefined) {
      const isWhole = all.every((each) => each.runtime !== runtime || each.problem === problem);
      reasons.set(isWhole ? runtime.label : `${runtime.label}, ${path}`, problem);
    }
  }
  return [...reasons].map(([label, reason]) => ({ label, reason }));
}

function resultsOf({ connections, runs }: RuntimeStudyOptions, all: readonly Contestant[]): RuntimeStudyResults {
  requireOne(all);
  const left = all.filter(({ problem }) => problem === undefined);
  const workloads = [...left[0]!.samples.keys()];
  const results = workloads.flatMap((workload) =>
    left.map(({ runtime, path, samples }): BenchResult => {
      const runsMs = samples.get(workload)!.map(({ ms }) => ms);
      const { packets } = samples.get(workload)![0]!;
      const engine = `${runtime.label}, ${path}`;
      return { workload, engine, threads: 1, connections, packets, medianMs: median(runsMs), runsMs, prefaulted: true };
    }),
  );
  const runtimes = [...new Set(left.map(({ runtime }) => runtime))];
  return {
    benchmark: 'study runtime',
    machine: machineFingerprint(),
    options: { connections, runs, batch: 32, buckets: 1024, window: 32 },
    results,
    runtimes: runtimes.map(({ label, version, program }) => ({ label, version, program })),
    leftOut: leftOutOf(all),
  };
}

/** The result of the running Node on the same work and path. The running Node comes first. */
function ownOf(results: readonly BenchResult[], { workload, engine }: BenchResult): BenchResult | undefined {
  const path = engine.slice(engine.lastIndexOf(','));
  return results.find((each) => each.workload === workload && each.engine.endsWith(path));
}

function cellOf(result: BenchResult, own: BenchResult | undefined): string {
  const ns = result.runsMs.map((ms) => (ms * 1e6) / result.packets);
  const time = `${median(ns).toFixed(0)} ns (${Math.min(...ns).toFixed(0)}-${Math.max(...ns).toFixed(0)})`;
  if (own === undefined || own === result || ns.length < 2) {
    return time;
  }
  const { ratio, low, high } = medianRatio(result.runsMs, own.runsMs);
  return `${time}\n×${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** The table for people, and the reasons of those that are left out. */
export function runtimeStudyText({ results, leftOut, options }: RuntimeStudyResults): string {
  const workloads = [...new Set(results.map(({ workload }) => workload))];
  const table = new Table({
    head: ['', ...workloads],
    style: { head: [], border: [] },
    colAligns: ['left', ...workloads.map(() => 'right' as const)],
  });
  for (const engine of new Set(results.map((result) => result.engine))) {
    const cells = workloads.map((workload) => {
      const result = results.find((each) => each.workload === workload && each.engine === engine)!;
      return cellOf(result, ownOf(results, result));
    });
    table.push([engine, ...cells]);
  }
  const { connections, runs } = options as { connections: number; runs: number };
  return [
    'What changes with the runtime? ns a packet (least to most), one thread, TCP with 32 connections side by side.',
    `${connections} connections, medians of ${counted(runs, 'run')} in turn, each in a fresh process.`,
    '× is the time / the time of the running Node on the same packet path, with its 95 % interval.',
    table.toString(),
    ...leftOut.map(({ label, reason }) => `left out: ${label}: ${reason}`),
  ].join('\n');
}

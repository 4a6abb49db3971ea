/**
 * Samples in slices: both builds in one process, in turn. Each build's slices and what they import are copied, so that the two
 * are different modules even if both builds are one folder.
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { temporaryFolder } from '../../../src/host/cleanup.ts';
import { compiledBench } from '../../samples/compiled.ts';
import type { FlameFrame } from '../../report/page/flame-graph.ts';
import { sampleOf, sampleOn } from '../../samples/samples.ts';
import type { Build } from '../builds/builds.ts';
import { SampleError, type CaseSample, type Order, type SamplePair } from './cases.ts';
import type { RegressCase } from '../config.ts';
import { NODE_FLAGS } from './process-samples.ts';
import { type ProfileLimits, profileTime, type SliceProfile } from './profile-frames.ts';
import type { SliceProfileOptions } from './slice-profile-sample.ts';
import type { SliceLocks, SliceLocksOptions } from './slice-locks-sample.ts';
import type { SliceAbilities, SlicePair, SlicePairOptions } from './slice-pair-sample.ts';

/** Where a build has its slices. Builds of older commits have none. */
const SLICES = join('bench', 'samples', 'slices.js');
/** About 300 us in a cache: the two builds disturb each other's caches at the ends only, and few slices are interrupted. */
const PACKETS_PER_SLICE = 4096;
/** A longer warm-up takes most of a pair's time, and pairs then scatter more, not less. */
const MOST_REHEARSAL_CONNECTIONS = 3000;

/** The slices of two builds, ready to run. */
export interface LoadedSlices {
  abilities: SliceAbilities;
  /** @throws SampleError */
  sample(each: RegressCase, order: Order): Promise<SamplePair>;
  /** Removes the copies. */
  remove(): void;
}

/** @returns the label of a build that has no slices; undefined if both have */
export function withoutSlices(builds: readonly Build[]): string | undefined {
  return builds.find(({ dist }) => !existsSync(join(dist, SLICES)))?.label;
}

/** Copies a compiled module and all modules that it imports by path. */
function copyModule(from: string, module: string, to: string, done = new Set<string>()): void {
  if (done.has(module)) {
    return;
  }
  done.add(module);
  mkdirSync(dirname(join(to, module)), { recursive: true });
  copyFileSync(join(from, module), join(to, module));
  const text = readFileSync(join(from, module), 'utf8');
  for (const [, path] of text.matchAll(/^(?:import|export)\b[^"'\n]*["'](\.[^"']+)["']/gm)) {
    copyModule(from, relative(from, join(from, dirname(module), path!)), to, done);
  }
}

/** @returns the path of the copy of the slices */
function copyBuild({ dist }: Build, folder: string): string {
  copyModule(dist, SLICES, join(folder, 'dist'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const packages = join(dirname(dist), 'node_modules');
  if (existsSync(packages)) {
    symlinkSync(packages, join(folder, 'node_modules'));
  }
  return join(folder, 'dist', SLICES);
}

/** Copies and loads the slices of both builds, which both have. @throws SampleError */
export async function loadSlices(a: Build, b: Build): Promise<LoadedSlices> {
  const program = await compiledBench('regress/samples/slice-pair-sample.js');
  const { path, remove } = temporaryFolder('ct-bucket-slices-');
  try {
    const [pathA, pathB] = [copyBuild(a, join(path, 'a')), copyBuild(b, join(path, 'b'))];
    const run = <Output>(label: string, order: Order, more: Partial<SlicePairOptions>): Promise<Output> =>
      runProgram<Output>(program, label, { modules: order === 'ab' ? [pathA, pathB] : [pathB, pathA], ...more });
    return {
      abilities: await run<SliceAbilities>('slices', 'ab', {}),
      sample: async (each, order) => readPair(await run<SlicePair>(each.name, order, optionsOf(each)), each, order),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Profiles of both builds, from slices in turn. @throws Error if the builds cannot run the case in slices, or there is no time */
export async function profileSlices(
  a: Build,
  b: Build,
  each: RegressCase,
  how: ProfileLimits,
  environment: Record<string, string>,
): Promise<FlameFrame[]> {
  const rest = { time: profileTime(how) } satisfies Partial<SliceProfileOptions>;
  const run = { program: 'regress/samples/slice-profile-sample.js', rest, environment, limitMs: how.limitMs };
  return (await runOnCopies<SliceProfile>(a, b, each, run)).frames;
}

/** Pairs of lock profiles, from slices in turn. Empty if a build is older than that. @throws Error like profileSlices */
export async function lockSlices(
  a: Build,
  b: Build,
  each: RegressCase,
  { mostPairs, sampleEvery, limitMs }: { mostPairs: number; sampleEvery: string; limitMs: number },
): Promise<SliceLocks['pairs']> {
  const { untilMs } = profileTime({ durationMs: 0, limitMs });
  const rest = { mostPairs, untilMs } satisfies Partial<SliceLocksOptions>;
  const environment = { CT_PROFILE: sampleEvery };
  return (
    await runOnCopies<SliceLocks>(a, b, each, {
      program: 'regress/samples/slice-locks-sample.js',
      rest,
      environment,
      limitMs,
    })
  ).pairs;
}

interface RunOnCopies {
  program: string;
  /** Options beside the copies and the slices. */
  rest: object;
  environment: Record<string, string>;
  limitMs: number;
}

/** Runs a program on the slices of both builds. */
async function runOnCopies<Output>(
  a: Build,
  b: Build,
  each: RegressCase,
  { program, rest, environment, limitMs }: RunOnCopies,
): Promise<Output> {
  const { path, remove } = temporaryFolder('ct-bucket-slices-');
  try {
    const modules = [copyBuild(a, join(path, 'a')), copyBuild(b, join(path, 'b'))];
    const options = { modules, slices: optionsOf(each).slices!, ...rest };
    const runner = { program: process.execPath, args: NODE_FLAGS };
    return await sampleOn<Output>(runner, await compiledBench(program), options, environment, limitMs);
  } finally {
    remove();
  }
}

function optionsOf(each: RegressCase): Partial<SlicePairOptions> {
  const { workload, connections, batchSize, buckets, rehearsals, rehearsalConnections, repetitions, gates } = each;
  return {
    slices: {
      /* Both builds know it: see `abilities`. */
      workload: workload as NonNullable<SlicePairOptions['slices']>['workload'],
      connections,
      batchSize,
      buckets,
      packetsPerSlice: PACKETS_PER_SLICE,
      rehearsalConnections: Math.min(rehearsalConnections, MOST_REHEARSAL_CONNECTIONS),
    },
    rehearsals,
    repetitions,
    measuresMemory: gates.memory !== undefined,
  };
}

async function runProgram<Output>(program: string, label: string, options: SlicePairOptions): Promise<Output> {
  try {
    return await sampleOf<Output>(program, options, {}, [...NODE_FLAGS, '--expose-gc']);
  } catch (error) {
    throw new SampleError(`${label}: ${(error as Error).message}`);
  }
}

/** @throws SampleError if the accounting of a table is wrong */
function readPair({ timesMs, bytesPerConnection, error }: SlicePair, { name }: RegressCase, order: Order): SamplePair {
  if (error !== undefined) {
    throw new SampleError(`${name}: ${error}`);
  }
  const samples = timesMs.map((times, i): CaseSample => {
    const bytes = bytesPerConnection?.[i];
    return { timesMs: times, ...(bytes === undefined || !(bytes > 0) ? {} : { bytesPerConnection: bytes }) };
  });
  const [first, second] = samples as [CaseSample, CaseSample];
  return order === 'ab' ? { a: first, b: second } : { a: second, b: first };
}

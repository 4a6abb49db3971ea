/**
 * A pair of samples from one process: `node slice-pair-sample.js '<SlicePairOptions>'` prints a SlicePair as a line of JSON. It loads
 * the slices of two builds (bench/samples/slices.ts of each), and runs them in turn: a slice of one, the same slice of the other,
 * then the next slice in the other order. Both meet the same state of the same core.
 */

import { pathToFileURL } from 'node:url';
import type { SlicedWorkload, SliceOptions } from '../../samples/slices.ts';
import { type SliceClock, SliceTimes } from './slice-times.ts';
import { takeTurns } from './slice-turns.ts';

type SlicesModule = typeof import('../../samples/slices.ts');

export interface SlicePairOptions {
  /** The slices.js of both builds, in the order in which they are loaded and begin. */
  modules: [string, string];
  /** Absent: only report what the modules can do. */
  slices?: SliceOptions;
  /** Tables that each build fills to warm up. */
  rehearsals?: number;
  /** Tables that each build fills while it is measured. */
  repetitions?: number;
  measuresMemory?: boolean;
}

/** What the modules can do. */
export interface SliceAbilities {
  versions: number[];
  flags: (readonly string[])[];
  workloads: (readonly string[])[];
}

/** The samples of both builds, in the order of `modules`. */
export interface SlicePair {
  timesMs: Record<string, number>[];
  bytesPerConnection?: number[];
  clock: SliceClock;
  error?: string;
}

/** With a slow build there are fewer repetitions: they end after this processor time, but not before the fewest. */
const LONGEST_US = 500_000;
const FEWEST_REPETITIONS = 3;
/** A slow build is not rehearsed again, nor its memory measured more often than needed, after this processor time. */
const LONG_US = 150_000;
/** Tables whose memory is measured. Their median counts: the process may grow meanwhile for other reasons. */
const MEMORY_TABLES = 5;
const FEWEST_MEMORY_TABLES = 3;

const options = JSON.parse(process.argv[2]!) as SlicePairOptions;
const modules: SlicesModule[] = [];
for (const path of options.modules) {
  modules.push((await import(pathToFileURL(path).href)) as SlicesModule);
}
console.log(JSON.stringify(options.slices === undefined ? abilities() : samplePair(options.slices)));

function abilities(): SliceAbilities {
  return {
    versions: modules.map(({ SLICES_VERSION }) => SLICES_VERSION),
    flags: modules.map(({ flags }) => flags),
    workloads: modules.map(({ slicedWorkloads }) => slicedWorkloads),
  };
}

function samplePair(slices: SliceOptions): SlicePair {
  const { rehearsals = 2, repetitions = 30, measuresMemory = false } = options;
  const builds = modules.map(({ sliceWorkload }) => sliceWorkload(slices));
  const start = process.cpuUsage();
  for (let i = 0; i < rehearsals && (i === 0 || processorUs(start) < LONG_US * builds.length); i++) {
    builds.forEach((build) => build.rehearse());
  }
  /* The first tables are not measured: code that only whole workloads reach gets warm. */
  let error = builds.map((build) => fillAlone(build)).find((fault) => fault !== undefined);
  const bytes = measuresMemory ? builds.map((build) => memoryOf(build, slices.connections)) : undefined;
  const times = new SliceTimes(builds[0]!.phases);
  const before = process.cpuUsage();
  for (let i = 0; i < repetitions && (i < FEWEST_REPETITIONS || processorUs(before) < LONGEST_US); i++) {
    error ??= fillInTurn(builds, times, i);
  }
  return {
    ...times.results(),
    ...(bytes === undefined ? {} : { bytesPerConnection: bytes }),
    ...(error === undefined ? {} : { error }),
  };
}

function processorUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

/** Runs both builds on a table each, slice by slice. @returns the first error */
function fillInTurn(builds: readonly SlicedWorkload[], times: SliceTimes, repetition: number): string | undefined {
  builds.forEach((build) => build.begin());
  takeTurns(builds[0]!.phases, repetition, (which, phase, slice) => times.run(builds[which]!, which, phase, slice));
  return builds.map((build) => build.end()).find((error) => error !== undefined);
}

function fillAlone(build: SlicedWorkload): string | undefined {
  build.begin();
  runAll(build);
  return build.end();
}

function runAll(build: SlicedWorkload): void {
  for (const [phase, { slices }] of build.phases.entries()) {
    for (let slice = 0; slice < slices; slice++) {
      build.run(phase, slice);
    }
  }
}

/** Growth of the resident memory with a full table, per connection. Earlier tables are collected before each. */
function memoryOf(build: SlicedWorkload, connections: number): number {
  const bytes: number[] = [];
  const start = process.cpuUsage();
  const isEnough = () => processorUs(start) > LONG_US || bytes.length === MEMORY_TABLES;
  while (bytes.length < FEWEST_MEMORY_TABLES || !isEnough()) {
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    build.begin();
    runAll(build);
    const grown = process.memoryUsage.rss() - before;
    build.end();
    bytes.push(grown / connections);
  }
  return bytes.toSorted((a, b) => a - b)[bytes.length >> 1]!;
}

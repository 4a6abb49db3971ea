/** Samples from fresh processes: each comes from a process of the build under test, by the sample program that this build has. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { ChildError, runChild } from '../../../src/host/children.ts';
import type { LockProfile } from '../../../src/core/inspect/lock-records.ts';
import { sumOfFigures } from '../../profile/model.ts';
import { DEFAULT_SAMPLE_EVERY } from '../../profile/run.ts';
import type { Build } from '../builds/builds.ts';
import { SampleError, type CaseSample, type PairSampler, type SamplePair } from './cases.ts';
import type { RegressCase } from '../config.ts';

/**
 * Node options of the sample processes, the same for both builds. By default V8 compiles in parallel with the program, from
 * the feedback so far. Two processes of one build then run different code, and their lookups differ by a fifth. With these
 * options V8 gathers feedback from the start and compiles in sequence, and they differ by 2 %.
 */
export const NODE_FLAGS = ['--single-threaded-gc', '--no-concurrent-recompilation', '--no-lazy-feedback-allocation'];

/** Folders of bench/ that may hold the sample program: today's folder, and the one of older commits. */
const PROGRAM_FOLDERS = ['samples', '.'];
const PROGRAMS = ['workload-sample.js', 'insert-sample.js'] as const;
type Program = (typeof PROGRAMS)[number];
const TIMEOUT_MS = 120_000;

/** The sample program that both builds have, and whether both can repeat within a process. */
export interface SampleProgram {
  name: Program;
  repeats: boolean;
}

export function pathOf(build: Build, program: Program): string | undefined {
  return PROGRAM_FOLDERS.map((folder) => join(build.dist, 'bench', folder, program)).find((path) => existsSync(path));
}

/** @throws UsageError if the builds have no program in common */
export function commonProgram(a: Build, b: Build, workloads: readonly string[]): SampleProgram {
  const knows = (build: Build, program: Program): boolean => pathOf(build, program) !== undefined;
  const repeats = (build: Build, program: Program): boolean =>
    readFileSync(pathOf(build, program)!, 'utf8').includes('repetitions');
  const common = PROGRAMS.filter((program) => knows(a, program) && knows(b, program)).filter(
    (program) => program === 'workload-sample.js' || workloads.every((workload) => workload === 'insert'),
  );
  const repeating = common.find((program) => repeats(a, program) && repeats(b, program));
  const name = repeating ?? common[0];
  if (name === undefined) {
    const lacking = [a, b].find((build) => !PROGRAMS.some((program) => knows(build, program)));
    throw new UsageError(
      lacking === undefined
        ? `${a.label} and ${b.label} have no sample program in common that knows ${workloads.join(', ')}`
        : `${lacking.label} has no sample program (bench/${PROGRAMS.join(', bench/')})`,
    );
  }
  return { name, repeats: repeating !== undefined };
}

/** Takes a sample of a case from one of the two builds. @throws SampleError */
export type Sampler = (build: 'a' | 'b', each: RegressCase) => CaseSample | Promise<CaseSample>;

/** A pair of samples from two processes, one after the other. */
export function inTurn(sample: Sampler): PairSampler {
  return async (each, order) => {
    const samples: Partial<SamplePair> = {};
    for (const which of order) {
      samples[which as 'a' | 'b'] = await sample(which as 'a' | 'b', each);
    }
    return { a: samples.a!, b: samples.b! };
  };
}

export function processSampler(a: Build, b: Build, program: SampleProgram): Sampler {
  return async (which, each) => {
    const build = which === 'a' ? a : b;
    const { name, gates, repetitions, rehearsals, rehearsalConnections, ...shape } = each;
    const options = {
      ...shape,
      engine: 'ct-bucket',
      prefaulted: true,
      perThread: false,
      separateTables: false,
      ...(program.repeats ? { repetitions, rehearsals, rehearsalConnections } : {}),
    };
    const run = (env: Record<string, string>): Promise<CaseSample> =>
      runSample({ program: pathOf(build, program.name)!, label: `${name} of ${build.label}`, options, env });
    const sample = await run({});
    /* Measure contention in a process of its own, since profiling takes time. A build without a profiler has no such figures. */
    const contention =
      gates.contention === undefined ? undefined : (await run({ CT_PROFILE: String(DEFAULT_SAMPLE_EVERY) })).contention;
    return { ...sample, ...(contention === undefined ? {} : { contention }) };
  };
}

interface SampleRun {
  program: string;
  /** Name in errors. */
  label: string;
  options: object;
  env: Record<string, string>;
}

async function runSample({ program, label, options, env }: SampleRun): Promise<CaseSample> {
  try {
    const { stdout } = await runChild(process.execPath, [...NODE_FLAGS, program, JSON.stringify(options)], {
      timeoutMs: TIMEOUT_MS,
      stderr: 'pipe',
      env: { ...process.env, ...env },
    });
    return readSample(JSON.parse(stdout) as RawSample);
  } catch (error) {
    if (error instanceof SampleError) {
      throw new SampleError(`${label}: ${error.message}`);
    }
    const lines = (error instanceof ChildError ? error.stderr : '').trim().split('\n');
    const said = lines.find((line) => /error/i.test(line)) ?? (error as Error).message.split('\n')[0];
    throw new SampleError(`${label} failed: ${said}`);
  }
}

interface RawResult {
  name: string;
  ms: number;
  cpuMs?: number;
}

interface RawInsert {
  insertMs: number;
  lookupMs: number;
  insertCpuMs?: number;
  lookupCpuMs?: number;
}

/** The output of either program. */
interface RawSample extends Partial<RawInsert> {
  results?: RawResult[];
  repetitions?: (RawInsert | { results: RawResult[] })[];
  bytesPerConnection?: number;
  profile?: LockProfile;
  error?: string;
}

/** The figures of a sample, as medians of its repetitions. @throws SampleError */
export function readSample(raw: RawSample): CaseSample {
  if (raw.error !== undefined) {
    throw new SampleError(raw.error);
  }
  const runs = (raw.repetitions ?? [raw as RawInsert]).map((run) => resultsOf(run as Partial<RawInsert>));
  const timesMs = Object.fromEntries(
    runs[0]!.map(({ name }, i) => {
      const times = runs.map((results) => results[i]!.cpuMs ?? results[i]!.ms).toSorted((x, y) => x - y);
      return [name, (times[(times.length - 1) >> 1]! + times[times.length >> 1]!) / 2];
    }),
  );
  if (!Object.values(timesMs).every((time) => time > 0) || Object.keys(timesMs).length === 0) {
    throw new SampleError(`the sample reports no times: ${JSON.stringify(raw).slice(0, 200)}`);
  }
  const { bytesPerConnection, profile } = raw;
  return {
    timesMs,
    ...(bytesPerConnection === undefined || !(bytesPerConnection > 0) ? {} : { bytesPerConnection }),
    ...(profile === undefined ? {} : { contention: contentionOf(profile) }),
  };
}

/** Contention per acquisition, over all locks. */
function contentionOf({ threads }: LockProfile): Record<string, number> {
  const { acquisitions, contended, parks, wait } = sumOfFigures(threads.flatMap(({ sites }) => sites));
  const operations = Math.max(1, acquisitions);
  return {
    waitNsPerOperation: wait.total / operations,
    contendedShare: contended / operations,
    parksPer1000: (parks * 1000) / operations,
  };
}

function resultsOf(run: Partial<RawInsert> & { results?: RawResult[] }): RawResult[] {
  if (run.results !== undefined) {
    return run.results;
  }
  const { insertMs, lookupMs, insertCpuMs, lookupCpuMs } = run;
  return insertMs === undefined || lookupMs === undefined
    ? []
    : [
        { name: 'udp-insert', ms: insertMs, ...(insertCpuMs === undefined ? {} : { cpuMs: insertCpuMs }) },
        { name: 'udp-lookup', ms: lookupMs, ...(lookupCpuMs === undefined ? {} : { cpuMs: lookupCpuMs }) },
      ];
}

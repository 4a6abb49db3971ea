/** `ct-bucket bench count`: counts works, compares them with the committed file, updates that file. */

import { dirname } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { jsonText } from '../../src/host/output-files.ts';
import { counted } from '../../src/host/terminal.ts';
import { compiledBench } from '../samples/compiled.ts';
import { showProgress } from '../samples/samples.ts';
import { bytesOf } from './allocations.ts';
import { nameOfWork } from './cases.ts';
import type { CountSampleOptions, PhaseCounts } from './count-options.ts';
import { compareCounts, type CountsFile, updatedCounts } from './counts-file.ts';
import { countsOf } from './counts.ts';
import { changeLine, type Counted, type CountsByWork, type Gate, gateOf } from './gate.ts';
import { instructionsOf } from './instructions.ts';

export interface PhaseResultOfCount {
  counts: PhaseCounts;
  /** What the committed file compares. */
  gate: Gate;
  /** Bytes that the phase allocates, all its packets together. */
  bytes: number;
  /** A packet, without those of the sender. Only where they were asked for. */
  instructions?: number;
}

export interface ResultOfCount {
  work: CountSampleOptions;
  phases: PhaseResultOfCount[];
}

/** Folder of the compiled build that measurements run. */
export async function ownBuild(): Promise<string> {
  return dirname(dirname(dirname(await compiledBench('count/count-sample.js'))));
}

/** Node's major version: the compilers of others make other code. */
const NODE = process.versions.node.split('.')[0]!;

export interface CountRun {
  /** `dist` of a checkout. */
  build: string;
  works: readonly CountSampleOptions[];
  /** Also count instructions, which needs valgrind and half a minute for each work. */
  instructions?: boolean;
}

/**
 * Counts each work on a build: operations, lines, bytes.
 * @throws NoCountersError if the build is older than the counters
 */
export async function resultsOf({ build, works, instructions = false }: CountRun): Promise<ResultOfCount[]> {
  let done = 0;
  const progress = (work: CountSampleOptions) =>
    showProgress(`counting ${nameOfWork(work)} (${++done} of ${works.length})`);
  const counts = await countsOf({ build, works, onWork: progress });
  const results: ResultOfCount[] = [];
  for (const { work, phases } of counts) {
    showProgress(`weighing ${nameOfWork(work)}`);
    const bytes = await bytesOf(build, work);
    if (instructions) {
      showProgress(`counting instructions of ${nameOfWork(work)}`);
    }
    const executed = instructions ? await instructionsOf(build, work) : undefined;
    const withBytes = phases.map((counts) => ({
      counts,
      gate: gateOf(counts, bytes[counts.name]!),
      bytes: bytes[counts.name]!,
      ...(executed === undefined ? {} : { instructions: executed[counts.name]! }),
    }));
    results.push({ work, phases: withBytes });
  }
  showProgress('');
  return results;
}

export function worksOf(results: readonly ResultOfCount[]): CountsByWork {
  const countedOf = ({ counts: { packets }, gate, instructions }: PhaseResultOfCount): Counted => ({
    packets,
    counts: gate,
    ...(instructions === undefined ? {} : { instructions: { [NODE]: Number(instructions.toFixed(1)) } }),
  });
  return Object.fromEntries(
    results.map(({ work, phases }) => [
      nameOfWork(work),
      Object.fromEntries(phases.map((phase) => [phase.counts.name, countedOf(phase)])),
    ]),
  );
}

/** Compares with the committed file at `path`. Prints a line for each counter that changed. @returns whether none became worse */
export function checkCounts(path: string, { works }: CountsFile, results: readonly ResultOfCount[]): boolean {
  const { worse, better, missing } = compareCounts(works, worksOf(results));
  for (const change of worse) {
    console.log(`worse: ${changeLine(change)}`);
  }
  for (const name of missing) {
    console.log(`only on one side: ${name}`);
  }
  const update = `ct-bucket bench count --update ${path}`;
  if (better.length > 0) {
    console.log(`${counted(better.length, 'counter')} became better. Keep that: ${update}`);
    for (const change of better) {
      console.log(`better: ${changeLine(change)}`);
    }
  }
  if (worse.length + missing.length > 0) {
    console.log(`If that is meant: ${update} --because 'REASON'`);
  } else {
    console.log(`${path}: no counter became worse`);
  }
  return worse.length + missing.length === 0;
}

/**
 * The text of the file with the new counts. Prints a line for each counter that became worse.
 * @param old the file before; undefined: there is none
 * @throws UsageError if a counter became worse and there is no reason
 */
export function updatedText(
  old: CountsFile | undefined,
  results: readonly ResultOfCount[],
  because: string | undefined,
): string {
  const works = worksOf(results);
  const { worse } = compareCounts(old?.works ?? {}, works);
  for (const change of worse) {
    console.log(`worse: ${changeLine(change)}`);
  }
  if (worse.length > 0 && (because ?? '').trim() === '') {
    throw new UsageError(`${counted(worse.length, 'counter')} became worse: say why with --because 'REASON'`);
  }
  return jsonText(updatedCounts(old, works, because));
}

/** The functions of a module in two states of another project: measured in slices, in one process. */

import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { compiledBench } from '../../samples/compiled.ts';
import type { FlameFrame } from '../../report/page/flame-graph.ts';
import { SampleFailure, sampleOf, sampleOn } from '../../samples/samples.ts';
import { SampleError, type Order, type PairSampler, type SamplePair } from '../samples/cases.ts';
import type { ModuleCases, ModulePair, ModulePairOptions } from './module-pair-sample.ts';
import { NODE_FLAGS } from '../samples/process-samples.ts';
import { type ProfileLimits, profileTime, type SliceProfile } from '../samples/profile-frames.ts';
import { errorLine } from './project-errors.ts';
import { onlyIn } from './project-pairs.ts';
import type { Tree } from './project-trees.ts';

/** Path of a module in a state. @throws UsageError if there is none */
export function moduleIn({ label, folder }: Tree, module: string): string {
  if (isAbsolute(module)) {
    throw new UsageError(
      `${module} is an absolute path: give it relative to this folder, so that each state has its own`,
    );
  }
  const path = join(folder, module);
  if (!existsSync(path)) {
    throw new UsageError(
      `${label} has no ${module}: name a module that both states have, or copy it there (--prepare "cp '$PWD/${module}' ${module}")`,
    );
  }
  return path;
}

/** @param name the case that ran */
function failureOf(error: unknown, trees: readonly Tree[], name: string | undefined): string {
  if (!(error instanceof SampleFailure)) {
    return (error as Error).message;
  }
  const lines = trees.map(({ folder }) => errorLine(error.cause, folder));
  /* The place lies in the state that failed. */
  const line = lines.find((each) => each !== errorLine(error.cause)) ?? lines[0]!;
  return name === undefined || line.startsWith('case ') ? line : `case ${name}: ${line}`;
}

export interface MeasuredModule {
  /** A line for each case that only one of the states has. */
  missing: string[];
  names: readonly string[];
  sample: PairSampler;
}

/** A profile of a function in both states. @param limitMs the process is killed after this time. @throws Error */
export async function profileModule(
  [base, head]: readonly [Tree, Tree],
  module: string,
  how: { case: string } & ProfileLimits,
): Promise<FlameFrame[]> {
  const program = await compiledBench('regress/projects/module-pair-sample.js');
  const options: ModulePairOptions = {
    modules: [moduleIn(base, module), moduleIn(head, module)],
    folders: [base.folder, head.folder],
    case: how.case,
    profile: profileTime(how),
  };
  const runner = { program: process.execPath, args: NODE_FLAGS };
  return (await sampleOn<SliceProfile>(runner, program, options, {}, how.limitMs)).frames;
}

/** @param cases default: all that both modules have. @throws UsageError, SampleError */
export async function byModule(
  [base, head]: readonly [Tree, Tree],
  module: string,
  cases?: readonly string[],
): Promise<MeasuredModule> {
  const program = await compiledBench('regress/projects/module-pair-sample.js');
  const [a, b] = [moduleIn(base, module), moduleIn(head, module)];
  const run = async <Output>(order: Order, more: Partial<ModulePairOptions>): Promise<Output> => {
    try {
      return await sampleOf<Output>(program, { modules: order === 'ab' ? [a, b] : [b, a], ...more }, {}, NODE_FLAGS);
    } catch (error) {
      throw new SampleError(`${module}: ${failureOf(error, [base, head], more.case)}`);
    }
  };
  const { cases: both } = await run<ModuleCases>('ab', {});
  const common = both[0]!.filter((name) => both[1]!.includes(name));
  const names = cases ?? common;
  const unknown = names.find((name) => !common.includes(name));
  if (unknown !== undefined || names.length === 0) {
    throw new UsageError(
      `${module} has no case ${unknown ?? ''} in both states: there are ${common.join(', ') || 'none'}`,
    );
  }
  const missing = [base, head].flatMap(({ label }, i) =>
    both[i]!.filter((name) => !common.includes(name)).map((name) => onlyIn(`case ${name}`, label)),
  );
  const sample: PairSampler = async ({ name }, order): Promise<SamplePair> => {
    const [first, second] = (await run<ModulePair>(order, { case: name })).timesMs;
    return order === 'ab'
      ? { a: { timesMs: first! }, b: { timesMs: second! } }
      : { a: { timesMs: second! }, b: { timesMs: first! } };
  };
  return { names, sample, missing: cases === undefined ? missing : [] };
}

/** A verdict on any project: the functions of a module, a command that is run for each case, or a file of benchmarks. */

import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { ACCEPTED_FILE } from '../verdict/accepted.ts';
import type { PairSampler } from '../samples/cases.ts';
import { type CaseCauses, functionCausesOf, profiledTwice } from '../causes/causes.ts';
import { checkConfig, type RegressConfig } from '../config.ts';
import { repositoryOf, uncommittedNote } from '../builds/git.ts';
import { acceptedFor } from '../verdict/lineage.ts';
import type { Methods } from '../samples/methods.ts';
import { inTurn, type Sampler } from '../samples/process-samples.ts';
import { runCommand, runTinybench, runVitest } from './project-command.ts';
import { byModule, profileModule } from './project-module.ts';
import { lonelyFigures, withCommonFigures, withEstimate } from './project-pairs.ts';
import { treeOf, type Tree } from './project-trees.ts';
import { measureWith, type RegressResult } from '../run.ts';

/** What is measured: one of these. */
export interface ProjectSubject {
  /** Path of a module in both states, relative to the current folder. */
  module?: string;
  /** A command line, run in the folder of a state. {case} stands for the case. */
  command?: string;
  /** A command line for each state, run in the current folder. */
  commands?: readonly [base: string, head: string];
  /** Path of a module that exports a `Bench` of tinybench. */
  tinybench?: string;
  /** A part of the paths of files with benchmarks of vitest. */
  vitest?: string;
}

export interface ProjectSettings extends ProjectSubject {
  /** Default: all that both modules have; one for all else. */
  cases?: readonly string[];
  prepare?: string;
  tolerate: number;
  alarm: number;
  seconds: number;
  say: (line: string) => void;
}

export interface ProjectOptions extends ProjectSettings {
  /** Commits or folders. Absent with `commands`. */
  base?: string;
  head?: string;
  /** File of accepted slowdowns. */
  accepted?: string;
  seed: number;
}

export interface Measured {
  config: RegressConfig;
  methods: Methods;
  /** A line for each case that cannot be judged. */
  missing?: readonly string[];
}

/** @throws UsageError, SampleError */
export async function runProject(options: ProjectOptions): Promise<RegressResult> {
  const { commands, seed, say } = options;
  const base = commands === undefined ? await treeOf(options.base!, options) : stateOfCommand(commands[0]);
  try {
    const head = commands === undefined ? await treeOf(options.head!, options) : stateOfCommand(commands[1]);
    try {
      noteUncommitted(options, [base, head]);
      const { methods, config, missing = [] } = await openProject(base, head, options);
      const source = sourceOf(options);
      const cases = config.cases.map(({ name }) => name);
      const accepted = acceptedFor(options.accepted ?? ACCEPTED_FILE, base, head, cases, 'ignored');
      const sample = withEstimate(methods.sample, { cases: cases.length, seconds: options.seconds, say });
      const result = await measureWith({ ...methods, sample }, { base, head, config, seed, say, accepted });
      const causes = result.verdict === 'regressed' ? await causesIn([base, head], options, result) : undefined;
      return {
        ...result,
        ...(causes === undefined ? {} : { causes }),
        missing: [...missing, ...result.missing, ...lonelyFigures(result.pairs, [base, head])],
        ...(source === undefined ? {} : { source }),
      };
    } finally {
      head.remove();
    }
  } finally {
    base.remove();
  }
}

/** The functions that take longer. Of commands and benchmark files nothing is known but their times. */
async function causesIn(
  [base, head]: readonly [Tree, Tree],
  { module }: ProjectSubject,
  result: RegressResult,
): Promise<CaseCauses[] | undefined> {
  return module === undefined
    ? undefined
    : functionCausesOf(result.config, result, async ({ name }, durationMs, limitMs) => ({
        what: `The functions that case ${name} calls. V8 inlined none of them, so that each has its own time.`,
        ...(await profiledTwice(limitMs, (isSwapped, leftMs) =>
          profileModule(isSwapped ? [head, base] : [base, head], module, { case: name, durationMs, limitMs: leftMs }),
        )),
      }));
}

/** Warns that the checked-out commit is measured without the changed files. */
function noteUncommitted({ say }: ProjectOptions, trees: readonly Tree[]): void {
  if (trees.every(({ commit }) => commit === undefined)) {
    return;
  }
  const note = uncommittedNote(
    trees.map(({ commit }) => commit),
    repositoryOf(process.cwd()),
    ['.'],
    'no',
  );
  if (note !== undefined) {
    say(note);
  }
}

/** The file that has the cases, from the root of the repository if there is one. */
function sourceOf({ module, tinybench, vitest }: ProjectSubject): string | undefined {
  const file = module ?? tinybench ?? vitest;
  if (file === undefined || !existsSync(file)) {
    return undefined;
  }
  try {
    return relative(repositoryOf(process.cwd()).root, resolve(file));
  } catch {
    return file;
  }
}

function stateOfCommand(label: string): Tree {
  return { label, folder: resolve('.'), remove: () => {} };
}

/** Two states that are ready to be measured. @throws UsageError, SampleError */
export async function openProject(base: Tree, head: Tree, settings: ProjectSettings): Promise<Measured> {
  const { module, cases } = settings;
  if (module !== undefined) {
    const { names, sample, missing } = await byModule([base, head], module, cases);
    return { ...measuredBy('module', names, sample, settings), missing };
  }
  const [kind, sampler] = samplerOf(base, head, settings);
  return measuredBy(kind, cases ?? [kind], withCommonFigures(inTurn(sampler), [base, head]), settings);
}

type Kind = 'module' | 'command' | 'tinybench' | 'vitest';

function samplerOf(base: Tree, head: Tree, { command, commands, tinybench, vitest }: ProjectSettings): [Kind, Sampler] {
  const treeOfBuild = (which: 'a' | 'b') => (which === 'a' ? base : head);
  if (tinybench !== undefined) {
    return ['tinybench', (which) => runTinybench(treeOfBuild(which), tinybench)];
  }
  if (vitest !== undefined) {
    return ['vitest', (which) => runVitest(treeOfBuild(which), vitest)];
  }
  const lineOf = (which: 'a' | 'b') => commands?.[which === 'a' ? 0 : 1] ?? command!;
  return ['command', (which, { name }) => runCommand(treeOfBuild(which), lineOf(which), name)];
}

function measuredBy(kind: Kind, names: readonly string[], sample: PairSampler, settings: ProjectSettings): Measured {
  const name = kind === 'module' ? 'slices' : 'processes';
  const byCase = Object.fromEntries(names.map((each) => [each, { name } as const]));
  return { config: configOf(names, settings, kind), methods: { byCase, sample, remove: () => {} } };
}

function configOf(names: readonly string[], { tolerate, alarm, seconds }: ProjectSettings, kind: Kind): RegressConfig {
  const gates = { time: { tolerate, alarm } };
  /* Workload and connections have no meaning for another project. */
  const cases = names.map((name) => ({ name, workload: kind, threads: 1, connections: 1000, gates }));
  if (alarm <= tolerate) {
    throw new UsageError(`--alarm ${alarm} is not more than --tolerate ${tolerate}: give a larger one`);
  }
  return checkConfig({ budgetSeconds: seconds, cases }, `--${kind}`);
}

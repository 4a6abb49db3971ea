/** A verdict on any project: the functions of a module, or a command that is run for each case. */

import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { ChildError, runChild } from '../../src/host/children.ts';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { compiledBench } from '../samples/compiled.ts';
import { sampleOf } from '../samples/samples.ts';
import { SampleError, type CaseSample, type Order, type PairSampler, type SamplePair } from './cases.ts';
import { checkConfig, type RegressConfig } from './config.ts';
import { cleanEnvironment, commitOf, repositoryOf, writeCommit } from './git.ts';
import type { Methods } from './methods.ts';
import type { ModuleCases, ModulePair, ModulePairOptions } from './module-pair-sample.ts';
import { inTurn, NODE_FLAGS } from './process-samples.ts';
import { measureWith, type RegressResult, type State } from './run.ts';

export interface ProjectOptions {
  base: string;
  head: string;
  /** Path of a module in both states, relative to the current folder. Either this or `command`. */
  module?: string;
  /** A command line, run in the folder of a state. {case} stands for the case. */
  command?: string;
  /** Default: all that both modules have; for a command, one case. */
  cases?: readonly string[];
  tolerate: number;
  alarm: number;
  seconds: number;
  seed: number;
  say: (line: string) => void;
}

interface Tree extends State {
  /** The user's folder in this state. */
  folder: string;
  remove(): void;
}

const COMMAND_TIMEOUT_MS = 120_000;

/** @throws UsageError, SampleError */
export async function runProject(options: ProjectOptions): Promise<RegressResult> {
  const { module, seed, say } = options;
  const base = treeOf(options.base);
  try {
    const head = treeOf(options.head);
    try {
      const measured = module === undefined ? byCommand(base, head, options) : await byModule(base, head, options);
      return await measureWith(measured.methods, { base, head, config: measured.config, seed, say });
    } finally {
      head.remove();
    }
  } finally {
    base.remove();
  }
}

/** A folder as it is, or the files of a commit in a temporary folder, with the packages of the checked-out one. */
function treeOf(label: string): Tree {
  if (label !== '' && existsSync(label) && statSync(label).isDirectory()) {
    return { label, folder: resolve(label), remove: () => {} };
  }
  const repository = repositoryOf(process.cwd());
  const commit = commitOf(label, repository);
  const { path, remove } = temporaryFolder('ct-bucket-regress-');
  try {
    const tree = join(path, 'tree');
    mkdirSync(tree);
    writeCommit(commit, repository, tree);
    linkPackages(label, repository.root, tree);
    return { label, commit, folder: join(tree, relative(repository.root, repository.folder)), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** @throws UsageError if the commit needs other packages than those that are installed */
function linkPackages(label: string, root: string, tree: string): void {
  const installed = join(root, 'node_modules');
  const lockOf = (folder: string): string => {
    const file = join(folder, 'package-lock.json');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  if (!existsSync(installed) || existsSync(join(tree, 'node_modules'))) {
    return;
  }
  if (lockOf(root) !== lockOf(tree)) {
    throw new UsageError(
      `${label} needs other packages than those installed: check it out in a folder, install, and give the folder`,
    );
  }
  symlinkSync(installed, join(tree, 'node_modules'));
}

interface Measured {
  config: RegressConfig;
  methods: Methods;
}

function configOf(names: readonly string[], { tolerate, alarm, seconds }: ProjectOptions, kind: string): RegressConfig {
  const gates = { time: { tolerate, alarm } };
  /* Workload and connections have no meaning for another project. */
  const cases = names.map((name) => ({ name, workload: kind, threads: 1, connections: 1000, gates }));
  if (alarm <= tolerate) {
    throw new UsageError(`--alarm ${alarm} is not more than --tolerate ${tolerate}: give a larger one`);
  }
  return checkConfig({ budgetSeconds: seconds, cases }, `--${kind}`);
}

function methodsOf(names: readonly string[], name: 'slices' | 'processes', sample: PairSampler): Methods {
  return { byCase: Object.fromEntries(names.map((each) => [each, { name }])), sample, remove: () => {} };
}

async function byModule(base: Tree, head: Tree, options: ProjectOptions): Promise<Measured> {
  const program = await compiledBench('regress/module-pair-sample.js');
  const [a, b] = [base, head].map((tree) => {
    const path = join(tree.folder, options.module!);
    if (!existsSync(path)) {
      throw new UsageError(`${tree.label} has no ${options.module}: name a module that both states have`);
    }
    return path;
  }) as [string, string];
  const run = async <Output>(order: Order, more: Partial<ModulePairOptions>): Promise<Output> => {
    try {
      return await sampleOf<Output>(program, { modules: order === 'ab' ? [a, b] : [b, a], ...more }, {}, NODE_FLAGS);
    } catch (error) {
      throw new SampleError(`${options.module}: ${(error as Error).message}`);
    }
  };
  const { cases } = await run<ModuleCases>('ab', {});
  const common = cases[0]!.filter((name) => cases[1]!.includes(name));
  const names = options.cases ?? common;
  const unknown = names.find((name) => !common.includes(name));
  if (unknown !== undefined || names.length === 0) {
    throw new UsageError(
      `${options.module} has no case ${unknown ?? ''} in both states: there are ${common.join(', ') || 'none'}`,
    );
  }
  const sample: PairSampler = async ({ name }, order): Promise<SamplePair> => {
    const [first, second] = (await run<ModulePair>(order, { case: name })).timesMs;
    return order === 'ab'
      ? { a: { timesMs: first! }, b: { timesMs: second! } }
      : { a: { timesMs: second! }, b: { timesMs: first! } };
  };
  return { config: configOf(names, options, 'module'), methods: methodsOf(names, 'slices', sample) };
}

function byCommand(base: Tree, head: Tree, options: ProjectOptions): Measured {
  const names = options.cases ?? ['command'];
  const sample = inTurn((which, { name }) => runCommand(which === 'a' ? base : head, options.command!, name));
  return { config: configOf(names, options, 'command'), methods: methodsOf(names, 'processes', sample) };
}

/** @throws SampleError */
async function runCommand(tree: Tree, command: string, name: string): Promise<CaseSample> {
  const line = command.replaceAll('{case}', name);
  const startMs = performance.now();
  try {
    const { stdout } = await runChild('sh', ['-c', line], {
      cwd: tree.folder,
      env: cleanEnvironment(),
      timeoutMs: COMMAND_TIMEOUT_MS,
      stderr: 'pipe',
      isGroup: true,
    });
    return { timesMs: figuresIn(stdout) ?? { time: performance.now() - startMs } };
  } catch (error) {
    const said = error instanceof ChildError ? error.stderr.trim().split('\n').at(-1) : undefined;
    throw new SampleError(`${line} failed in ${tree.label}: ${said || (error as Error).message}`);
  }
}

/** The last line of JSON that is a number, or an object of numbers, all positive. Less is better. */
export function figuresIn(stdout: string): Record<string, number> | undefined {
  for (const line of stdout.trim().split('\n').toReversed()) {
    try {
      const value = JSON.parse(line) as unknown;
      const figures = typeof value === 'number' ? { time: value } : value;
      const all = typeof figures === 'object' && figures !== null ? Object.values(figures) : [];
      if (all.length > 0 && all.every((figure) => typeof figure === 'number' && figure > 0)) {
        return figures as Record<string, number>;
      }
    } catch {
      /* Another line. */
    }
  }
  return undefined;
}

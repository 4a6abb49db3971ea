/** Commands of another project, and its files of benchmarks for tinybench and vitest: measured in fresh processes, in turn. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { runChild } from '../../src/host/children.ts';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { compiledBench } from '../samples/compiled.ts';
import { SampleError, type CaseSample } from './cases.ts';
import { cleanEnvironment } from './git.ts';
import { moduleIn } from './project-module.ts';
import { lastLine, type Tree } from './project-trees.ts';

const COMMAND_TIMEOUT_MS = 120_000;
/** A file of benchmarks takes a second for each. */
const SUITE_TIMEOUT_MS = 600_000;

/** Runs a command line in a state. {case} stands for the case. @throws SampleError */
export async function runCommand({ folder, label }: Tree, command: string, name: string): Promise<CaseSample> {
  const line = command.replaceAll('{case}', name);
  const startMs = performance.now();
  try {
    const { stdout } = await runChild('sh', ['-c', line], {
      cwd: folder,
      env: cleanEnvironment(),
      timeoutMs: COMMAND_TIMEOUT_MS,
      stderr: 'pipe',
      isGroup: true,
    });
    return { timesMs: figuresIn(stdout) ?? { time: performance.now() - startMs } };
  } catch (error) {
    throw new SampleError(`${line} failed in ${label}: ${lastLine(error)}`);
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

/** Runs the tinybench `Bench` that a module exports. @throws UsageError, SampleError */
export async function runTinybench(tree: Tree, module: string): Promise<CaseSample> {
  const path = moduleIn(tree, module);
  const program = await compiledBench('regress/tinybench-sample.js');
  const stdout = await suiteOutput(tree, module, [program, path]);
  const figures = figuresIn(stdout);
  if (figures === undefined) {
    throw new SampleError(`${module} in ${tree.label} has no results`);
  }
  return { timesMs: figures };
}

/** Runs vitest's benchmarks in the files that this part of a path names. @throws UsageError, SampleError */
export async function runVitest(tree: Tree, files: string): Promise<CaseSample> {
  const { path, remove } = temporaryFolder('ct-bucket-vitest-');
  try {
    const output = join(path, 'results.json');
    await suiteOutput(tree, files, [vitestIn(tree), 'bench', '--run', '--outputJson', output, files]);
    const figures = vitestFigures(readFileSync(output, 'utf8'));
    if (Object.keys(figures).length === 0) {
      throw new SampleError(`vitest finds no benchmark in ${files} of ${tree.label}`);
    }
    return { timesMs: figures };
  } finally {
    remove();
  }
}

function vitestIn({ label, folder }: Tree): string {
  try {
    return join(dirname(createRequire(join(folder, 'package.json')).resolve('vitest/package.json')), 'vitest.mjs');
  } catch {
    throw new UsageError(`${label} has no vitest: install it in the project`);
  }
}

interface VitestResults {
  files?: { groups?: { fullName?: string; benchmarks?: { name?: string; median?: number; p75?: number }[] }[] }[];
}

/**
 * Median time in ms by benchmark, from the file that `vitest bench --outputJson` writes. Older versions have no median. A mean is of no
 * use on a busy machine: one pause of 20 ms doubles it.
 */
export function vitestFigures(text: string): Record<string, number> {
  const { files = [] } = JSON.parse(text) as VitestResults;
  const groups = files.flatMap((file) => file.groups ?? []);
  return Object.fromEntries(
    groups.flatMap(({ fullName = '', benchmarks = [] }) =>
      benchmarks.flatMap(({ name = '', p75 = 0, median = p75 }) =>
        median > 0 ? [[`${fullName} > ${name}`, median] as const] : [],
      ),
    ),
  );
}

/** @returns standard output of a Node program in the state's folder */
async function suiteOutput({ label, folder }: Tree, what: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await runChild(process.execPath, args, {
      cwd: folder,
      env: cleanEnvironment(),
      timeoutMs: SUITE_TIMEOUT_MS,
      stderr: 'pipe',
      isGroup: true,
    });
    return stdout;
  } catch (error) {
    throw new SampleError(`${what} failed in ${label}: ${errorLine(error)}`);
  }
}

/** The line of Node's report that names the error; what was said last otherwise. */
function errorLine(error: unknown): string {
  const { stderr = '' } = error as { stderr?: string };
  return /^(?:\w*Error(?: \[\w+\])?): (.*)$/m.exec(stderr)?.[1]?.trim() ?? lastLine(error);
}

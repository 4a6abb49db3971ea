/** Commands of another project, and its files of benchmarks for tinybench and vitest: measured in fresh processes, in turn. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { ChildError, runChild } from '../../../src/host/children.ts';
import { temporaryFolder } from '../../../src/host/cleanup.ts';
import { compiledBench } from '../../samples/compiled.ts';
import { SampleError, type CaseSample } from '../samples/cases.ts';
import { cleanEnvironment } from '../builds/git.ts';
import { errorLine } from './project-errors.ts';
import { moduleIn } from './project-module.ts';
import type { Tree } from './project-trees.ts';

/** Name of the figure of a command that prints none. It differs from that of a printed figure, so that the two are never compared. */
export const RUN_TIME = 'run time';
const LONGEST_QUOTE = 80;
const COMMAND_TIMEOUT_MS = 120_000;
/** A file of benchmarks takes a second for each. */
const SUITE_TIMEOUT_MS = 600_000;

/** Runs a command line in a state. {case} stands for the case. @throws SampleError */
export async function runCommand({ folder, label }: Tree, command: string, name: string): Promise<CaseSample> {
  const line = command.replaceAll('{case}', () => name);
  const startMs = performance.now();
  try {
    const { stdout } = await runChild('sh', ['-c', line], {
      cwd: folder,
      env: cleanEnvironment(),
      timeoutMs: COMMAND_TIMEOUT_MS,
      stderr: 'pipe',
      isGroup: true,
    });
    const runTimeMs = performance.now() - startMs;
    const wrong = wrongFigureIn(stdout);
    if (wrong !== undefined) {
      throw new SampleError(
        `${line} prints ${wrong} in ${label}: print positive numbers, or nothing (> /dev/null) to have its run time judged`,
      );
    }
    return { timesMs: figuresIn(stdout) ?? { [RUN_TIME]: runTimeMs } };
  } catch (error) {
    throw error instanceof ChildError
      ? new SampleError(`${line} failed in ${label}: ${errorLine(error, folder)}`)
      : error;
  }
}

/** The last line that is meant as a figure, if it is none: NaN, 0, a negative number, null. Text says nothing. */
export function wrongFigureIn(stdout: string): string | undefined {
  const isNumber = (value: unknown): boolean => value === null || typeof value === 'number';
  for (const line of stdout.trim().split('\n').toReversed()) {
    if (figuresIn(line) !== undefined) {
      return undefined;
    }
    if (/^-?(?:NaN|Infinity)$/.test(line.trim())) {
      return line.trim();
    }
    try {
      const value = JSON.parse(line) as unknown;
      const all = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.values(value) : [];
      if (isNumber(value) || (all.length > 0 && all.every(isNumber))) {
        return line.trim().slice(0, LONGEST_QUOTE);
      }
    } catch {
      /* Another line. */
    }
  }
  return undefined;
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
  const program = await compiledBench('regress/projects/tinybench-sample.js');
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
    const figures = existsSync(output) ? vitestFigures(readFileSync(output, 'utf8')) : {};
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
      env: { ...cleanEnvironment(), NO_COLOR: '1', FORCE_COLOR: '0' },
      timeoutMs: SUITE_TIMEOUT_MS,
      stderr: 'pipe',
      isGroup: true,
    });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as Partial<ChildError>;
    const [none] = /^No (?:test|bench\w*) files found/m.exec(`${stderr}\n${stdout}`) ?? [];
    throw new SampleError(
      none === undefined
        ? `${what} failed in ${label}: ${errorLine(error, folder)}`
        : `vitest finds no file of benchmarks with ${what} in its path in ${label}: their names end in .bench.ts or .bench.js`,
    );
  }
}

/** What runs on the other Node: what its compiler, its threads and its WebAssembly may do differently. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, delimiter, join } from 'node:path';
import { ChildError, runChild } from '../../src/host/children.ts';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { REPOSITORY } from '../support/child.ts';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Part {
  name: string;
  /** @param node path of the other Node */
  run: (node: string) => Promise<Counts>;
}

/** Vectors and captures run in the packet module (project quiet) and in JavaScript. */
const TESTS = [
  ...['quiet', 'threads', 'javascript'].flatMap((project) => ['--project', project]),
  'test/reference',
  'test/library/readme.test.ts',
  'test/core/nat/nat-threads.test.ts',
  'test/workers/datapath.test.ts',
];
const TIMEOUT_MS = 20 * 60_000;

/** Runs a program of this repository. Its output goes to standard error, since standard output has the counts. */
async function runHere(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    const { stdout } = await runChild(program, args, {
      cwd: REPOSITORY,
      env: { ...process.env, ...env },
      stderr: 'inherit',
      timeoutMs: TIMEOUT_MS,
      isGroup: true,
    });
    process.stderr.write(stdout);
    return true;
  } catch (error) {
    if (error instanceof ChildError) {
      process.stderr.write(`${error.stdout}\n${error.message}\n`);
      return false;
    }
    throw error;
  }
}

/** A command that passes or fails as a whole. */
export async function whole(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Counts> {
  const isRight = await runHere(program, args, env);
  return { passed: isRight ? 1 : 0, failed: isRight ? 0 : 1, skipped: 0 };
}

/** vitest's report as JSON, as far as it is read here. */
export interface TestReport {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
}

/** A file that cannot be loaded has no failed test, but the run fails. */
export function countsOf(report: TestReport): Counts {
  const { success, numPassedTests, numFailedTests, numPendingTests, numTodoTests } = report;
  const failed = success ? numFailedTests : Math.max(1, numFailedTests);
  return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
}

async function runTests(node: string): Promise<Counts> {
  const folder = temporaryFolder('ct-bucket-other-node-');
  try {
    const file = join(folder.path, 'report.json');
    const vitest = join(REPOSITORY, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const isRight = await runHere(node, [vitest, 'run', ...reporters, ...TESTS], {});
    if (!existsSync(file)) {
      return { passed: 0, failed: 1, skipped: 0 };
    }
    const counts = countsOf(JSON.parse(readFileSync(file, 'utf8')) as TestReport);
    return isRight ? counts : { ...counts, failed: Math.max(1, counts.failed) };
  } finally {
    folder.remove();
  }
}

export const PARTS: readonly Part[] = [
  { name: 'tests', run: runTests },
  {
    name: 'the packaged library',
    /* npm runs on the Node that is first in PATH. */
    run: (node) =>
      whole(node, [join('scripts', 'check-package.mjs'), '--brief'], {
        PATH: `${dirname(node)}${delimiter}${process.env['PATH']}`,
      }),
  },
  {
    name: 'counts',
    run: (node) =>
      whole(node, [join('dist', 'src', 'cli', 'main.js'), 'bench', 'count', '--check', 'ct-bucket.counts.json']),
  },
];

export function sumOf(all: readonly Counts[]): Counts {
  const sum = (name: keyof Counts) => all.reduce((total, counts) => total + counts[name], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** Every part as skipped. */
export function allSkipped(parts: readonly Part[]): Counts {
  return { passed: 0, failed: 0, skipped: parts.length };
}

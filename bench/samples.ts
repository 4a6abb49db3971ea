/** What all benchmarks share: samples in fresh processes, progress, ranges, the file of results. */

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { UsageError } from '../src/core/errors.ts';
import { compiledBench } from './compiled.ts';

/** A sample takes seconds; one that takes this long hangs. */
const TIMEOUT_MS = 300_000;

/** Runs a compiled module of bench/ in a process of its own, which prints one line of JSON. */
export function takeSample<Sample>(module: string, options: unknown, environment: Record<string, string> = {}): Sample {
  const output = execFileSync(process.execPath, [compiledBench(module), JSON.stringify(options)], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output) as Sample;
}

export function showProgress(text: string): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\u001b[K${text}`);
  }
}

export function range(samples: readonly number[], digits = 0): string {
  return `${Math.min(...samples).toFixed(digits)}-${Math.max(...samples).toFixed(digits)}`;
}

export function writeJson(file: string, content: unknown): void {
  writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`);
}

/** Call before measuring, not after minutes of it. @throws UsageError */
export function requireWritable(file: string): void {
  try {
    closeSync(openSync(file, 'a'));
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${(error as Error).message}`);
  }
}

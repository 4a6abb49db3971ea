/** Shared by all benchmarks: samples in fresh processes, progress, ranges, and the results file. */

import { basename } from 'node:path';
import { ChildError, runChild } from '../../src/host/children.ts';
import { compiledBench } from './compiled.ts';

/** A sample takes seconds. After this time it is considered to hang. */
const TIMEOUT_MS = 300_000;

/** Runs a compiled module of bench/ in a process of its own. The module prints one line of JSON. */
export async function takeSample<Sample>(
  module: string,
  options: unknown,
  environment: Record<string, string> = {},
): Promise<Sample> {
  return sampleOf<Sample>(await compiledBench(module), options, environment);
}

export type TakeSample = typeof takeSample;

/**
 * The environment of a sample whose packets go through JavaScript. For builds whose JavaScript was patched or instrumented, and for
 * comparisons with them: the packet module would not show the difference.
 */
export const IN_JAVASCRIPT: Record<string, string> = { CT_PACKET_PATH: 'javascript' };

/** Like takeSample, for a module of any build, by its path. @throws Error of one line if the process fails */
export async function sampleOf<Sample>(
  path: string,
  options: unknown,
  environment: Record<string, string> = {},
  nodeFlags: readonly string[] = [],
): Promise<Sample> {
  const flags = process.env['CT_DEBUG'] === '1' ? [...nodeFlags, '--enable-source-maps'] : nodeFlags;
  return sampleOn<Sample>({ program: process.execPath, args: flags }, path, options, environment);
}

/** A program that runs JavaScript, and its arguments before the path of a module. */
export interface Runner {
  readonly program: string;
  readonly args: readonly string[];
}

/** Like sampleOf, on another runtime than the running Node. @throws SampleFailure */
export async function sampleOn<Sample>(
  { program, args }: Runner,
  path: string,
  options: unknown,
  environment: Record<string, string> = {},
  timeoutMs: number = TIMEOUT_MS,
): Promise<Sample> {
  try {
    const { stdout, stderr } = await runChild(program, [...args, path, JSON.stringify(options)], {
      timeoutMs,
      env: { ...process.env, ...environment },
      stderr: 'pipe',
    });
    process.stderr.write(stderr);
    return JSON.parse(stdout) as Sample;
  } catch (error) {
    if (error instanceof ChildError) {
      if (process.env['CT_DEBUG'] === '1') {
        process.stderr.write(error.stderr);
      }
      const said = /^(?:\w*Error(?: \[\w+\])?|FATAL ERROR): (.*)$/m.exec(error.stderr)?.[1] ?? error.message;
      throw new SampleFailure(`the process of a sample failed (${basename(path)}): ${said.trim()}`, error);
    }
    throw error;
  }
}

/** A sample process failed, so there are no results. */
export class SampleFailure extends Error {
  override readonly name = 'SampleFailure';

  constructor(message: string, cause?: ChildError) {
    super(message, { cause });
  }
}

export { showProgress } from '../../src/host/terminal.ts';

export function range(samples: readonly number[], digits = 0): string {
  return `${Math.min(...samples).toFixed(digits)}-${Math.max(...samples).toFixed(digits)}`;
}

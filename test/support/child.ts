/** Child processes of tests. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const REPOSITORY: string = join(import.meta.dirname, '..', '..');

/** Node's arguments for the command `ct-bucket`: the build that test/support/build.ts has made before all tests. */
export const CT_BUCKET: readonly string[] = [join(REPOSITORY, 'dist', 'src', 'cli', 'main.js')];

export interface ChildResult {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program in the repository's folder to its end. */
export function run(
  program: string,
  args: readonly string[],
  input: Uint8Array = new Uint8Array(),
): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: REPOSITORY });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(output).toString(), stderr: Buffer.concat(errors).toString() }),
    );
    /* A child that ends before it has read everything is not this function's concern. */
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Runs a TypeScript module of the repository with Node options. */
export function runModule(
  module: string,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<ChildResult> {
  return run(process.execPath, ['--import', 'tsx', ...nodeOptions, join(REPOSITORY, module), ...args]);
}

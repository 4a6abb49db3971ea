/** Child processes for tests. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const REPOSITORY: string = join(import.meta.dirname, '..', '..');

/** Node's arguments for the command `ct-bucket`, from the build that test/support/build.ts makes before all tests. */
export const CT_BUCKET: readonly string[] = [join(REPOSITORY, 'dist', 'src', 'cli', 'main.js')];

export interface ChildResult {
  /** The exit code; null if a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program in the repository's folder until it ends. */
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
    /* A child may end before it has read all its input. */
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Runs a TypeScript module of the repository, with options for Node. */
export function runModule(
  module: string,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<ChildResult> {
  return run(process.execPath, ['--import', 'tsx', ...nodeOptions, join(REPOSITORY, module), ...args]);
}

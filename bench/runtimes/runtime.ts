/** Runtimes that can run ct-bucket, as the user names them. */

import { accessSync, constants, statSync } from 'node:fs';
import { UsageError } from '../../src/core/errors.ts';
import { ChildError, runChild } from '../../src/host/children.ts';
import type { Runner } from '../samples/samples.ts';
import { type InstallOptions, installedRuntime } from './install.ts';
import { kindOf, NODE_RELEASES, type RuntimeKind } from './packages.ts';

/** A runtime that the user asks for: by the name of a package's runtime, or as the path of a program. */
export interface RuntimeChoice {
  name: string;
  path?: string;
}

export interface Runtime extends Runner {
  /** Name in tables: `Node 22.23.5`, or the user's. */
  label: string;
  /** The answer to `--version`, without words: `22.23.5`. */
  version: string;
}

const VERSION_TIMEOUT_MS = 60_000;
const TITLES: Record<RuntimeKind, string> = { node: 'Node', bun: 'Bun', deno: 'Deno' };
/** Deno asks for permissions otherwise, and takes piscina's modules for ECMAScript modules. */
const ARGS: Record<RuntimeKind, readonly string[]> = {
  node: [],
  bun: [],
  deno: ['run', '--allow-all', '--no-check', '--unstable-detect-cjs'],
};

/** All releases of Node but the running one, Bun and Deno. */
export function defaultRuntimes(): RuntimeChoice[] {
  const running = Number(process.versions.node.split('.')[0]);
  const others = NODE_RELEASES.filter((release) => release !== running).map((release) => `node${release}`);
  return [...others, 'bun', 'deno'].map((name) => ({ name }));
}

/** Parses `NAME` or `NAME=PATH`. @throws UsageError */
export function runtimeChoice(text: string): RuntimeChoice {
  const [, name, path] = /^([A-Za-z][\w.-]*)(?:=(.+))?$/.exec(text) ?? [];
  if (name === undefined || (path === undefined && kindOf(name) === undefined)) {
    throw new UsageError(
      `${JSON.stringify(text)} is not a runtime: give node22, node22.3.0, bun, deno, ..., or NAME=PATH of a program`,
    );
  }
  return path === undefined ? { name } : { name, path };
}

/** @throws UsageError if this user cannot execute the file */
function requireProgram({ name, path }: Required<RuntimeChoice>): void {
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new UsageError(`runtime ${name}: cannot execute ${path} (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!statSync(path).isFile()) {
    throw new UsageError(`runtime ${name}: ${path} is not a file: give the path of the program`);
  }
}

/** The version that a program prints: `v22.23.5`, `1.4.5`, or `deno 2.9.6 (stable, ...)`. @throws UsageError */
async function versionOf(name: string, program: string): Promise<string> {
  try {
    const { stdout } = await runChild(program, ['--version'], { stderr: 'pipe', timeoutMs: VERSION_TIMEOUT_MS });
    const version = /\d+\.\d+\.\d+\S*/.exec(stdout)?.[0];
    if (version !== undefined) {
      return version;
    }
  } catch (error) {
    if (error instanceof ChildError) {
      throw new UsageError(`runtime ${name}: ${program} --version failed: ${error.message}`);
    }
    throw error;
  }
  throw new UsageError(`runtime ${name}: ${program} --version prints no version`);
}

/** Finds or fetches a runtime. @throws UsageError of one line */
export async function runtimeOf(choice: RuntimeChoice, options: InstallOptions): Promise<Runtime> {
  const { name, path } = choice;
  if (path !== undefined) {
    requireProgram({ name, path });
  }
  const program = path ?? (await installedRuntime(name, options));
  const version = await versionOf(name, program);
  /* A program that the user names takes the arguments of Node, unless its name begins as those of Bun or Deno. */
  const kind = kindOf(/^(?:bun|deno)/.exec(name)?.[0] ?? 'node')!;
  return { label: path === undefined ? `${TITLES[kind]} ${version}` : name, version, program, args: ARGS[kind] };
}

/** The Node that runs this process. */
export function runningNode(): Runtime {
  const { node } = process.versions;
  return { label: `Node ${node} (this one)`, version: node, program: process.execPath, args: [] };
}

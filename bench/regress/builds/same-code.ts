/**
 * Whether two builds run the same compiled code. Then no measurement is needed: a commit that changes comments, types, tests or another
 * part of the program cannot make the measured part slower.
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Build } from './builds.ts';

/** Everything that a sample runs begins in one of these modules. */
const SAMPLES = join('bench', 'samples');
/** Modules that the file imports, also while it runs: paths and names of packages. */
const IMPORT = /(?:^(?:import|export)\b[^"'\n]*|\bimport\()["']([^"']+)["']/gm;

/** The tokens of a module, one after the other. Comments and blank space between them are left out. */
type TokensOf = (text: string) => string;

async function tokenReader(): Promise<TokensOf> {
  try {
    const { parse } = await import('acorn');
    return (text) => {
      const tokens: string[] = [];
      const onToken = ({ start, end }: { start: number; end: number }) => void tokens.push(text.slice(start, end));
      parse(text, { ecmaVersion: 'latest', sourceType: 'module', onToken });
      return tokens.join('\0');
    };
  } catch {
    /* Only a clone of the repository has acorn. Without it a changed comment counts as a change. */
    return (text) => text;
  }
}

/** Name and version of a package, as the build finds it. */
function packageText(dist: string, name: string): string {
  const folder = name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
  const file = join(dirname(dist), 'node_modules', folder, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : 'not found';
}

/** A hash of all code that the samples of a build run. undefined: the build has no samples where they are today */
function codeOf({ dist }: Build, tokensOf: TokensOf): string | undefined {
  const folder = join(dist, SAMPLES);
  if (!existsSync(folder)) {
    return undefined;
  }
  const found = new Map<string, string>();
  const visit = (module: string): void => {
    if (found.has(module) || !existsSync(join(dist, module))) {
      return;
    }
    const text = readFileSync(join(dist, module), 'utf8');
    found.set(module, tokensOf(text));
    for (const [, name] of text.matchAll(IMPORT)) {
      if (name!.startsWith('.')) {
        visit(relative(dist, join(dist, dirname(module), name!)));
      } else if (!name!.startsWith('node:')) {
        found.set(name!, packageText(dist, name!));
      }
    }
  };
  const samples = readdirSync(folder).filter((name) => name.endsWith('.js'));
  samples.forEach((name) => visit(join(SAMPLES, name)));
  const hash = createHash('sha256');
  for (const [name, tokens] of [...found].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0${tokens.length}\0${tokens}`);
  }
  return samples.length === 0 ? undefined : hash.digest('hex');
}

/** A text for the code that the samples of a build run. Equal texts: equal code. undefined: not to be told */
export async function codeOfBuild(build: Build): Promise<string | undefined> {
  return codeOf(build, await tokenReader());
}

/** Whether the samples of both builds run the same code, whatever their comments say. */
export async function isSameCode(a: Build, b: Build): Promise<boolean> {
  const tokensOf = await tokenReader();
  const [codeA, codeB] = [codeOf(a, tokensOf), codeOf(b, tokensOf)];
  return codeA !== undefined && codeA === codeB;
}

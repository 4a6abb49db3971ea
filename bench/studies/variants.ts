/**
 * Builds that differ in one thing: copies of the compiled build with a few patched places. The build joins modules into chunks. A
 * line of its own names each source above its code.
 */

import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { compiledBench } from '../samples/compiled.ts';

/** A change to the compiled code. */
export interface Patch {
  /** The source whose code is changed, or a folder for all of its sources. */
  path: string;
  /** The pattern to replace. It is an error if the compiled code of `path` does not contain it. */
  find: RegExp;
  replace: string;
}

export interface Variant {
  /** Folder of the compiled modules. */
  dist: string;
  remove(): void;
}

const CHUNKS = 'chunks';
const SOURCE_LINE = /^\/\/ ((?:src|bench)\/\S+\.ts)\n/m;

/** @returns the changed text of the chunk, and the number of changes */
function patched(text: string, { path, find, replace }: Patch): { text: string; changes: number } {
  let changes = 0;
  /* The text above the first source, then name and code of each source in turn. */
  const parts = text.split(SOURCE_LINE);
  for (let i = 1; i < parts.length; i += 2) {
    const source = parts[i]!;
    if (source === path || source.startsWith(`${path}/`)) {
      parts[i + 1] = parts[i + 1]!.replaceAll(new RegExp(find, 'g'), () => {
        changes++;
        return replace;
      });
    }
    parts[i] = `// ${source}\n`;
  }
  return { text: parts.join(''), changes };
}

/** @throws Error if the patch finds nothing to change: then the code has changed and the patch must follow */
function applyPatch(dist: string, patch: Patch): void {
  let found = 0;
  for (const name of readdirSync(join(dist, CHUNKS)).filter((each) => each.endsWith('.js'))) {
    const file = join(dist, CHUNKS, name);
    const { text, changes } = patched(readFileSync(file, 'utf8'), patch);
    if (changes > 0) {
      writeFileSync(file, text);
      found += changes;
    }
  }
  if (found === 0) {
    throw new Error(`nothing in ${patch.path} matches ${patch.find}: adapt the patch to the source`);
  }
}

/** The folder of the packages that the samples import. An installed package has it further up than the repository. */
function packagesOf(dist: string): string {
  const entry = createRequire(join(dist, 'index.js')).resolve('piscina');
  return entry.slice(0, entry.lastIndexOf(`${sep}piscina${sep}`));
}

/** A copy of a build in a temporary folder, to change. Its samples find the packages that the build finds. */
export async function copyOfBuild(build: string): Promise<Variant> {
  const { path: folder, remove } = temporaryFolder('ct-bucket-variant-');
  const dist = join(folder, 'dist');
  await cp(build, dist, { recursive: true });
  await cp(join(dirname(build), 'package.json'), join(folder, 'package.json'));
  symlinkSync(packagesOf(build), join(folder, 'node_modules'));
  return { dist, remove };
}

/** @throws Error if a patch finds nothing to change */
export async function buildVariant(patches: readonly Patch[]): Promise<Variant> {
  const ours = dirname(dirname(dirname(await compiledBench('samples/workload-sample.js'))));
  if (patches.length === 0) {
    return { dist: ours, remove: () => {} };
  }
  const variant = await copyOfBuild(ours);
  try {
    for (const patch of patches) {
      applyPatch(variant.dist, patch);
    }
  } catch (error) {
    variant.remove();
    throw error;
  }
  return variant;
}

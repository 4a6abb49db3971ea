/** Builds that differ in one thing: copies of the compiled build in which a few places are changed. */

import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { compiledBench } from '../samples/compiled.ts';

/** A change of compiled code. */
export interface Patch {
  /** Below dist/, or a folder: then of every module in it. */
  path: string;
  /** Must be found. */
  find: RegExp;
  replace: string;
}

export interface Variant {
  /** Folder of the compiled modules. */
  dist: string;
  remove(): void;
}

function filesOf(path: string): string[] {
  return path.endsWith('.js')
    ? [path]
    : readdirSync(path, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.js'))
        .map((name) => join(path, name));
}

/** @throws Error where a patch finds nothing to change: the code has become another */
export async function buildVariant(patches: readonly Patch[]): Promise<Variant> {
  const ours = dirname(dirname(dirname(await compiledBench('samples/workload-sample.js'))));
  if (patches.length === 0) {
    return { dist: ours, remove: () => {} };
  }
  const { path: folder, remove } = temporaryFolder('ct-bucket-variant-');
  const dist = join(folder, 'dist');
  await cp(ours, dist, { recursive: true });
  await cp(join(dirname(ours), 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(dirname(ours), 'node_modules'), join(folder, 'node_modules'));
  for (const { path, find, replace } of patches) {
    let changes = 0;
    for (const file of filesOf(join(dist, path))) {
      const text = readFileSync(file, 'utf8');
      const changed = text.replaceAll(new RegExp(find, 'g'), () => {
        changes++;
        return replace;
      });
      if (changed !== text) {
        writeFileSync(file, changed);
      }
    }
    if (changes === 0) {
      remove();
      throw new Error(`nothing in ${path} matches ${find}`);
    }
  }
  return { dist, remove };
}

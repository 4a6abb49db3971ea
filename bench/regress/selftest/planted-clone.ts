/** Temporary clones of the repository here, for plants in the sources. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { temporaryFolder } from '../../../src/host/cleanup.ts';
import type { Patch, Variant } from '../../studies/variants.ts';
import { git, repositoryOf } from '../builds/git.ts';

export interface Clone {
  folder: string;
  /** The clone ends with its process at the latest. */
  remove(): void;
}

/** Clones the commit HEAD. The installed packages are linked. @throws GitError */
export function cloneHere(repository: string): Clone {
  const { root } = repositoryOf(repository);
  const { path, remove } = temporaryFolder('ct-bucket-planted-');
  try {
    const folder = join(path, 'clone');
    git(root, ['clone', '--quiet', '--shared', '--no-tags', root, folder]);
    const packages = join(root, 'node_modules');
    if (existsSync(packages)) {
      symlinkSync(packages, join(folder, 'node_modules'));
    }
    return { folder, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** @throws UsageError if there is nothing to change */
export function patchSource(folder: string, { path, find, replace }: Patch): void {
  const file = join(folder, path);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const changed = text.replace(find, () => replace);
  if (changed === text) {
    throw new UsageError(`nothing in ${path} matches ${find}: the plant does not fit this commit`);
  }
  writeFileSync(file, changed);
}

/** A build of the sources of HEAD with these changes. So they are in the packet module, too. @throws UsageError, GitError */
export function buildSources(patches: readonly Patch[]): Variant {
  const { folder, remove } = cloneHere(process.cwd());
  try {
    patches.forEach((patch) => patchSource(folder, patch));
    execFileSync(process.execPath, [join('scripts', 'build.mjs')], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return { dist: join(folder, 'dist'), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

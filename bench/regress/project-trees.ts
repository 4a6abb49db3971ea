/** The states of another project: folders as they are, and files of commits in temporary folders, prepared by the project's own command. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';
import { ChildError, runChild } from '../../src/host/children.ts';
import { temporaryFolder } from '../../src/host/cleanup.ts';
import { cleanEnvironment, commitOf, repositoryOf, writeCommit } from './git.ts';
import type { State } from './run.ts';

export interface Tree extends State {
  /** The user's folder in this state. */
  folder: string;
  remove(): void;
}

export interface TreeOptions {
  /** A command line that makes a state ready, for example builds it. sh runs it once in the folder of each state. */
  prepare?: string;
  say: (line: string) => void;
}

const PREPARE_TIMEOUT_MS = 600_000;

/** A folder as it is, or the files of a commit in a temporary folder, with the packages of the checked-out one. @throws UsageError */
export async function treeOf(label: string, options: TreeOptions): Promise<Tree> {
  const tree = unprepared(label, options);
  try {
    await prepare(tree, options);
    return tree;
  } catch (error) {
    tree.remove();
    throw error;
  }
}

function unprepared(label: string, options: TreeOptions): Tree {
  if (label !== '' && existsSync(label) && statSync(label).isDirectory()) {
    return { label, folder: resolve(label), remove: () => {} };
  }
  const repository = repositoryOf(process.cwd());
  const commit = commitOf(label, repository);
  const { path, remove } = temporaryFolder('ct-bucket-regress-');
  try {
    const tree = join(path, 'tree');
    mkdirSync(tree);
    writeCommit(commit, repository, tree);
    linkPackages(label, repository.root, tree, options.prepare !== undefined);
    return { label, commit, folder: join(tree, relative(repository.root, repository.folder)), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** @throws UsageError if the commit needs other packages than those that are installed, and no command installs them */
function linkPackages(label: string, root: string, tree: string, isPrepared: boolean): void {
  const installed = join(root, 'node_modules');
  const lockOf = (folder: string): string => {
    const file = join(folder, 'package-lock.json');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  if (!existsSync(installed) || existsSync(join(tree, 'node_modules'))) {
    return;
  }
  if (lockOf(root) === lockOf(tree)) {
    /* Each package has a link of its own. So `npm ci` in the tree removes links, not the user's packages. */
    mkdirSync(join(tree, 'node_modules'));
    readdirSync(installed).forEach((name) => symlinkSync(join(installed, name), join(tree, 'node_modules', name)));
  } else if (!isPrepared) {
    throw new UsageError(
      `${label} needs other packages than those installed: check it out in a folder, install, and give the folder`,
    );
  }
}

async function prepare({ label, folder }: Tree, { prepare: line, say }: TreeOptions): Promise<void> {
  if (line === undefined) {
    return;
  }
  say(`preparing ${label}`);
  try {
    await runChild('sh', ['-c', line], {
      cwd: folder,
      env: cleanEnvironment(),
      timeoutMs: PREPARE_TIMEOUT_MS,
      stderr: 'pipe',
      isGroup: true,
    });
  } catch (error) {
    throw new UsageError(`--prepare: ${line} failed in ${label}: ${lastLine(error)}`);
  }
}

/** What a failed command said last. */
export function lastLine(error: unknown): string {
  const said = error instanceof ChildError ? error.stderr.trim().split('\n').at(-1) : undefined;
  return said || (error as Error).message;
}

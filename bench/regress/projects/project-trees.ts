/** The states of another project: folders as they are, and files of commits in temporary folders, prepared by the project's own command. */

import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { runChild } from '../../../src/host/children.ts';
import { temporaryFolder } from '../../../src/host/cleanup.ts';
import { cleanEnvironment, commitOf, repositoryOf, writeCommit } from '../builds/git.ts';
import { errorLine } from './project-errors.ts';
import type { State } from '../run.ts';

export interface Tree extends State {
  /** The user's folder in this state. */
  folder: string;
  remove(): void;
}

export interface TreeOptions {
  /** A command line that makes a state ready, for example builds it. sh runs it once in the folder of each state. */
  prepare?: string;
  /** File of the cases, from the current folder: folders on its way may have packages of their own. */
  module?: string;
  tinybench?: string;
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

function isFolder(label: string): boolean {
  return label !== '' && existsSync(label) && statSync(label).isDirectory();
}

function unprepared(label: string, options: TreeOptions): Tree {
  if (isFolder(label)) {
    return { label, folder: resolve(label), remove: () => {} };
  }
  const repository = repositoryOf(process.cwd());
  const commit = commitOf(label, repository);
  const { path, remove } = temporaryFolder('ct-bucket-regress-');
  try {
    const tree = join(path, 'tree');
    mkdirSync(tree);
    writeCommit(commit, repository, tree);
    const inside = relative(realpathSync(repository.root), realpathSync(repository.folder));
    const isPrepared = options.prepare !== undefined;
    for (const folder of ['', ...foldersDownTo(join(inside, dirname(subjectFile(options))))]) {
      linkPackages({ label, root: repository.root, tree, folder, isPrepared });
    }
    const folder = join(tree, inside);
    if (!existsSync(folder)) {
      throw new UsageError(`${label} has no folder ${inside}: go to a folder that both states have`);
    }
    return { label, commit, folder, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function subjectFile({ module, tinybench }: TreeOptions): string {
  const file = module ?? tinybench ?? '';
  return isAbsolute(file) ? '' : file;
}

/** Lock files of npm, yarn, pnpm and Bun. */
const LOCK_FILES = ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'];

interface LinkOptions {
  label: string;
  /** Root folder of the checked-out files. */
  root: string;
  /** Root folder of the state. */
  tree: string;
  /** From the root. */
  folder: string;
  isPrepared: boolean;
}

/**
 * Gives a folder of the state the packages that are installed in the checked-out one.
 * @throws UsageError if the commit needs other packages than those that are installed, and no command installs them
 */
function linkPackages({ label, root, tree, folder, isPrepared }: LinkOptions): void {
  const [from, to] = [join(root, folder), join(tree, folder)];
  const [installed, links] = [join(from, 'node_modules'), join(to, 'node_modules')];
  if (!existsSync(installed) || !existsSync(to) || existsSync(links)) {
    return;
  }
  const differing = LOCK_FILES.find((name) => textOf(join(from, name)) !== textOf(join(to, name)));
  if (differing === undefined) {
    link(installed, links, root, tree);
  } else if (!isPrepared) {
    throw new UsageError(
      `${label} needs other packages than those installed: check it out in a folder, install, and give the folder; or give --prepare 'npm ci' (${join(folder, differing)} differs)`,
    );
  }
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

/**
 * Each package gets a link of its own. So `npm ci` in the state removes links, not the user's packages. A package of the repository
 * itself (a workspace) is that of the state: the checked-out one would hide what differs.
 */
function link(installed: string, links: string, root: string, tree: string): void {
  mkdirSync(links);
  for (const name of readdirSync(installed)) {
    const path = join(installed, name);
    const inside = existsSync(path) ? relative(realpathSync(root), realpathSync(path)) : '';
    const isOwn = inside !== '' && !isAbsolute(inside) && !/(?:^|[\\/])(?:\.\.|node_modules)(?:[\\/]|$)/.test(inside);
    if (name.startsWith('@')) {
      link(path, join(links, name), root, tree);
    } else {
      symlinkSync(isOwn ? join(tree, inside) : path, join(links, name));
    }
  }
}

/** The folders from the root down to this one, from the root. */
function foldersDownTo(folder: string): string[] {
  const parts = folder.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  return parts.map((_, i) => join(...parts.slice(0, i + 1)));
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
    throw new UsageError(`--prepare: ${line} failed in ${label}: ${errorLine(error, folder)}`);
  }
}

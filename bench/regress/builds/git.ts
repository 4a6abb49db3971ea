/** Git commands of `regress`. If git fails, the error quotes git's reason. */

import { execFileSync } from 'node:child_process';
import { UsageError } from '../../../src/core/errors.ts';

/** Git sets these variables for hooks. They would make git use the hook's repository. The user's GIT_CONFIG_... stay. */
const OF_HOOKS: ReadonlySet<string> = new Set([
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_PREFIX',
  'GIT_COMMON_DIR',
  'GIT_NAMESPACE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_QUARANTINE_PATH',
]);
/** Most files in the line about uncommitted changes. */
const SHOWN_CHANGES = 2;
const MAX_OUTPUT_BYTES = 64 << 20;

/** An environment in which git works on the repository of the current folder. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_HOOKS.has(name)));
}

export class GitError extends Error {}

/** @throws GitError with git's message in one line */
export function git(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  try {
    return execFileSync('git', ['--no-optional-locks', '-C', cwd, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...cleanEnvironment(), ...env },
    });
  } catch (error) {
    const { code, stderr = '', message } = error as { code?: string; stderr?: string; message: string };
    if (code === 'ENOENT') {
      throw new GitError('git is not found: install it, or add it to PATH');
    }
    const lines = stderr
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    throw new GitError(lines.length === 0 ? message.split('\n')[0]! : `git: ${lines.join(' ')}`);
  }
}

/** A repository, and the user's folder in it. */
export interface Repository {
  folder: string;
  /** Root folder of the checked-out files. */
  root: string;
  gitFolder: string;
}

/** @throws UsageError with git's reason: no repository, another owner, git not installed */
export function repositoryOf(folder: string): Repository {
  try {
    const [root, gitFolder] = git(folder, ['rev-parse', '--show-toplevel', '--absolute-git-dir']).split('\n');
    return { folder, root: root!, gitFolder: gitFolder! };
  } catch (error) {
    throw asUsageError(error, folder);
  }
}

/** The commit id that a label names. @throws UsageError with git's reason */
export function commitOf(label: string, { folder }: Repository): string {
  try {
    return git(folder, ['rev-parse', '--verify', '--end-of-options', `${label}^{commit}`]).trim();
  } catch (error) {
    if (!(error instanceof GitError)) {
      throw error;
    }
    const advice = isShallow(folder)
      ? '; this is a shallow clone: get the rest with git fetch --unshallow (actions/checkout: fetch-depth: 0)'
      : '';
    throw new UsageError(
      `${label} is neither a folder nor a commit of ${folder} (${reasonOf(label, folder)})${advice}`,
    );
  }
}

/** The reason why git finds no commit. rev-parse says only "Needed a single revision". */
function reasonOf(label: string, folder: string): string {
  try {
    git(folder, ['rev-list', '--max-count=1', '--end-of-options', label, '--']);
    return 'git knows it, but it is not one commit';
  } catch (error) {
    return (error as Error).message;
  }
}

function isShallow(folder: string): boolean {
  try {
    return git(folder, ['rev-parse', '--is-shallow-repository']).trim() === 'true';
  } catch {
    /* An old git does not know this option. */
    return false;
  }
}

/** A commit, and the first line of its message. */
export interface Commit {
  id: string;
  title: string;
}

/**
 * The commits from `good` to `bad` along first parents, both included. A merge stands for all that it brings.
 * @throws UsageError unless `good` is an ancestor of `bad`
 */
export function commitsBetween(good: string, bad: string, repository: Repository): [good: Commit, ...Commit[]] {
  const [from, to] = [commitOf(good, repository), commitOf(bad, repository)];
  if (from === to) {
    throw new UsageError(`${good} and ${bad} are one commit: give an older one in --good`);
  }
  const { folder } = repository;
  try {
    if (git(folder, ['merge-base', from, to]).trim() !== from) {
      throw new GitError('they have parted');
    }
  } catch (error) {
    const advice = isShallow(folder) ? '; this is a shallow clone: get the rest with git fetch --unshallow' : '';
    throw error instanceof GitError
      ? new UsageError(`${good} is not an ancestor of ${bad}: give an ancestor in --good${advice}`)
      : error;
  }
  const list = (args: string[]): Commit[] =>
    git(folder, ['log', '--no-show-signature', '--format=%H%x09%s', ...args, '--'])
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({ id: line.slice(0, line.indexOf('\t')), title: line.slice(line.indexOf('\t') + 1) }));
  return [list(['--max-count=1', from])[0]!, ...list(['--first-parent', '--reverse', `${from}..${to}`])];
}

/** The id of all files of a commit. Equal ids: equal files. @throws UsageError */
export function treeIdOf(commit: string, { folder }: Repository): string {
  try {
    return git(folder, ['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`]).trim();
  } catch (error) {
    throw asUsageError(error, commit);
  }
}

/** The files of a commit below `paths`: path -> id of the contents. @throws UsageError */
export function filesOf(commit: string, { root }: Repository, paths: readonly string[] = []): Map<string, string> {
  try {
    const entries = git(root, ['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...paths]).split('\0');
    return new Map(
      entries
        .filter((entry) => entry !== '')
        .map((entry): [string, string] => {
          const [, , id] = entry.slice(0, entry.indexOf('\t')).split(' ');
          return [entry.slice(entry.indexOf('\t') + 1), id!];
        }),
    );
  } catch (error) {
    throw asUsageError(error, commit);
  }
}

/** @param blob id of the contents. @throws UsageError */
export function blobText(blob: string, { root }: Repository): string {
  try {
    return git(root, ['cat-file', 'blob', blob]);
  } catch (error) {
    throw asUsageError(error, blob);
  }
}

/** Writes the files of a commit into an empty folder. Leaves the repository and its index alone. @throws UsageError */
export function writeCommit(commit: string, { root, gitFolder }: Repository, tree: string): void {
  const env = { GIT_INDEX_FILE: `${tree}.index` };
  const places = [`--git-dir=${gitFolder}`, `--work-tree=${tree}`];
  try {
    git(root, [...places, 'read-tree', commit], env);
    git(tree, [...places, 'checkout-index', '--all', '--quiet'], env);
  } catch (error) {
    throw asUsageError(error, commit);
  }
}

/** Values of `git status --untracked-files`. */
type Untracked = 'no' | 'normal';

/** The files below `paths` that differ from the checked-out commit. @throws UsageError */
function uncommitted({ root }: Repository, paths: readonly string[], untracked: Untracked): string[] {
  try {
    return git(root, ['status', '--porcelain', '-z', '--no-renames', `--untracked-files=${untracked}`, '--', ...paths])
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => line.slice('XY '.length));
  } catch (error) {
    throw asUsageError(error, root);
  }
}

/**
 * Warns that `regress` measures a commit, not the changed files in the folder.
 * @param commits ids of the measured commits
 * @param paths the files and folders that a build is made of, from the repository's root
 * @param untracked whether files that git does not track count: in another project they may be results
 * @param advice what to do about it
 * @returns the warning; undefined if the checked-out commit is not measured, or no file is changed
 */
export function uncommittedNote(
  commits: readonly (string | undefined)[],
  repository: Repository,
  paths: readonly string[],
  untracked: Untracked = 'normal',
  advice = `commit them, or give --head ${repository.root === repository.folder ? '.' : repository.root}`,
): string | undefined {
  if (!commits.includes(headOf(repository))) {
    return undefined;
  }
  const changed = uncommitted(repository, paths, untracked);
  if (changed.length === 0) {
    return undefined;
  }
  const more = changed.length - SHOWN_CHANGES;
  const names = `${changed.slice(0, SHOWN_CHANGES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `uncommitted changes are not measured (${names}): ${advice}`;
}

/** The checked-out commit's id. undefined before the first commit. */
function headOf({ folder }: Repository): string | undefined {
  try {
    return git(folder, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']).trim();
  } catch {
    return undefined;
  }
}

function asUsageError(error: unknown, subject: string): unknown {
  return error instanceof GitError ? new UsageError(`${subject}: ${error.message}`) : error;
}

/** What `regress` asks git. Where git fails, its own reason is in the error. */

import { execFileSync } from 'node:child_process';
import { UsageError } from '../../src/core/errors.ts';

/** A hook sets these: they would turn git to the hook's repository. Settings of the user (GIT_CONFIG_...) stay. */
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
/** Files shown in the line about uncommitted changes. */
const SHOWN_CHANGES = 2;
const MAX_OUTPUT_BYTES = 64 << 20;

/** The environment of commands that work on the repository of the current folder. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_HOOKS.has(name)));
}

class GitError extends Error {}

/** @throws GitError with what git says, in one line */
function git(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
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
      throw new GitError('git is not found: install it, or put it into PATH');
    }
    const lines = stderr
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    throw new GitError(lines.length === 0 ? message.split('\n')[0]! : `git: ${lines.join(' ')}`);
  }
}

/** A repository, and the folder in it that the user works in. */
export interface Repository {
  folder: string;
  /** Of the checked-out files. */
  root: string;
  gitFolder: string;
}

/** @throws UsageError with git's reason: no repository, another owner, no git */
export function repositoryOf(folder: string): Repository {
  try {
    const [root, gitFolder] = git(folder, ['rev-parse', '--show-toplevel', '--absolute-git-dir']).split('\n');
    return { folder, root: root!, gitFolder: gitFolder! };
  } catch (error) {
    throw asUsageError(error, folder);
  }
}

/** The id of the commit that a label names. @throws UsageError with git's reason */
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

/** Why git finds no commit: rev-parse says no more than that it needs "a single revision". */
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
    /* An old git does not know the question. */
    return false;
  }
}

/** Writes the files of a commit into an empty folder. The repository and its index stay as they are. @throws UsageError */
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

/** Of these files and folders, what is not as in the commit that is checked out. @throws UsageError */
function uncommitted({ root }: Repository, paths: readonly string[]): string[] {
  try {
    return git(root, ['status', '--porcelain', '-z', '--no-renames', '--', ...paths])
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => line.slice('XY '.length));
  } catch (error) {
    throw asUsageError(error, root);
  }
}

/**
 * The line for a user who may take a commit for what is in the folder.
 * @param commits that are measured
 * @param paths what a build is made of, from the repository's root
 * @returns undefined if the checked-out commit is not measured, or nothing is changed
 */
export function uncommittedNote(
  commits: readonly (string | undefined)[],
  repository: Repository,
  paths: readonly string[],
): string | undefined {
  if (!commits.includes(headOf(repository))) {
    return undefined;
  }
  const changed = uncommitted(repository, paths);
  if (changed.length === 0) {
    return undefined;
  }
  const more = changed.length - SHOWN_CHANGES;
  const names = `${changed.slice(0, SHOWN_CHANGES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `uncommitted changes are not measured (${names}): commit them, or give --head ${repository.root === repository.folder ? '.' : repository.root}`;
}

/** undefined before the first commit. */
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

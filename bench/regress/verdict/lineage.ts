/** Where the accepted slowdowns of a comparison come from in git's history (accepted.ts). */

import { relative, resolve } from 'node:path';
import { type AcceptedSlowdown, type Applicable, applicableEntries, parseAccepted, readAccepted } from './accepted.ts';
import type { Build } from '../builds/builds.ts';
import { git, GitError, type Repository, repositoryOf } from '../builds/git.ts';

/** The result of a git command. undefined if git refuses: no repository, or no such commit or file. */
function unlessRefused<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof GitError) {
      return undefined;
    }
    throw error;
  }
}

/** The entries in the file as a commit has it. */
function entriesAt(commit: string, path: string, { root }: Repository): AcceptedSlowdown[] {
  const inside = relative(root, resolve(path)).replaceAll('\\', '/');
  const text = unlessRefused(() => git(root, ['show', `${commit}:${inside}`]));
  return text === undefined ? [] : parseAccepted(text, `${commit.slice(0, 10)}:${inside}`);
}

/** @returns undefined if the repository does not have the commit */
function isAncestor(commit: string, of: string, { root }: Repository): boolean | undefined {
  const base = unlessRefused(() => git(root, ['rev-parse', '--verify', '--end-of-options', `${commit}^{commit}`]));
  return base === undefined
    ? undefined
    : unlessRefused(() => git(root, ['merge-base', commit, of]))?.trim() === base.trim();
}

/**
 * The accepted slowdowns in the file at `path` that hold for this comparison.
 * @param cases all cases of the configuration
 * @param others what is done with entries of other cases: they are unknown, or only not measured this time
 * @throws UsageError if the file is wrong
 */
export function acceptedFor(
  path: string,
  base: Pick<Build, 'label' | 'commit'>,
  head: Pick<Build, 'label' | 'commit'>,
  cases: readonly string[],
  others: 'reported' | 'ignored' = 'reported',
): Applicable {
  const entries = readAccepted(path).filter(({ case: name }) => others === 'reported' || cases.includes(name));
  if (entries.length === 0) {
    return { entries, notes: [] };
  }
  const isBase = (commit: string): boolean => commit === (base.commit ?? base.label);
  if (entries.every((entry) => isBase(entry.base))) {
    return applicableEntries(entries, { cases, ofBase: ofBase(path, base), isBeforeHead: () => true });
  }
  const repository = repositoryOf(process.cwd());
  return applicableEntries(entries, {
    cases,
    ofBase: ofBase(path, base),
    isBeforeHead: (commit) => isBase(commit) || isAncestor(commit, head.commit ?? 'HEAD', repository),
  });
}

function ofBase(path: string, { commit }: Pick<Build, 'commit'>): AcceptedSlowdown[] {
  return commit === undefined ? [] : entriesAt(commit, path, repositoryOf(process.cwd()));
}

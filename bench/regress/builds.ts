/** Builds under test: a folder as it is, or a commit of this repository, built apart with its own build command and kept. */

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError } from '../../src/core/errors.ts';

export interface Build {
  /** As it was asked for. */
  label: string;
  /** Commit id; undefined for a folder. */
  commit?: string;
  /** Folder of the compiled modules, with bench/ and src/ in it. */
  dist: string;
}

export interface BuildPlaces {
  /** A folder within the repository. */
  repository: string;
  /** Where builds are kept, by commit. */
  cache: string;
}

export function defaultPlaces(): BuildPlaces {
  return { repository: process.cwd(), cache: join(tmpdir(), `ct-bucket-builds-${userInfo().uid}`) };
}

/** @throws UsageError if there is no such folder, commit or build, or it does not build */
export function findBuild(
  label: string,
  places: BuildPlaces = defaultPlaces(),
  onBuild?: (text: string) => void,
): Build {
  if (existsSync(label) && statSync(label).isDirectory()) {
    return { label, dist: distIn(resolve(label)) };
  }
  const commit = git(places.repository, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${label}^{commit}`]);
  if (commit === undefined) {
    throw new UsageError(`${label} is neither a folder nor a commit of ${places.repository}`);
  }
  const kept = join(places.cache, commit);
  if (!existsSync(join(kept, 'dist', '.complete')) || !existsSync(join(kept, 'node_modules'))) {
    onBuild?.(`building ${label} (${commit.slice(0, 10)})`);
    buildCommit(commit, kept, places);
  }
  return { label, commit, dist: join(kept, 'dist') };
}

function distIn(folder: string): string {
  const found = [join(folder, 'dist'), folder].find(
    (dist) => existsSync(join(dist, 'bench')) && existsSync(join(dist, '.complete')),
  );
  if (found === undefined) {
    throw new UsageError(`${folder} holds no build: run npm run build there`);
  }
  return found;
}

/** In a worktree of its own, which is gone afterwards. */
function buildCommit(commit: string, kept: string, { repository, cache }: BuildPlaces): void {
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const root = git(repository, ['rev-parse', '--show-toplevel'])!;
  const scratch = mkdtempSync(join(tmpdir(), 'ct-bucket-build-'));
  const worktree = join(scratch, 'worktree');
  /* An interrupt ends the child, whose end throws here: the worktree is then removed all the same. */
  const onInterrupt = (): void => {};
  process.on('SIGINT', onInterrupt);
  try {
    step('git worktree add', 'git', ['-C', root, 'worktree', 'add', '--quiet', '--detach', worktree, commit], root);
    const modules = installModules(root, worktree);
    step('npm run build', 'npm', ['run', '--silent', 'build'], worktree);
    const result = join(scratch, 'result');
    mkdirSync(result);
    renameSync(join(worktree, 'dist'), join(result, 'dist'));
    cpSync(join(worktree, 'package.json'), join(result, 'package.json'));
    if (modules === 'linked') {
      symlinkSync(join(root, 'node_modules'), join(result, 'node_modules'));
      rmSync(join(worktree, 'node_modules'));
    } else {
      renameSync(join(worktree, 'node_modules'), join(result, 'node_modules'));
    }
    rmSync(kept, { recursive: true, force: true });
    move(result, kept);
  } finally {
    git(root, ['worktree', 'remove', '--force', worktree]);
    rmSync(scratch, { recursive: true, force: true });
    git(root, ['worktree', 'prune']);
    process.off('SIGINT', onInterrupt);
  }
  if (!existsSync(join(kept, 'dist', '.complete'))) {
    throw new UsageError(`the build of ${commit} left no dist/.complete`);
  }
}

function installModules(root: string, worktree: string): 'linked' | 'installed' {
  const here = join(root, 'node_modules');
  if (existsSync(here) && sameText(join(root, 'package-lock.json'), join(worktree, 'package-lock.json'))) {
    symlinkSync(here, join(worktree, 'node_modules'));
    return 'linked';
  }
  step('npm ci', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], worktree);
  return 'installed';
}

function sameText(a: string, b: string): boolean {
  return existsSync(a) && existsSync(b) && readFileSync(a).equals(readFileSync(b));
}

/** Another run may have been faster: then its build stays. */
function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(join(to, 'dist', '.complete'))) {
      throw error;
    }
  }
}

function step(name: string, program: string, args: readonly string[], cwd: string): void {
  try {
    execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnvironment() });
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string };
    const said = `${stderr}\n${stdout}`.trim().split('\n').slice(0, 3).join(' | ');
    throw new UsageError(`${name} failed: ${said || (error as Error).message}`);
  }
}

/** What a git hook sets would turn git to the repository of the hook. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
}

/** @returns what git prints; undefined where it fails */
function git(cwd: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync('git', ['-C', cwd, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: cleanEnvironment(),
    }).trim();
  } catch {
    return undefined;
  }
}

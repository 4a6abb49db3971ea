/** Builds under test: a folder with a build, or the sources of a folder or a commit. Sources are built apart, by their own build command. */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { ChildError, runChild } from '../../../src/host/children.ts';
import { defaultCache } from '../../machine/cache-folder.ts';
import { keptBuild } from './build-cache.ts';
import { cleanEnvironment, commitOf, repositoryOf, uncommittedNote, writeCommit } from './git.ts';

export interface Build {
  /** The name that the user gave. */
  label: string;
  /** Commit id. Absent for a folder. */
  commit?: string;
  /** Folder of the compiled modules. It holds bench/ and src/. */
  dist: string;
}

export interface BuildPlaces {
  /** A folder inside the repository. */
  repository: string;
  /** The cache of builds. Default: the user's (defaultCache). */
  cache?: string;
}

/** The files and folders that a build is made of. */
export const SOURCES = [
  'src',
  'bench',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
];

export function defaultPlaces(): BuildPlaces {
  return { repository: process.cwd() };
}

/** @throws UsageError if there is no such folder or commit, or if the build fails */
export async function findBuild(
  label: string,
  places: BuildPlaces = defaultPlaces(),
  say?: (line: string) => void,
): Promise<Build> {
  if (label === '') {
    throw new UsageError('the name of a state is empty: give a commit or a folder');
  }
  if (existsSync(label) && statSync(label).isDirectory()) {
    return { label, dist: await distOfFolder(label, places, say) };
  }
  const repository = repositoryOf(places.repository);
  const commit = commitOf(label, repository);
  const kept = await keptBuild({
    cache: places.cache ?? defaultCache(),
    key: commit,
    label: label === commit ? commit.slice(0, 10) : `${label} (${commit.slice(0, 10)})`,
    make: async (result, scratch) => {
      const tree = join(scratch, 'tree');
      mkdirSync(tree);
      writeCommit(commit, repository, tree);
      await naming(commit.slice(0, 10), buildTree(tree, repository.root, result));
    },
    ...(say === undefined ? {} : { say }),
  });
  return { label, commit, dist: join(kept, 'dist') };
}

/** Warns if the checked-out commit is measured and files differ from it. */
export function noteUncommitted(builds: readonly Build[], places: BuildPlaces, say: (line: string) => void): void {
  const commits = builds.map(({ commit }) => commit);
  if (commits.every((commit) => commit === undefined)) {
    return;
  }
  const note = uncommittedNote(commits, repositoryOf(places.repository), SOURCES);
  if (note !== undefined) {
    say(note);
  }
}

/** The build in the folder. If it is missing or older than the sources, a build made from the sources. */
async function distOfFolder(label: string, places: BuildPlaces, say?: (line: string) => void): Promise<string> {
  const folder = resolve(label);
  const dist = [join(folder, 'dist'), folder].find(
    (each) => existsSync(join(each, 'bench')) && existsSync(join(each, '.complete')),
  );
  const sources = sourcesIn(folder);
  if (sources === undefined || dist === folder) {
    if (dist === undefined) {
      throw new UsageError(`${label} holds no build: run npm run build there`);
    }
    return dist;
  }
  const why = dist === undefined ? 'it holds no build' : 'its sources are newer than its dist';
  if (dist !== undefined && !isStale(dist, sources)) {
    return dist;
  }
  const kept = await keptBuild({
    cache: places.cache ?? defaultCache(),
    key: `tree-${hashOf(folder, sources)}`,
    label: `${label} (${why})`,
    make: async (result, scratch) => {
      const tree = join(scratch, 'tree');
      for (const source of sources) {
        const path = relative(folder, source);
        mkdirSync(dirname(join(tree, path)), { recursive: true });
        cpSync(source, join(tree, path));
      }
      await buildTree(tree, folder, result);
    },
    ...(say === undefined ? {} : { say }),
  });
  say?.(`${label}: ${why}: a build of the sources is measured`);
  return join(kept, 'dist');
}

/** All source files, sorted. undefined if the folder is not a source tree of this program. */
function sourcesIn(folder: string): string[] | undefined {
  if (!['src', 'bench', join('scripts', 'build.mjs'), 'package.json'].every((path) => existsSync(join(folder, path)))) {
    return undefined;
  }
  const files = (path: string): string[] => {
    if (!statSync(path).isDirectory()) {
      return [path];
    }
    return readdirSync(path).flatMap((name) => (name === 'node_modules' ? [] : files(join(path, name))));
  };
  return SOURCES.map((name) => join(folder, name))
    .filter((path) => existsSync(path))
    .flatMap(files)
    .toSorted();
}

/** Folders count as well: removing a source changes its folder. */
function isStale(dist: string, sources: readonly string[]): boolean {
  const builtMs = statSync(join(dist, '.complete')).mtimeMs;
  const folders = new Set(sources.map((source) => dirname(source)));
  folders.delete(dirname(dist));
  return [...sources, ...folders].some((path) => statSync(path).mtimeMs > builtMs);
}

function hashOf(folder: string, sources: readonly string[]): string {
  const hash = createHash('sha256');
  for (const source of sources) {
    const content = readFileSync(source);
    hash.update(`${relative(folder, source)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 40);
}

/** Builds the tree with its own build command. @param root its node_modules are used if the tree needs the same packages */
async function buildTree(tree: string, root: string, result: string): Promise<void> {
  const installed = join(root, 'node_modules');
  const isShared = existsSync(installed) && sameText(join(root, 'package-lock.json'), join(tree, 'package-lock.json'));
  if (isShared) {
    symlinkSync(installed, join(tree, 'node_modules'));
  } else {
    await step('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], tree);
  }
  await step('npm', ['run', '--silent', 'build'], tree);
  if (!existsSync(join(tree, 'dist', '.complete'))) {
    throw new UsageError('the build left no dist/.complete');
  }
  renameSync(join(tree, 'dist'), join(result, 'dist'));
  cpSync(join(tree, 'package.json'), join(result, 'package.json'));
  if (isShared) {
    /* Copy instead of linking: another clone may use this build after that folder is gone. */
    copyPackages(root, result);
  } else {
    renameSync(join(tree, 'node_modules'), join(result, 'node_modules'));
  }
}

/** Says which commit does not build. */
async function naming(commit: string, build: Promise<void>): Promise<void> {
  try {
    await build;
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`commit ${commit}: ${error.message}`) : error;
  }
}

/** Copies the packages that the compiled program needs, without those that only build and test it. */
function copyPackages(root: string, result: string): void {
  mkdirSync(join(result, 'node_modules'));
  const { packages = {} } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages?: Record<string, { dev?: boolean }>;
  };
  for (const [path, { dev = false }] of Object.entries(packages)) {
    if (!dev && path.startsWith('node_modules/') && existsSync(join(root, path))) {
      cpSync(join(root, path), join(result, path), { recursive: true, dereference: true });
    }
  }
}

function sameText(a: string, b: string): boolean {
  return existsSync(a) && existsSync(b) && readFileSync(a).equals(readFileSync(b));
}

async function step(program: string, args: readonly string[], cwd: string): Promise<void> {
  const name = [program, ...args.filter((arg) => !arg.startsWith('-'))].join(' ');
  try {
    await runChild(program, args, { cwd, stderr: 'pipe', env: cleanEnvironment(), isGroup: true });
  } catch (error) {
    if (!(error instanceof ChildError)) {
      throw error;
    }
    const { code, stderr, stdout, message } = error;
    if (code === 'ENOENT') {
      throw new UsageError(`${name} failed: ${program} is not found: install it, or add it to PATH`);
    }
    const said = `${stderr}\n${stdout}`
      .trim()
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(0, 3)
      .join(' | ');
    throw new UsageError(`${name} failed: ${said || message}`);
  }
}

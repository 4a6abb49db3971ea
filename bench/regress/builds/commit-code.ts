/**
 * Which commits have the same code, told from their sources: a commit that changes comments, types, documents, tests or another part of
 * the program cannot have made the measured part slower, and need not be built.
 */

import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { blobText, filesOf, type Commit, type Repository } from './git.ts';

/** Packages, and options of compilers. Each change of these files counts. */
const OF_BUILD = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const SOURCES = ['src', 'bench', 'scripts'];
/** Everything that a sample runs begins in one of these modules, as in same-code.ts, and in the threads that it starts. The last one builds. */
const STARTS = /^bench\/samples\/[^/]+\.ts$|^src\/.*-(worker|thread|sweeper)\.ts$|^scripts\/build\.mjs$/;
/** Modules that the file imports, also while it runs. The text is without types and comments. */
const IMPORT = /(?:\bfrom|\bimport\(?)\s*["'`](\.[^"'`]+)["'`]/g;

/** The code of a source, without comments, types and blank space. @throws Error if it cannot be parsed */
type CodeOf = (path: string, text: string) => string;

async function codeReader(): Promise<CodeOf> {
  try {
    const { minifySync, transformSync } = await import('rolldown/utils');
    return (path, text) => {
      const plain = transformSync(path, text);
      const { code, errors } = minifySync(`${path}.js`, plain.code, { compress: false, mangle: false });
      return plain.errors.length + errors.length === 0 ? code : text;
    };
  } catch {
    /* Only a clone of the repository has rolldown. Without it a changed comment counts as a change. */
    return (_path, text) => text;
  }
}

interface Source {
  hash: string;
  /** Paths as they stand in the source. */
  imports: readonly string[];
}

/**
 * A text for each commit. Those with equal texts run the same code when they are measured. A commit without samples, where they are today,
 * has the id of its files.
 * @throws UsageError
 */
export async function codesOf(commits: readonly Commit[], repository: Repository): Promise<string[]> {
  const codeOf = await codeReader();
  /** By path and blob: commits share most of them. */
  const sources = new Map<string, Source>();
  const sourceOf = (path: string, blob: string): Source => {
    const key = `${path} ${blob}`;
    let source = sources.get(key);
    if (source === undefined) {
      const code = codeOf(path, blobText(blob, repository));
      const imports = Array.from(code.matchAll(IMPORT), ([, name]) => name!);
      source = { hash: createHash('sha256').update(code).digest('hex'), imports };
      sources.set(key, source);
    }
    return source;
  };
  return commits.map(({ id }) => {
    const files = filesOf(id, repository, [...SOURCES, ...OF_BUILD]);
    const isSource = (path: string) => SOURCES.some((folder) => path.startsWith(`${folder}/`));
    const found = new Map([...files].filter(([path]) => !isSource(path)));
    const visit = (path: string): void => {
      const blob = files.get(path);
      if (blob === undefined || found.has(path)) {
        return;
      }
      const { hash, imports } = /\.m?[jt]s$/.test(path) ? sourceOf(path, blob) : { hash: blob, imports: [] };
      found.set(path, hash);
      imports.forEach((name) => visit(posix.join(posix.dirname(path), name)));
    };
    const starts = [...files.keys()].filter((path) => STARTS.test(path));
    starts.forEach(visit);
    const all = starts.some((path) => path.startsWith('bench/samples/')) ? found : files;
    const hash = createHash('sha256');
    for (const [path, text] of [...all].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`${path}\0${text}\n`);
    }
    return hash.digest('hex');
  });
}

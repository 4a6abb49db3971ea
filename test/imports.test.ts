/** Imports point one way: cli, bench -> workers -> core -> shared. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from './support/child.ts';

/** For each room: the other rooms from which it may import. */
const MAY_IMPORT: Record<string, string[]> = {
  'src/shared': [],
  'src/core': ['src/shared'],
  /* Helpers of the commands: processes, files, signals and terminals. */
  'src/host': ['src/core', 'src/shared'],
  'src/workers': ['src/core', 'src/shared'],
  bench: ['src/host', 'src/workers', 'src/core', 'src/shared'],
  'src/cli': ['bench', 'src/host', 'src/workers', 'src/core', 'src/shared'],
  /* The module that users of the package import. */
  'src/index.ts': ['src/workers', 'src/core', 'src/shared'],
};

/** The parts of src/core from which the tracker is built. A part gets only the objects that it needs, never the tracker. */
const LOWER_PARTS = [
  'packet',
  'table',
  'proto',
  'fragments',
  'engines',
  'alg/helper-tables.ts',
  'options',
  'zones',
  'events/event-ring.ts',
  'expiry/timeouts.ts',
  'lifecycle/eviction-search.ts',
  'memory/memory.ts',
  'memory/memory-limits.ts',
  'memory/table-quota.ts',
  'path/key-hash.ts',
  'path/search-notes.ts',
  'path/verdict.ts',
];

/** Modules that start threads or processes. */
const THREAD_MODULES = ['worker_threads', 'child_process', 'cluster', 'piscina', 'tinypool'];

/** The commands that are benchmarks. Only these files of src/cli may import from bench. */
const BENCHMARK_COMMANDS = /^src\/cli\/measure\//;

interface Import {
  /** Path relative to the repository. */
  file: string;
  specifier: string;
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name).split(sep).join('/'))
    .filter((path) => /\.m?ts$|\.mjs$/.test(path) && statSync(join(REPOSITORY, path)).isFile());
}

/** All modules that a source names: in import and export statements, in import(), and in URLs relative to the module. */
function specifiersIn(text: string): string[] {
  const code = text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const forms = [
    /\b(?:import|export)\b[^'"();]*?\bfrom\s*['"]([^'"]+)['"]/g,
    /\bimport\s*['"]([^'"]+)['"]/g,
    /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
    /\brequire\s*\(\s*['"]([^'"]+)['"]/g,
    /\bnew URL\(\s*['"](\.[^'"]+)['"]/g,
  ];
  return forms.flatMap((form) => Array.from(code.matchAll(form), ([, specifier]) => specifier!));
}

const imports: Import[] = [...filesUnder('src'), ...filesUnder('bench')].flatMap((file) =>
  specifiersIn(readFileSync(join(REPOSITORY, file), 'utf8')).map((specifier) => ({ file, specifier })),
);

/** The path that a relative import names, relative to the repository. */
function target({ file, specifier }: Import): string {
  return relative(REPOSITORY, join(REPOSITORY, dirname(file), specifier))
    .split(sep)
    .join('/');
}

function roomOf(path: string): string | undefined {
  return Object.keys(MAY_IMPORT).find((room) => path === room || path.startsWith(`${room}/`));
}

/** For each file: the files that it imports, including imports of types. */
type ImportGraph = ReadonlyMap<string, ReadonlySet<string>>;

function graphOf(edges: readonly (readonly [string, string])[]): ImportGraph {
  const graph = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    graph.set(from, (graph.get(from) ?? new Set()).add(to));
  }
  return graph;
}

/**
 * Circles of imports, each as a path: `[a, b, a]`. If several circles share files, at least one of them is in the result.
 */
function circlesIn(graph: ImportGraph): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): void => {
    const start = way.indexOf(file);
    if (start >= 0) {
      circles.push([...way.slice(start), file]);
      return;
    }
    if (done.has(file)) {
      return;
    }
    way.push(file);
    for (const next of graph.get(file) ?? []) {
      visit(next);
    }
    way.pop();
    done.add(file);
  };
  for (const file of graph.keys()) {
    visit(file);
  }
  return circles;
}

/** The files that import one of `files`, directly or through other files. */
function reaching(graph: ImportGraph, files: readonly string[]): Set<string> {
  const found = new Set(files);
  let before = 0;
  while (found.size > before) {
    before = found.size;
    for (const [file, imported] of graph) {
      if ([...imported].some((each) => found.has(each))) {
        found.add(file);
      }
    }
  }
  return found;
}

function isRelative({ specifier }: Import): boolean {
  return specifier.startsWith('.');
}

describe('imports', () => {
  it('of every syntactic form are found by this test', () => {
    const text = `
      import './a.ts'; import type { B } from "./b.ts";
      import {
        c,
        type C,
      } from './c.ts';
      import d, { e } from './d.ts'; import * as f from 'f';
      export { g } from './g.ts'; export * from './h.ts'; export type { I } from './i.ts';
      const j = await import('./j.ts'); const k = new URL('./k.mjs', import.meta.url);
      /* import './not.ts' */
      // import './neither.ts'
    `;
    const found = specifiersIn(text).toSorted();
    expect(found).toEqual(
      [...'abcd']
        .map((name) => `./${name}.ts`)
        .concat(
          [...'ghij'].map((name) => `./${name}.ts`),
          './k.mjs',
          'f',
        ),
    );
    expect(imports.length).toBeGreaterThan(200);
  });

  it('name existing files, with their extension', () => {
    /* The code looks for package.json and the build folder at run time. */
    const missing = imports
      .filter(isRelative)
      .filter(({ specifier }) => /\.(ts|mjs)$/.test(specifier) || /^\.\.?\/[\w/-]+$/.test(specifier))
      .filter((each) => !statSync(join(REPOSITORY, target(each)), { throwIfNoEntry: false })?.isFile());
    expect(missing).toEqual([]);
  });

  it('are only in rooms that this test knows', () => {
    const files = [...filesUnder('src'), ...filesUnder('bench')];
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([]);
    expect(Object.keys(MAY_IMPORT).filter((room) => !files.some((file) => roomOf(file) === room))).toEqual([]);
  });

  it.each(Object.entries(MAY_IMPORT))('of %s name only files of %j', (room, allowed) => {
    const wrong = imports
      .filter(isRelative)
      .filter((each) => roomOf(each.file) === room && /\.(ts|mjs)$/.test(each.specifier))
      .filter((each) => ![room, ...allowed].includes(roomOf(target(each)) ?? 'elsewhere'));
    expect(wrong).toEqual([]);
  });

  it('of src/cli name files of bench only in commands that are benchmarks', () => {
    const toBench = imports.filter((each) => roomOf(each.file) === 'src/cli' && roomOf(target(each)) === 'bench');
    expect(toBench.length).toBeGreaterThan(20);
    expect(toBench.filter(({ file }) => !BENCHMARK_COMMANDS.test(file))).toEqual([]);
  });

  it('of src/shared name neither a file outside nor a package', () => {
    const wrong = imports.filter((each) => roomOf(each.file) === 'src/shared' && roomOf(target(each)) !== 'src/shared');
    expect(wrong).toEqual([]);
  });

  it('of src/core and src/shared name no module that starts threads or processes', () => {
    const wrong = imports
      .filter((each) => ['src/core', 'src/shared'].includes(roomOf(each.file)!))
      .filter(({ specifier }) => THREAD_MODULES.some((module) => specifier.replace(/^node:/, '').startsWith(module)));
    expect(wrong).toEqual([]);
    /* The same search finds these modules where they are allowed. */
    expect(imports).toContainEqual({ file: 'src/workers/threads/spawn.ts', specifier: 'node:worker_threads' });
    expect(imports).toContainEqual({ file: 'bench/samples/workload-sample.ts', specifier: 'piscina' });
  });

  it('form no circle, even with the imports of types', () => {
    const edges = imports.filter(isRelative).map((each) => [each.file, target(each)] as const);
    /* The search sees both: the first of these imports is of a type, the second of a value. */
    expect(edges).toContainEqual(['src/core/path/lookup.ts', 'src/core/tracker.ts']);
    expect(edges).toContainEqual(['src/core/path/lookup.ts', 'src/core/lifecycle/remove.ts']);
    expect(circlesIn(graphOf(edges))).toEqual([]);
    /* One more import would close a circle, which the search finds. */
    const more = [...edges, ['src/core/lifecycle/remove.ts', 'src/core/path/lookup.ts'] as const];
    expect(circlesIn(graphOf(more))).toEqual([
      expect.arrayContaining(['src/core/path/lookup.ts', 'src/core/lifecycle/remove.ts']) as string[],
    ]);
  });

  it('of the lower parts of src/core do not lead to the tracker', () => {
    const graph = graphOf(imports.filter(isRelative).map((each) => [each.file, target(each)] as const));
    const low = imports
      .map(({ file }) => file)
      .filter((file) =>
        LOWER_PARTS.some((part) => file === `src/core/${part}` || file.startsWith(`src/core/${part}/`)),
      );
    expect(new Set(low).size).toBeGreaterThan(50);
    const high = ['src/core/memory/table-handle.ts', 'src/core/tracker.ts'];
    const knowing = reaching(graph, high);
    expect(low.filter((file) => knowing.has(file))).toEqual([]);
    expect(knowing).toContain('src/core/lifecycle/flush.ts');
  });

  it('in a circle are found among other imports', () => {
    const edges = [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'd'],
      ['d', 'b'],
      ['c', 'e'],
      ['f', 'f'],
    ] as const;
    expect(circlesIn(graphOf(edges))).toEqual([
      ['b', 'c', 'd', 'b'],
      ['f', 'f'],
    ]);
    expect(circlesIn(graphOf(edges.filter(([from]) => from !== 'd' && from !== 'f')))).toEqual([]);
  });

  it('of types alone are written as import type, which loads no module', () => {
    /* With verbatimModuleSyntax `import { type X } from` becomes `import {} from`, which loads the module. */
    const files = [...filesUnder('src/shared'), ...filesUnder('src/core'), ...filesUnder('src/workers')];
    const wrong = files.flatMap((file) =>
      Array.from(
        readFileSync(join(REPOSITORY, file), 'utf8').matchAll(/^import \{([^}]*)\} from/gm),
        ([line, names]) => ({
          file,
          line,
          names: names!
            .split(',')
            .map((name) => name.trim())
            .filter((name) => name !== ''),
        }),
      ).filter(({ names }) => names.every((name) => name.startsWith('type '))),
    );
    expect(wrong).toEqual([]);
  });
});

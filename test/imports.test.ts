/** Imports point one way: cli, bench -> workers -> core -> shared. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from './support/child.ts';

/** Rooms by what they may import, themselves apart. */
const MAY_IMPORT: Record<string, string[]> = {
  'src/shared': [],
  'src/core': ['src/shared'],
  /* Processes, files, signals and terminals of commands. */
  'src/host': ['src/core', 'src/shared'],
  'src/workers': ['src/core', 'src/shared'],
  bench: ['src/host', 'src/workers', 'src/core', 'src/shared'],
  'src/cli': ['bench', 'src/host', 'src/workers', 'src/core', 'src/shared'],
  /* What users of the package import. */
  'src/index.ts': ['src/workers', 'src/core', 'src/shared'],
};

/** Of src/core: what the tracker is made of. Each gets the few things that it needs, and does not know the whole. */
const LOW_FLOORS = [
  'packet',
  'table',
  'proto',
  'fragments',
  'engines',
  'alg/state.ts',
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

/** What starts threads or processes. */
const THREAD_MODULES = ['worker_threads', 'child_process', 'cluster', 'piscina', 'tinypool'];

/** The commands that are benchmarks: these files of src/cli may import from bench, and no others. */
const BENCHMARK_COMMANDS = /^src\/cli\/(bench|profile|regress|soak)(-[a-z-]+)?\.ts$/;

interface Import {
  /** Path from the repository's folder. */
  file: string;
  specifier: string;
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name).split(sep).join('/'))
    .filter((path) => /\.m?ts$|\.mjs$/.test(path) && statSync(join(REPOSITORY, path)).isFile());
}

/** Every module that a text names: import and export statements, import() and URLs relative to the module. */
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

/** The path that a relative import names, from the repository's folder. */
function target({ file, specifier }: Import): string {
  return relative(REPOSITORY, join(REPOSITORY, dirname(file), specifier))
    .split(sep)
    .join('/');
}

function roomOf(path: string): string | undefined {
  return Object.keys(MAY_IMPORT).find((room) => path === room || path.startsWith(`${room}/`));
}

/** Which files each file imports, types included. */
type ImportGraph = ReadonlyMap<string, ReadonlySet<string>>;

function graphOf(edges: readonly (readonly [string, string])[]): ImportGraph {
  const graph = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    graph.set(from, (graph.get(from) ?? new Set()).add(to));
  }
  return graph;
}

/**
 * Files that import each other in a circle, as the ways round: `[a, b, a]`. Of circles that share files at least one is told.
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

/** The files from which imports lead to one of `files`, through however many others. */
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
  it('are found by this test in all their forms', () => {
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

  it('name files that are there, with their ending', () => {
    /* package.json and the folder of the build are looked for at run time. */
    const missing = imports
      .filter(isRelative)
      .filter(({ specifier }) => /\.(ts|mjs)$/.test(specifier) || /^\.\.?\/[\w/-]+$/.test(specifier))
      .filter((each) => !statSync(join(REPOSITORY, target(each)), { throwIfNoEntry: false })?.isFile());
    expect(missing).toEqual([]);
  });

  it('stay within rooms that the table of this test knows', () => {
    const files = [...filesUnder('src'), ...filesUnder('bench')];
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([]);
    expect(Object.keys(MAY_IMPORT).filter((room) => !files.some((file) => roomOf(file) === room))).toEqual([]);
  });

  it.each(Object.entries(MAY_IMPORT))('of %s go only to %j', (room, allowed) => {
    const wrong = imports
      .filter(isRelative)
      .filter((each) => roomOf(each.file) === room && /\.(ts|mjs)$/.test(each.specifier))
      .filter((each) => ![room, ...allowed].includes(roomOf(target(each)) ?? 'elsewhere'));
    expect(wrong).toEqual([]);
  });

  it('of src/cli go to bench only from commands that are benchmarks', () => {
    const toBench = imports.filter((each) => roomOf(each.file) === 'src/cli' && roomOf(target(each)) === 'bench');
    expect(toBench.length).toBeGreaterThan(20);
    expect(toBench.filter(({ file }) => !BENCHMARK_COMMANDS.test(file))).toEqual([]);
  });

  it('of src/shared name nothing outside it, not even a package', () => {
    const wrong = imports.filter((each) => roomOf(each.file) === 'src/shared' && roomOf(target(each)) !== 'src/shared');
    expect(wrong).toEqual([]);
  });

  it('of src/core and src/shared name nothing that starts a thread or a process', () => {
    const wrong = imports
      .filter((each) => ['src/core', 'src/shared'].includes(roomOf(each.file)!))
      .filter(({ specifier }) => THREAD_MODULES.some((module) => specifier.replace(/^node:/, '').startsWith(module)));
    expect(wrong).toEqual([]);
    /* And it would be seen where it is allowed. */
    expect(imports).toContainEqual({ file: 'src/workers/threads/spawn.ts', specifier: 'node:worker_threads' });
    expect(imports).toContainEqual({ file: 'bench/samples/workload-sample.ts', specifier: 'piscina' });
  });

  it('run in no circle, those of types included', () => {
    const edges = imports.filter(isRelative).map((each) => [each.file, target(each)] as const);
    /* All of them are looked at: a type's import as well as a value's. */
    expect(edges).toContainEqual(['src/core/path/lookup.ts', 'src/core/tracker.ts']);
    expect(edges).toContainEqual(['src/core/path/lookup.ts', 'src/core/lifecycle/remove.ts']);
    expect(circlesIn(graphOf(edges))).toEqual([]);
    /* With one import more there would be a circle, and it is found. */
    const more = [...edges, ['src/core/lifecycle/remove.ts', 'src/core/path/lookup.ts'] as const];
    expect(circlesIn(graphOf(more))).toEqual([
      expect.arrayContaining(['src/core/path/lookup.ts', 'src/core/lifecycle/remove.ts']) as string[],
    ]);
  });

  it('of the low floors of src/core reach no tracker', () => {
    const graph = graphOf(imports.filter(isRelative).map((each) => [each.file, target(each)] as const));
    const low = imports
      .map(({ file }) => file)
      .filter((file) =>
        LOW_FLOORS.some((floor) => file === `src/core/${floor}` || file.startsWith(`src/core/${floor}/`)),
      );
    expect(new Set(low).size).toBeGreaterThan(50);
    const high = ['src/core/memory/table-handle.ts', 'src/core/tracker.ts'];
    const knowing = reaching(graph, high);
    expect(low.filter((file) => knowing.has(file))).toEqual([]);
    expect(knowing).toContain('src/core/lifecycle/flush.ts');
  });

  it('in a circle are found, whatever else hangs on it', () => {
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

  it('of types alone leave no import behind that runs', () => {
    /* With verbatimModuleSyntax `import { type X } from` stays as `import {} from`: it loads the module. */
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

/**
 * The sources as JavaScript for tests: compiled once, and loaded by Node itself.
 *
 * vitest turns each import into a property of a module object. V8 does not inline that, and loops over packets take two to
 * three times as long. A thread that starts from TypeScript first loads a compiler, which takes half a second, and the tests
 * start hundreds of threads. So `src`, `bench` and the modules of test threads come from a folder of compiled files. The hash
 * of the sources names the folder, so that two runs at once never see an incomplete one. In watch mode tests load the sources
 * themselves, because vitest watches those.
 */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import type { Plugin } from 'vitest/config';
import { packetModule } from '../../scripts/packet-module/plugin.mjs';

const ROOT = join(import.meta.dirname, '..', '..');
const COMPILED = join(ROOT, '.compiled');
const COMPILER = join(ROOT, 'scripts', 'packet-module');
/** The compiled folders: their modules neither use vitest nor read files next to them. */
const FOLDERS = ['src', 'bench', 'test/threads', 'test/history'];
/** JavaScript itself: the hook that lets threads start from TypeScript, and the script of the report's page. */
const COPIED = ['src/workers/threads/typescript-hook.mjs', 'bench/report/page/page-script.mjs'];
/** These become one file. A thread that loads 200 modules one by one takes four times as long to start. */
const ONE_FILE = /\/src\/(core|shared)\//;
const KEPT_MS = 24 * 60 * 60_000;
/** This test imports modules again with another environment, which only vitest's own loader can do. */
const FROM_SOURCE = /\/profile-waits-in-vain\.test\.ts$/;

function isCompiled(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.test.ts') && FOLDERS.some((folder) => path.startsWith(`${folder}/`));
}

/** The plugin for vitest.config.ts. */
export function loadCompiled(): Plugin {
  let folder: string | undefined;
  return {
    name: 'ct-bucket-compiled',
    enforce: 'pre',
    async configResolved({ test }) {
      folder = test?.watch === true ? undefined : await compiledSources();
    },
    resolveId(source, importer) {
      /* Compiled modules import each other without this plugin; it maps the imports of the tests. */
      const isOwn = importer !== undefined && !FROM_SOURCE.test(importer) && !isCompiled(relative(ROOT, importer));
      if (folder === undefined || !isOwn || !source.startsWith('.')) {
        return undefined;
      }
      const path = relative(ROOT, join(dirname(importer), source));
      return isCompiled(path) ? join(folder, path.replace(/\.ts$/, '.js')) : undefined;
    },
  };
}

let compiled: Promise<string> | undefined;

/** The folder with the current sources, compiled. */
function compiledSources(): Promise<string> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<string> {
  const sources = FOLDERS.flatMap((folder) =>
    (readdirSync(join(ROOT, folder), { recursive: true }) as string[])
      .map((name) => `${folder}/${name}`)
      .filter(isCompiled),
  ).toSorted();
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  for (const name of readdirSync(COMPILER)) {
    hash.update(readFileSync(join(COMPILER, name)));
  }
  for (const source of [...sources, ...COPIED]) {
    hash.update(`${source}\n`).update(readFileSync(join(ROOT, source)));
  }
  const folder = join(COMPILED, hash.digest('hex').slice(0, 16));
  if (!existsSync(folder)) {
    removeOld();
    const aside = `${folder}.${process.pid}`;
    await bundle(sources, aside, folder);
    COPIED.forEach((name) => cpSync(join(ROOT, name), join(aside, name)));
    try {
      renameSync(aside, folder);
    } catch {
      /* Another run has compiled the same sources meanwhile. */
      rmSync(aside, { recursive: true });
    }
  }
  utimesSync(folder, new Date(), new Date());
  return folder;
}

/** A module finds the files next to it, although its code may be in another file. */
function urlsAt(folder: string) {
  return {
    name: 'urls-of-modules',
    transform(code: string, id: string) {
      const url = pathToFileURL(join(folder, relative(ROOT, id).replace(/\.ts$/, '.js'))).href;
      return code.includes('import.meta.url')
        ? { code: code.replaceAll('import.meta.url', JSON.stringify(url)), map: null }
        : null;
    },
  };
}

/**
 * Each source becomes a module of its own. Those of core and shared only export again what is in the one file of both.
 * @param folder where the files are written @param place where they are used
 */
async function bundle(sources: readonly string[], folder: string, place: string): Promise<void> {
  const build = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries(sources.map((source) => [source.replace(/\.ts$/, ''), join(ROOT, source)])),
    platform: 'node',
    external: /^[^./]/,
    treeshake: false,
    plugins: [packetModule({ root: ROOT, say: () => {} }), urlsAt(place)],
    checks: { pluginTimings: false },
  });
  await build.write({
    dir: folder,
    format: 'esm',
    sourcemap: 'inline',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    codeSplitting: { groups: [{ name: 'core', test: ONE_FILE }] },
  });
  await build.close();
}

/** Removes folders that no run has used for a day. */
function removeOld(): void {
  for (const name of existsSync(COMPILED) ? readdirSync(COMPILED) : []) {
    const path = join(COMPILED, name);
    if (statSync(path).mtimeMs < Date.now() - KEPT_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/**
 * The sources as JavaScript for tests: compiled once, and loaded by Node itself.
 *
 * vitest turns each import into a property of a module object. V8 does not inline that, and loops over packets take two to
 * three times as long. A thread that starts from TypeScript first loads a compiler, which takes half a second, and the tests
 * start hundreds of threads. So `src`, `bench` and the modules of test threads come from a folder of compiled files. The hash
 * of the sources names the folder, so that two runs at once never see an incomplete one. In watch mode tests load the sources
 * themselves, because vitest watches those.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import type { Plugin } from 'vitest/config';

const ROOT = join(import.meta.dirname, '..', '..');
const COMPILED = join(ROOT, '.compiled');
/** The compiled folders: their modules neither use vitest nor read files next to them. */
const FOLDERS = ['src', 'bench', 'test/threads', 'test/history'];
const HOOK = 'src/workers/threads/typescript-hook.mjs';
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
    configResolved({ test }) {
      folder = test?.watch === true ? undefined : compiledSources();
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

let compiled: string | undefined;

/** The folder with the current sources, compiled. @throws Error with the message of the compiler */
function compiledSources(): string {
  compiled ??= compile();
  return compiled;
}

function compile(): string {
  const hash = createHash('sha256').update(readFileSync(join(ROOT, 'tsconfig.json')));
  for (const folder of FOLDERS) {
    for (const name of (readdirSync(join(ROOT, folder), { recursive: true }) as string[]).toSorted()) {
      if (name.endsWith('.ts')) {
        hash.update(`${folder}/${name}\n`).update(readFileSync(join(ROOT, folder, name)));
      }
    }
  }
  const folder = join(COMPILED, hash.digest('hex').slice(0, 16));
  if (!existsSync(folder)) {
    removeOld();
    const aside = `${folder}.${process.pid}`;
    mkdirSync(aside, { recursive: true });
    const options = { noEmit: false, noCheck: true, rootDir: '../..', outDir: '.', inlineSourceMap: true };
    const include = FOLDERS.map((each) => `../../${each}`);
    const project = { extends: '../../tsconfig.json', compilerOptions: options, include };
    writeFileSync(join(aside, 'tsconfig.json'), JSON.stringify(project));
    const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
    try {
      execFileSync(process.execPath, [join(dirname(compiler), 'bin', 'tsc'), '-p', aside], { stdio: 'pipe' });
    } catch (error) {
      const said = (error as { stdout?: Buffer }).stdout?.toString().trim();
      throw said ? new Error(`the sources do not compile: ${said}`, { cause: error }) : error;
    }
    /* The hook that lets threads start from TypeScript is JavaScript itself, which tsc does not copy. */
    cpSync(join(ROOT, HOOK), join(aside, HOOK));
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

/** Removes folders that no run has used for a day. */
function removeOld(): void {
  for (const name of existsSync(COMPILED) ? readdirSync(COMPILED) : []) {
    const path = join(COMPILED, name);
    if (statSync(path).mtimeMs < Date.now() - KEPT_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

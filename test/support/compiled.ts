/**
 * The sources as JavaScript, for tests: compiled once, and loaded by Node itself.
 *
 * Tests of vitest see each import as a property of a module object, which V8 does not inline: loops over packets take twice
 * to three times as long. A thread that starts from TypeScript loads a compiler first, half a second each time, and the tests
 * start hundreds. So `src`, `bench` and what threads of tests run come from a folder that is named by what is compiled:
 * two runs at once never see half of it. In watch mode the sources themselves are loaded, since vitest follows those.
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
/** What is compiled: modules that neither use vitest nor look for files beside them. */
const FOLDERS = ['src', 'bench', 'test/threads', 'test/history'];
const HOOK = 'src/workers/threads/typescript-hook.mjs';
const KEPT_MS = 24 * 60 * 60_000;
/** Imports modules anew with another environment, which only vitest's own loader can do. */
const FROM_SOURCE = /\/profile-waits-in-vain\.test\.ts$/;

function isCompiled(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.test.ts') && FOLDERS.some((folder) => path.startsWith(`${folder}/`));
}

/** For vitest.config.ts. */
export function loadCompiled(): Plugin {
  let folder: string | undefined;
  return {
    name: 'ct-bucket-compiled',
    enforce: 'pre',
    configResolved({ test }) {
      folder = test?.watch === true ? undefined : compiledSources();
    },
    resolveId(source, importer) {
      /* What a source imports is a source. */
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

/** Folder with the compiled sources as they are now. @throws Error with what the compiler says */
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
    /* What lets threads start from TypeScript is no TypeScript itself. */
    cpSync(join(ROOT, HOOK), join(aside, HOOK));
    try {
      renameSync(aside, folder);
    } catch {
      /* Another run has compiled the same meanwhile. */
      rmSync(aside, { recursive: true });
    }
  }
  utimesSync(folder, new Date(), new Date());
  return folder;
}

/** What was not used for a day. */
function removeOld(): void {
  for (const name of existsSync(COMPILED) ? readdirSync(COMPILED) : []) {
    const path = join(COMPILED, name);
    if (statSync(path).mtimeMs < Date.now() - KEPT_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/**
 * The types of the package: what `src/index.ts` reaches, written so that a program reads them with TypeScript from 5.5 on, checks
 * them (`skipLibCheck: false`), and needs no types of Node.
 */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** Symbol.asyncDispose is in no year of ECMAScript so far. Programs without the types of Node or of browsers lack AbortSignal. */
const ABOVE = '/// <reference lib="esnext.disposable" />\n';
const BELOW = `
declare global {
  /** Of Node, and of browsers. */
  interface AbortSignal {}
}
`;
const IMPORTS = /(\bfrom |\bimport\()(['"])(\.[^'"]+)\.[jt]s\2/g;

/** Typed arrays have a parameter from TypeScript 5.7 on. */
function withoutParameters(text) {
  return text.replaceAll('Int32Array<SharedArrayBuffer>', 'Int32Array');
}

/** Rewrites what can be reached from a file of types. @returns the paths */
function reachedFrom(file, reached = new Set()) {
  if (!reached.has(file)) {
    reached.add(file);
    const text = withoutParameters(readFileSync(file, 'utf8'));
    writeFileSync(file, text.replaceAll(IMPORTS, '$1$2$3.js$2'));
    for (const [, , , path] of text.matchAll(IMPORTS)) {
      reachedFrom(resolve(dirname(file), `${path}.d.ts`), reached);
    }
  }
  return reached;
}

/** Writes them into the folder `dist`. @throws Error if the sources have errors: tsc prints them */
export function writeTypes(root, dist) {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist], {
    stdio: 'inherit',
  });
  const index = join(dist, 'src', 'index.d.ts');
  const reached = reachedFrom(index);
  for (const name of readdirSync(dist, { recursive: true }).filter((each) => each.endsWith('.d.ts'))) {
    if (!reached.has(join(dist, name))) {
      rmSync(join(dist, name));
    }
  }
  writeFileSync(index, `${ABOVE}${readFileSync(index, 'utf8')}${BELOW}`);
}

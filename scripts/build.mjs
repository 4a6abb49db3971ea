/**
 * `npm run build`: compiles src and bench, then inlines the constants of the packet path and binds its functions. The
 * result takes the place of dist when it is complete: a build that fails leaves dist as it was, and so do two at once.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindFunctions } from './bind-functions.mjs';
import { inlineConstants } from './inline-constants.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const finished = join(root, 'dist');
const dist = join(root, `dist.${process.pid}`);
const old = `${dist}.old`;
const ABANDONED_MS = 3_600_000;
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

/* What a killed build has left. */
for (const name of readdirSync(root).filter((each) => /^dist\.\d+(\.old)?$/.test(each))) {
  const path = join(root, name);
  if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > ABANDONED_MS) {
    rmSync(path, { recursive: true, force: true });
  }
}
process.once('exit', () => {
  rmSync(dist, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
});
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist], { stdio: 'inherit' });
const hot = ['src/shared', 'src/core', 'bench/workloads'];
const uses = await inlineConstants(dist, hot);
for (const name of readdirSync(dist, { recursive: true })) {
  if (name.endsWith('.constants.mjs')) {
    rmSync(join(dist, name));
  }
}
const bindings = await bindFunctions(dist, hot);
writeFileSync(join(dist, '.complete'), '');
for (let isPlaced = false; !isPlaced; ) {
  try {
    rmSync(old, { recursive: true, force: true });
    if (existsSync(finished)) {
      renameSync(finished, old);
    }
    renameSync(dist, finished);
    isPlaced = true;
  } catch (error) {
    /* Another build has taken the old one away, or has put its own there, in between. */
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code) || !existsSync(dist)) {
      throw error;
    }
  }
}
console.error(`built dist; ${uses} uses of constants inlined, ${bindings} functions bound`);

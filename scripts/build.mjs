/** `npm run build`: compiles src and bench to dist, then inlines the constants of the packet path and binds its functions. */

import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindFunctions } from './bind-functions.mjs';
import { inlineConstants } from './inline-constants.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
const hot = ['src/shared', 'src/core', 'bench/workloads'];
const uses = await inlineConstants(dist, hot);
for (const name of readdirSync(dist, { recursive: true })) {
  if (name.endsWith('.constants.mjs')) {
    rmSync(join(dist, name));
  }
}
const bindings = await bindFunctions(dist, hot);
writeFileSync(join(dist, '.complete'), '');
console.error(`built dist; ${uses} uses of constants inlined, ${bindings} functions bound`);

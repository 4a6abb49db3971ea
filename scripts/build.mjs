/** `npm run build`: compiles src and bench to dist, then inlines the constants of the packet path. */

import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inlineConstants } from './inline-constants.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
const uses = await inlineConstants(dist, ['src/shared', 'src/core', 'bench/workloads']);
for (const name of readdirSync(dist, { recursive: true })) {
  if (name.endsWith('.constants.mjs')) {
    rmSync(join(dist, name));
  }
}
writeFileSync(join(dist, '.complete'), '');
console.error(`built dist; ${uses} uses of constants inlined`);

/** What measures runs the compiled build. This file knows where that is, and compiles it when it is stale. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const isSource = import.meta.url.endsWith('.ts');
/** The package's folder: two levels up from dist/bench, one from bench. */
const root = isSource ? dirname(here) : dirname(dirname(here));

function newestMs(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) {
    return stat.mtimeMs;
  }
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

/** Path of a compiled module of bench/, after compiling if a source is newer than the build. */
export function compiledBench(module: string): string {
  if (isSource) {
    const mark = join(root, 'dist', '.complete');
    const sources = ['src', 'bench', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
    const builtMs = existsSync(mark) ? statSync(mark).mtimeMs : 0;
    if (sources.some((source) => newestMs(join(root, source)) > builtMs)) {
      execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
    }
  }
  return join(root, 'dist', 'bench', module);
}

/** Finds the compiled build, which all measurements run, and compiles it if it is stale. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from '../../src/host/children.ts';
import { showProgress } from '../../src/host/terminal.ts';
import { withLock } from '../machine/lock-file.ts';

const here = dirname(fileURLToPath(import.meta.url));
const root = packageFolder(here);
/** Whether this file runs from dist, which is never stale for itself. Tests load a compiled copy from another folder. */
const isBuild = relative(root, here).split(sep)[0] === 'dist';
const SOURCES = ['src', 'bench', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];

/** The package's folder, which holds package.json. */
function packageFolder(from: string): string {
  const up = dirname(from);
  return existsSync(join(from, 'package.json')) || up === from ? from : packageFolder(up);
}

function newestMs(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) {
    return stat.mtimeMs;
  }
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

function isStale(): boolean {
  const mark = join(root, 'dist', '.complete');
  const builtMs = existsSync(mark) ? statSync(mark).mtimeMs : 0;
  return SOURCES.some((source) => newestMs(join(root, source)) > builtMs);
}

/** Path of a compiled module of bench/. Compiles first if a source is newer than the build. Only one process compiles. */
export async function compiledBench(module: string): Promise<string> {
  if (!isBuild && isStale()) {
    await withLock(join(root, '.dist.lock'), async () => {
      if (isStale()) {
        showProgress('compiling the sources');
        await runChild(process.execPath, [join(root, 'scripts', 'build.mjs')], { stderr: 'inherit', isGroup: true });
      }
    });
  }
  return join(root, 'dist', 'bench', module);
}

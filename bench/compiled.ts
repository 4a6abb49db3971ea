/** What measures runs the compiled build. This file knows where that is, and compiles it when it is stale. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from '../src/host/children.ts';
import { showProgress } from '../src/host/terminal.ts';

const here = dirname(fileURLToPath(import.meta.url));
const isSource = import.meta.url.endsWith('.ts');
const root = packageFolder(here);

/** The package's folder: where package.json is. */
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

/** Path of a compiled module of bench/, after compiling if a source is newer than the build. */
export async function compiledBench(module: string): Promise<string> {
  if (isSource) {
    const mark = join(root, 'dist', '.complete');
    const sources = ['src', 'bench', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
    const builtMs = existsSync(mark) ? statSync(mark).mtimeMs : 0;
    if (sources.some((source) => newestMs(join(root, source)) > builtMs)) {
      showProgress('compiling the sources');
      await runChild(process.execPath, [join(root, 'scripts', 'build.mjs')], { stderr: 'inherit', isGroup: true });
    }
  }
  return join(root, 'dist', 'bench', module);
}

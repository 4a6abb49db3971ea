/**
 * `npm run build`: the program in `dist`, from src and bench. rolldown joins the modules into a file for each entry (what the package
 * exports, the command, every module that a thread or a process starts with) and chunks for what entries share. All that packets go
 * through is one chunk, in which scripts/packet-path.mjs spells out what V8 would not see across modules. tsc writes the types.
 *
 * The result takes the place of dist when it is complete: a build that fails leaves dist as it was, and so do two at once.
 */

import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { packetModule } from './packet-module/plugin.mjs';
import { packetPath } from './packet-path.mjs';
import { writeTypes } from './types.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const finished = join(root, 'dist');
const dist = join(root, `dist.${process.pid}`);
const old = `${dist}.old`;
const ABANDONED_MS = 3_600_000;

/** Modules that are started, not imported: by their names (workerEntry, takeSample). */
const STARTED = /-(worker|sample|thread|sweeper)\.ts$|^bench\/soak\/process\.ts$/;
/** Parts that tests and measurements load by themselves. */
const PARTS = [
  ...['action', 'conntrack', 'memory/memory', 'zones/zone-limits'].map((name) => `src/core/${name}.ts`),
  ...['access', 'memory/participant', 'quota/quota-pool'].map((name) => `src/shared/${name}.ts`),
  ...['command-end', 'signals'].map((name) => `src/host/${name}.ts`),
  'src/workers/threads/compiler.ts',
  'bench/samples/slices.ts',
  'bench/workloads/step-batch.ts',
];
/** Where every packet passes. */
const PACKET_PATH = /\/(src\/(shared|core)|bench\/workloads)\//;
const PACKET_CHUNK = 'packet-path';

function entries() {
  const sources = ['src', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
  );
  const started = sources.filter((path) => STARTED.test(path));
  return Object.fromEntries(
    ['src/index.ts', 'src/cli/main.ts', ...started, ...PARTS].map((path) => [
      path.replace(/\.ts$/, ''),
      join(root, path),
    ]),
  );
}

/** A module looks for what lies beside it where the sources have it, whichever file of dist it has gone into. */
const placeOfModules = {
  name: 'place-of-modules',
  transform(code, id) {
    const path = relative(root, id).replaceAll('\\', '/').replace(/\.ts$/, '.js');
    return code.includes('import.meta.url')
      ? { code: code.replaceAll('import.meta.url', `new URL('${path}', import.meta.DIST).href`), map: null }
      : null;
  },
  renderChunk(code, { fileName }) {
    const up = '../'.repeat(fileName.split('/').length - 1) || './';
    /* Behind all statements of a line or in the middle of one: the lines stay as they are. */
    return code.includes('import.meta.DIST')
      ? { code: code.replaceAll('import.meta.DIST', `new URL('${up}', import.meta.url)`), map: null }
      : null;
  },
};

/** A page of HTML carries the text of a library. The package has that text instead of the library: see the module. */
const textsOfPages = {
  name: 'texts-of-pages',
  transform(code, id) {
    if (!id.replaceAll('\\', '/').endsWith('bench/report/page/page-texts.ts')) {
      return null;
    }
    const textOf = (name) => readFileSync(createRequire(id).resolve(name), 'utf8');
    return {
      code: code.replaceAll(/(?<!function )\btextOf\('([^']+)'\)/g, (_, name) => JSON.stringify(textOf(name))),
      map: null,
    };
  },
};

async function bundle() {
  const build = await rolldown({
    cwd: root,
    input: entries(),
    platform: 'node',
    external: /^[^./]/,
    plugins: [
      packetModule({ root, say: (line) => console.error(line) }),
      textsOfPages,
      placeOfModules,
      packetPath({ chunk: PACKET_CHUNK, say: (line) => console.error(line) }),
    ],
    checks: { pluginTimings: false },
    optimization: { inlineConst: { mode: 'all', pass: 3 } },
  });
  await build.write({
    dir: dist,
    format: 'esm',
    sourcemap: true,
    entryFileNames: '[name].js',
    minify: false,
    chunkFileNames: 'chunks/[name].js',
    codeSplitting: { groups: [{ name: PACKET_CHUNK, test: PACKET_PATH }] },
  });
  await build.close();
}

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
writeTypes(root, dist);
await bundle();
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
console.error('built dist');

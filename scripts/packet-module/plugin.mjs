/** A plugin of rolldown: puts the compiled packet module in the place of src/core/path/compiled-module.ts. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { register } from 'tsx/esm/api';
import { compilePacketModule } from './compile.mjs';
import { glueOf } from './glue.mjs';

/** The source that the compiled module takes the place of. */
export const PLACE = 'src/core/path/compiled-module.ts';

/** Loads the modules with the packet path. @returns path -> exports */
async function exportsIn(root) {
  const paths = ['src/core', 'src/shared'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(root, folder, name)),
  );
  /* One namespace for all. With tsImport each path gets its own, and loads all that it imports once more. */
  const tsx = register({ namespace: `packet-module-${performance.now()}` });
  try {
    const loaded = await Promise.all(paths.map((path) => tsx.import(path, import.meta.url)));
    return new Map(paths.map((path, index) => [path, loaded[index]]));
  } finally {
    await tsx.unregister();
  }
}

/** Compiles the sources in a folder. @returns the code that takes the place of PLACE, and what is in it */
export async function compiledModule(root) {
  const modules = await exportsIn(root);
  const compiled = compilePacketModule({ root, exportsOf: (path) => modules.get(path) ?? {} });
  return { code: glueOf(compiled), bytes: compiled.bytes.length, calls: compiled.needs.functions.length };
}

/** @param root folder of the sources @param say is told the size of the module */
export function packetModule({ root, say }) {
  return {
    name: 'packet-module',
    async load(id) {
      if (id !== join(root, PLACE)) {
        return null;
      }
      const { code, bytes, calls } = await compiledModule(root);
      say(`packet module: ${bytes} bytes, calls ${calls} functions of JavaScript`);
      return { code, moduleType: 'js' };
    },
  };
}

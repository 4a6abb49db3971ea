/** `node --import`: sources that run by tsx get the packet module, as a build has it, and all their batches go through it. */

import { register } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compiledModule, PLACE } from './plugin.mjs';

process.env['CT_PACKET_PATH'] ??= 'module';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { code } = await compiledModule(root);
const hook = `
const place = ${JSON.stringify(pathToFileURL(join(root, PLACE)).href)};
const source = ${JSON.stringify(code)};
export async function load(url, context, next) {
  return url.split('?')[0] === place ? { format: 'module', source, shortCircuit: true } : next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

/** The JavaScript around the packet module: what it is passed from the objects of a thread, and the functions that it calls. */

/** @param compiled the result of compilePacketModule @returns the text that takes the place of src/core/path/compiled-module.ts */
export function glueOf({ bytes, needs }) {
  const { functions, globals, tables, wholeMemory } = needs;
  const tablePaths = new Set(tables.map(({ path }) => path));
  const numbers = globals.filter(({ path }) => !tablePaths.has(path));
  return `${functions
    .filter((each) => each.self === undefined)
    .map(importLine)
    .join('\n')}
const fromBase64 = (text) => Uint8Array.from(Buffer.from(text, 'base64'));
export const COMPILED_MODULE = {
  bytes: fromBase64('${Buffer.from(bytes).toString('base64')}'),
  tables: [
${tables.map(({ id, bytes: table }) => `    { name: '${id}', bytes: fromBase64('${table.toString('base64')}') },`).join('\n')}
  ],
  numbers: (tracker) => ({
${numbers.map(({ id, path, kind }) => `    '${id}': ${kind === 'array' ? `${path}.byteOffset` : `Number(${path})`},`).join('\n')}
  }),
  wholeMemory: (tracker) => [${wholeMemory.join(', ')}],
  calls: (context) => {
    const { tracker } = context;
    return {
${functions.map(callLine).join('\n')}
    };
  },
};
`;
}

function importLine({ id, name, module }) {
  return `import { ${name} as ${id} } from '${module}';`;
}

function callLine({ id, name, self, texts }) {
  const params = texts.flatMap((each, index) => (each === undefined ? [`a${index}`] : []));
  const args = texts.map((each, index) => each?.replace(/^(batch|action)\b/, 'context.$1') ?? `a${index}`);
  const callee = self === undefined ? id : `${self}.${name}`;
  return `      ${id}: (${params.join(', ')}) => ${callee}(${args.join(', ')}),`;
}

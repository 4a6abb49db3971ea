/**
 * Writes the values of named constants into the compiled code: `ConnWord.EXPIRES` becomes `5`, `UNIT_SHIFT` becomes `5`.
 *
 * The sources name every offset. V8 does not fold constants that come from another module: each use would load the
 * module's cell, check that it is initialised, check its type and load a property, about eight instructions for a
 * number that never changes. This step does what a C compiler does with an enum, on the output of tsc, and nothing else.
 *
 * A constant is a module-level `const` whose name starts with a capital and whose value is a number, or an object
 * literal (or Object.fromEntries) of numbers. What else there is stays as it is.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'acorn';

const CONSTANT_NAME = /^[A-Z]/;

/** Whole 32-bit numbers only: larger ones and fractions would not be written back exactly in all places. */
function isInlinable(value) {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 0xffffffff;
}

function isConstantObject(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every(isInlinable)
  );
}

/** Name -> value of the module-level constants of a file; unexported ones by evaluating a copy that exports them. */
async function constantsOf(file, program, text) {
  const names = [];
  for (const node of program.body) {
    const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : node;
    if (declaration?.type === 'VariableDeclaration' && declaration.kind === 'const') {
      for (const { id } of declaration.declarations) {
        if (id.type === 'Identifier' && CONSTANT_NAME.test(id.name)) {
          names.push({ name: id.name, isExported: node !== declaration });
        }
      }
    }
  }
  if (names.length === 0) {
    return new Map();
  }
  const hidden = names.filter(({ isExported }) => !isExported).map(({ name }) => name);
  const copy = `${file}.constants.mjs`;
  writeFileSync(copy, `${text}\nexport { ${hidden.map((name) => `${name} as __${name}`).join(', ')} };\n`);
  const module = await import(pathToFileURL(copy).href);
  return new Map(
    names
      .map(({ name, isExported }) => [name, module[isExported ? name : `__${name}`]])
      .filter(([, value]) => isInlinable(value) || isConstantObject(value)),
  );
}

/** Every node with its parent. */
function* walk(node, parent) {
  yield [node, parent];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') {
        yield* walk(child, node);
      }
    }
  }
}

function isReference(node, parent) {
  switch (parent?.type) {
    case 'VariableDeclarator':
      return parent.id !== node;
    case 'MemberExpression':
      return parent.object === node || parent.computed;
    case 'Property':
      return parent.value === node && !parent.shorthand;
    case 'ImportSpecifier':
    case 'ExportSpecifier':
    case 'ClassDeclaration':
    case 'FunctionDeclaration':
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return false;
    default:
      return true;
  }
}

function literal(value) {
  return value < 0 ? `(${value})` : String(value);
}

/** Inlines in all modules of these folders of `dist`; returns how many uses were written. */
export async function inlineConstants(dist, folders) {
  const files = [];
  for (const folder of folders) {
    const names = await readdir(join(dist, folder), { recursive: true });
    files.push(...names.filter((name) => name.endsWith('.js')).map((name) => resolve(dist, folder, name)));
  }
  const modules = new Map();
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
    modules.set(file, { text, program });
  }
  for (const [file, module] of modules) {
    module.constants = await constantsOf(file, module.program, module.text);
  }
  let uses = 0;
  for (const [file, { text, program, constants }] of modules) {
    const known = new Map(constants);
    for (const node of program.body) {
      if (node.type === 'ImportDeclaration') {
        const from = modules.get(resolve(dirname(file), node.source.value));
        for (const specifier of node.specifiers) {
          const value = from?.constants.get(specifier.imported?.name);
          if (value !== undefined) {
            known.set(specifier.local.name, value);
          }
        }
      }
    }
    const edits = [];
    for (const [node, parent] of walk(program)) {
      if (node.type === 'Identifier' && isReference(node, parent)) {
        const value = known.get(node.name);
        if (typeof value === 'number') {
          edits.push([node.start, node.end, literal(value)]);
        } else if (
          value !== undefined &&
          parent.type === 'MemberExpression' &&
          parent.object === node &&
          !parent.computed &&
          value[parent.property.name] !== undefined
        ) {
          edits.push([parent.start, parent.end, literal(value[parent.property.name])]);
        }
      }
    }
    edits.sort(([a], [b]) => b - a);
    let out = text;
    for (const [start, end, replacement] of edits) {
      out = out.slice(0, start) + replacement + out.slice(end);
    }
    writeFileSync(file, out);
    uses += edits.length;
  }
  return uses;
}

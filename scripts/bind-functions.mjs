/**
 * Gives each compiled module constants of its own for the functions that it calls:
 *
 *   import { lock } from './mutex.js';      ->   import { lock as lock$ } from './mutex.js'; const lock = lock$;
 *   export function unlock() { ... }        ->   function unlock$() { ... } const unlock = unlock$; export { unlock$ as unlock };
 *
 * V8 treats only a `const` of the function's own module as a constant. An imported function is read from its module's
 * cell at every call, checked for being initialised, and compared with what it was when the code was compiled; a
 * function declaration is read and compared too, since it could be assigned to. That is six instructions a call, also
 * where the call itself is inlined. Function declarations are hoisted across modules, so binding them when a module
 * starts is safe whatever imports what. Lines keep their numbers; only the output of tsc is touched.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'acorn';

/** `const load = CHECKED ? ... : ...`, as in the access seam: a function that is chosen once. */
function isChosenFunction(declarator) {
  return declarator.init?.type === 'ConditionalExpression' && declarator.init.consequent.type === 'ArrowFunctionExpression';
}

function declarationOf(node) {
  return node.type === 'ExportNamedDeclaration' ? node.declaration : node;
}

/** Names of the functions that a module exports. */
function exportedFunctions(program) {
  const names = new Set();
  for (const node of program.body) {
    const declaration = declarationOf(node);
    if (node.type !== 'ExportNamedDeclaration' || declaration === null) {
      continue;
    }
    if (declaration.type === 'FunctionDeclaration') {
      names.add(declaration.id.name);
    } else if (declaration.type === 'VariableDeclaration') {
      for (const declarator of declaration.declarations.filter(isChosenFunction)) {
        names.add(declarator.id.name);
      }
    }
  }
  return names;
}

/** Binds the functions in all modules of these folders of `dist`; returns how many bindings were written. */
export async function bindFunctions(dist, folders) {
  const modules = new Map();
  for (const folder of folders) {
    const names = await readdir(join(dist, folder), { recursive: true });
    for (const name of names.filter((file) => file.endsWith('.js'))) {
      const file = resolve(dist, folder, name);
      const text = readFileSync(file, 'utf8');
      const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
      modules.set(file, { text, program, functions: exportedFunctions(program) });
    }
  }
  let count = 0;
  for (const [file, { text, program }] of modules) {
    const edits = [];
    const bindings = [];
    const exports = [];
    let afterImports = 0;
    for (const node of program.body) {
      if (node.type === 'ImportDeclaration') {
        afterImports = node.end;
        const functions = modules.get(resolve(dirname(file), node.source.value))?.functions;
        for (const specifier of node.specifiers) {
          if (functions?.has(specifier.imported?.name)) {
            const local = specifier.local.name;
            edits.push([specifier.start, specifier.end, `${specifier.imported.name} as ${local}$`]);
            bindings.push(`const ${local} = ${local}$;`);
          }
        }
        continue;
      }
      const declaration = declarationOf(node);
      if (declaration?.type === 'FunctionDeclaration' && node.type !== 'ExportDefaultDeclaration') {
        const name = declaration.id.name;
        edits.push([declaration.id.start, declaration.id.end, `${name}$`]);
        bindings.push(`const ${name} = ${name}$;`);
        if (node !== declaration) {
          edits.push([node.start, declaration.start, '']);
          exports.push(`${name}$ as ${name}`);
        }
      }
    }
    if (bindings.length === 0) {
      continue;
    }
    edits.push([afterImports, afterImports, ` ${bindings.join(' ')} `]);
    edits.sort(([a], [b]) => b - a);
    let out = text;
    for (const [start, end, replacement] of edits) {
      out = out.slice(0, start) + replacement + out.slice(end);
    }
    if (exports.length > 0) {
      out += `\nexport { ${exports.join(', ')} };\n`;
    }
    writeFileSync(file, out);
    count += bindings.length;
  }
  return count;
}

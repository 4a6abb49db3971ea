/**
 * A plugin of rolldown for the one chunk with the packet path. It writes as constant what is constant, so that V8 sees it:
 *
 *   const ConnWord = { EXPIRES: 5 }; ... words[r + ConnWord.EXPIRES]   ->   words[r + 5]
 *   function lock(words) { ... }                                       ->   const lock = function (words) { ... };
 *   var Slab = class { ... }                                           ->   const Slab = class { ... }
 *   export { lock as a };                                              ->   const lock$ = lock; export { lock$ as a };
 *
 * The bundler joins the modules, and folds constants that are plain numbers, but no members of objects. V8 folds those only where
 * it inlines, and their bytecode counts against the limits for inlining (src/workers/threads/compiler.ts).
 *
 * V8 reads a function declaration at each call, since it could be assigned to, and compares it with what it was when the code was
 * compiled; also where the call is inlined. It knows a `const` of the module, unless that is exported: an export is read from a cell.
 */

import { parse } from 'acorn';
import { analyze } from 'eslint-scope';
import MagicString from 'magic-string';

/** Globals that a constant may be computed with. */
const PURE = new Set(['Error', 'Math', 'Number', 'Object', 'undefined']);
const READERS_OF_OBJECTS = new Set(['entries', 'freeze', 'hasOwn', 'keys', 'values']);

/** The bundler's comment above the code of each source. */
const SOURCE_LINE = /^\/\/ \S+\.ts\n/gm;

/** Whole 32-bit numbers: others would not be written back exactly in all places. */
function isWritable(value) {
  return Number.isInteger(value) && Math.abs(value) <= 0xffffffff;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function childrenOf(node) {
  const entries = Object.entries(node).filter(([key]) => key !== 'parent');
  return entries.flatMap(([, value]) => value).filter((value) => typeof value?.type === 'string');
}

/** This node and all below it. */
function* nodesOf(node) {
  yield node;
  for (const child of childrenOf(node)) {
    yield* nodesOf(child);
  }
}

function setParents(node) {
  for (const child of childrenOf(node)) {
    child.parent = node;
    setParents(child);
  }
}

/** Tree, scopes and variables of a module. Each node has its parent. */
function analyzed(text) {
  const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module', ranges: true });
  setParents(program);
  const { scopes, globalScope } = analyze(program, { ecmaVersion: 2024, sourceType: 'module' });
  const references = scopes.flatMap((scope) => scope.references);
  return {
    program,
    variables: globalScope.childScopes[0].variables,
    /** Identifier -> its reference. */
    references: new Map(references.map((reference) => [reference.identifier, reference])),
  };
}

/** Whether a member is written to, deleted, or called as a method. */
function isChanged(member) {
  const { parent } = member;
  switch (parent.type) {
    case 'AssignmentExpression':
      return parent.left === member;
    case 'CallExpression':
      return parent.callee === member;
    case 'UnaryExpression':
      return parent.operator === 'delete';
    default:
      return parent.type === 'UpdateExpression';
  }
}

/** Whether this use of an object leaves it as it is. A function that gets the whole of it could write to it. */
function isReading(identifier) {
  const { parent } = identifier;
  switch (parent.type) {
    case 'MemberExpression':
      return parent.object === identifier && !isChanged(parent);
    case 'CallExpression':
      return parent.callee.object?.name === 'Object' && READERS_OF_OBJECTS.has(parent.callee.property.name);
    case 'VariableDeclarator':
      return parent.id.type === 'ObjectPattern';
    case 'SpreadElement':
      return parent.parent.type === 'ObjectExpression';
    default:
      return parent.type === 'ExportSpecifier';
  }
}

/** @param known name -> value @returns undefined for what cannot be computed */
function valueOf(expression, known) {
  try {
    return new Function(...known.keys(), `return (${expression});`)(...known.values());
  } catch {
    return undefined;
  }
}

/** The text that says what a variable is for good: a `const`, or a function that nobody assigns to. */
function definitionOf({ defs: [{ node, type, parent } = {}], references }) {
  if (type === 'FunctionName') {
    return references.some((each) => each.isWrite()) ? undefined : node;
  }
  return type === 'Variable' && parent.kind === 'const' && node.id.type === 'Identifier' ? node.init : undefined;
}

/**
 * Variable -> value of what can be computed from the text alone: constants of a module, and the functions that compute them
 * (src/shared/memory/word-layout.ts).
 */
function constantsOf({ variables, references }, text) {
  const constants = new Map();
  for (const variable of variables) {
    const definition = definitionOf(variable);
    if (definition === undefined) {
      continue;
    }
    const { start, end } = definition;
    const isKnown = ({ identifier, resolved }) =>
      resolved === null
        ? PURE.has(identifier.name)
        : constants.has(resolved) || (resolved.defs[0].node.start >= start && resolved.defs[0].node.end <= end);
    const uses = [...nodesOf(definition)].map((each) => references.get(each)).filter((each) => each !== undefined);
    const known = uses.filter(({ resolved }) => constants.has(resolved)).map(({ resolved }) => resolved);
    const value = uses.every(isKnown)
      ? valueOf(text.slice(start, end), new Map(known.map((each) => [each.name, constants.get(each)])))
      : undefined;
    const isConstant = !isObject(value) || variable.references.every((each) => each.init || isReading(each.identifier));
    if (value !== undefined && isConstant) {
      constants.set(variable, value);
    }
  }
  return constants;
}

/** The node that stands for a whole number, and the number; undefined for all other uses of a constant. */
function numberAt(identifier, value) {
  if (isWritable(value)) {
    return [identifier, value];
  }
  const { parent } = identifier;
  const isMember = parent.type === 'MemberExpression' && !parent.computed;
  if (!isMember || !isObject(value) || !Object.hasOwn(value, parent.property.name)) {
    return undefined;
  }
  return isWritable(value[parent.property.name]) ? [parent, value[parent.property.name]] : undefined;
}

function foldConstants(edits, constants) {
  let count = 0;
  for (const [{ references }, value] of constants) {
    for (const { identifier, init } of references) {
      const found = init || identifier.parent.type === 'ExportSpecifier' ? undefined : numberAt(identifier, value);
      if (found !== undefined) {
        const [node, number] = found;
        const literal = number < 0 ? `(${number})` : String(number);
        edits.overwrite(node.start, node.end, node.parent.shorthand ? `${node.name}: ${literal}` : literal);
        count++;
      }
    }
  }
  return count;
}

/** Module-level functions that nobody assigns to. They go to the start of their source: a declaration is there from the start, too. */
function bindFunctions(edits, { program, variables }, text) {
  const functions = new Map(
    variables
      .filter(({ defs, references }) => defs[0]?.type === 'FunctionName' && !references.some((each) => each.isWrite()))
      .map(({ name, defs }) => [defs[0].node, name]),
  );
  const starts = Array.from(text.matchAll(SOURCE_LINE), ({ 0: line, index }) => index + line.length);
  let before = 0;
  for (const node of program.body) {
    const start = starts.findLast((each) => each <= node.start) ?? 0;
    if (functions.has(node)) {
      edits.remove(node.id.start, node.id.end);
      edits.appendRight(node.start, `const ${functions.get(node)} = `);
      edits.appendLeft(node.end, ';');
      if (before > start) {
        edits.move(before, node.end, start);
      }
    }
    before = node.end;
  }
  return functions.size;
}

/** The bundler declares classes by `var`. */
function bindClasses(edits, { variables }) {
  const classes = variables.filter(
    ({ defs, references }) =>
      defs[0]?.node.init?.type === 'ClassExpression' && references.filter((each) => each.isWrite()).length === 1,
  );
  for (const { defs } of classes.filter(({ defs: [{ parent }] }) => parent.kind === 'var')) {
    const [{ parent }] = defs;
    edits.overwrite(parent.start, parent.start + 'var'.length, 'const');
  }
}

function aliasExports(edits, { program }) {
  const exports = program.body.filter(({ type, source }) => type === 'ExportNamedDeclaration' && source === null);
  for (const node of exports) {
    for (const { local } of node.specifiers) {
      edits.appendLeft(node.start, `const ${local.name}$ = ${local.name};\n`);
      edits.appendLeft(local.end, '$');
    }
  }
}

/** @param chunk name of the chunk; @param say is told what was done */
export function packetPath({ chunk: name, say }) {
  return {
    name: 'packet-path',
    renderChunk(text, chunk) {
      if (chunk.name !== name) {
        return null;
      }
      const module = analyzed(text);
      const edits = new MagicString(text);
      const uses = foldConstants(edits, constantsOf(module, text));
      const functions = bindFunctions(edits, module, text);
      bindClasses(edits, module);
      aliasExports(edits, module);
      say(`${name}: ${uses} uses of constants folded, ${functions} functions bound`);
      return { code: edits.toString(), map: edits.generateMap({ hires: 'boundary' }) };
    },
  };
}

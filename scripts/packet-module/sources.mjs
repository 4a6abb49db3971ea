/**
 * The TypeScript sources as the compiler of the packet module reads them: syntax trees, declarations by name across imports,
 * and the values of constants.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

/** Syntax around an expression that says something about types only. */
const TYPE_SYNTAX = new Set([
  'TSAsExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'ParenthesizedExpression',
]);

/** The expression without the type syntax around it. */
export function bare(node) {
  let inner = node;
  while (inner !== null && TYPE_SYNTAX.has(inner.type)) {
    inner = inner.expression;
  }
  return inner;
}

/** The source does not fit into the subset that the module may use. */
export class SubsetError extends Error {
  constructor(message, module, node) {
    const line = module.text.slice(0, node?.start ?? 0).split('\n').length;
    super(`${module.name}:${line}: ${message}`);
    this.name = 'SubsetError';
  }
}

function declarationsOf(statement) {
  const node = statement.type.startsWith('Export') ? (statement.declaration ?? statement) : statement;
  switch (node.type) {
    case 'VariableDeclaration':
      return node.declarations.flatMap((each) =>
        each.id.type === 'Identifier' ? [[each.id.name, each]] : destructuredNames(each),
      );
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
    case 'TSInterfaceDeclaration':
    case 'TSTypeAliasDeclaration':
      return [[node.id.name, node]];
    default:
      return [];
  }
}

/** `const { A, B: C } = OBJECT`: each name stands for a member. */
function destructuredNames({ id, init }) {
  return id.properties.map(({ key, value }) => [value.name, { type: 'MemberOf', object: init, name: key.name }]);
}

export class Sources {
  #modules = new Map();
  #values = new Map();

  /**
   * @param root folder that names of modules are relative to
   * @param exportsOf path of a module -> its exports as they are when it has been loaded
   */
  constructor({ root, exportsOf }) {
    this.root = root;
    this.exportsOf = exportsOf;
  }

  module(path) {
    let module = this.#modules.get(path);
    if (module === undefined) {
      const text = readFileSync(path, 'utf8');
      const tree = parseAst(text, { lang: 'ts' }, path);
      module = { path, name: relative(this.root, path), text, declarations: new Map(), imports: new Map() };
      for (const statement of tree.body) {
        this.#addNames(module, statement);
      }
      this.#modules.set(path, module);
    }
    return module;
  }

  #addNames(module, statement) {
    const from = statement.source === undefined || statement.source === null ? undefined : statement.source.value;
    if (from?.startsWith('.')) {
      const path = join(dirname(module.path), from);
      for (const { imported, local, exported } of statement.specifiers ?? []) {
        module.imports.set((exported ?? local).name, { path, name: (imported ?? local).name });
      }
    }
    for (const [name, node] of declarationsOf(statement)) {
      module.declarations.set(name, node);
    }
  }

  /** The module and node of what a name stands for in a module. @returns undefined for a global */
  resolve(module, name) {
    const node = module.declarations.get(name);
    if (node !== undefined) {
      return { module, node, name };
    }
    const from = module.imports.get(name);
    return from === undefined || !existsSync(from.path) ? undefined : this.resolve(this.module(from.path), from.name);
  }

  /** The value of a constant of a module: of its text, or of the loaded module. @returns undefined if it is none */
  constant({ module, node, name }) {
    const key = `${module.path}#${name}`;
    if (!this.#values.has(key)) {
      this.#values.set(key, undefined);
      const loaded = this.exportsOf(module.path)[name];
      const isValue = loaded !== undefined && typeof loaded !== 'function';
      this.#values.set(key, isValue ? loaded : this.#fromText(module, node));
    }
    return this.#values.get(key);
  }

  #fromText(module, node) {
    if (node.type === 'MemberOf') {
      return this.evaluate(module, node.object)?.[node.name];
    }
    return node.type === 'VariableDeclarator' && node.init !== null ? this.evaluate(module, node.init) : undefined;
  }

  /** The value of an expression without variables. @returns undefined if it has some */
  evaluate(module, given) {
    const node = bare(given);
    switch (node.type) {
      case 'Literal':
        return node.value;
      case 'Identifier': {
        const found = this.resolve(module, node.name);
        return found === undefined ? undefined : this.constant(found);
      }
      case 'MemberExpression':
        return node.computed ? undefined : this.evaluate(module, node.object)?.[node.property.name];
      case 'UnaryExpression':
        return applied((value) => unary(node.operator, value), this.evaluate(module, node.argument));
      case 'BinaryExpression':
        return applied(
          (left, right) => binary(node.operator, left, right),
          this.evaluate(module, node.left),
          this.evaluate(module, node.right),
        );
      case 'ConditionalExpression': {
        const test = this.evaluate(module, node.test);
        return test === undefined ? undefined : this.evaluate(module, test ? node.consequent : node.alternate);
      }
      default:
        return undefined;
    }
  }
}

function applied(operation, ...values) {
  return values.includes(undefined) ? undefined : operation(...values);
}

export function unary(operator, value) {
  switch (operator) {
    case '-':
      return -value;
    case '~':
      return ~value;
    case '!':
      return !value;
    default:
      return undefined;
  }
}

const BINARY = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '**': (a, b) => a ** b,
  '|': (a, b) => a | b,
  '&': (a, b) => a & b,
  '^': (a, b) => a ^ b,
  '<<': (a, b) => a << b,
  '>>': (a, b) => a >> b,
  '>>>': (a, b) => a >>> b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '===': (a, b) => a === b,
  '!==': (a, b) => a !== b,
};

export function binary(operator, left, right) {
  return BINARY[operator]?.(left, right);
}

/**
 * Compiles functions of the sources to WebAssembly: one function for each combination of static arguments. docs/packet-module.md
 * describes the subset.
 */

import binaryen from 'binaryen';
import { bare, binary, SubsetError, unary } from './sources.mjs';
import { constant, int, staticKey, TYPED_ARRAYS, VOID } from './values.mjs';

const { i32, none } = binaryen;
const ACCESS = /\/shared\/access\.ts$/;

const COMPARISONS = {
  '===': ['eq', 'eq'],
  '!==': ['ne', 'ne'],
  '<': ['lt_s', 'lt_u'],
  '<=': ['le_s', 'le_u'],
  '>': ['gt_s', 'gt_u'],
  '>=': ['ge_s', 'ge_u'],
};
const ARITHMETIC = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '|': 'or',
  '&': 'and',
  '^': 'xor',
  '<<': 'shl',
  '>>': 'shr_s',
  '>>>': 'shr_u',
};

/** Statements that end a case of a switch. */
const ENDS = new Set(['BreakStatement', 'ContinueStatement', 'ReturnStatement']);

/** Types that name no array or object: numbers and booleans. */
const SCALARS = new Set(['TSNumberKeyword', 'TSBooleanKeyword']);

export class Lowering {
  #instances = new Map();
  #imports = new Map();
  #globals = new Map();
  #perCall = new Map();
  #tables = new Map();
  #wholeMemory = new Set();

  /**
   * @param sources the Sources
   * @param options.known path -> value of what is the same in every call of the module
   * @param options.classes path -> name and module of the class that stands behind an abstract type
   * @param options.perCall paths of numbers that each call sets
   * @param options.isWholeMemory path -> whether that array begins where the memory begins
   * @param options.outside names of functions that stay in JavaScript
   */
  constructor(sources, options) {
    this.sources = sources;
    this.options = options;
    this.module = new binaryen.Module();
  }

  /** What the module needs from outside, for its glue. */
  get needs() {
    return {
      functions: [...this.#imports.values()],
      globals: [...this.#globals.values()],
      tables: [...this.#tables.values()],
      wholeMemory: [...this.#wholeMemory],
    };
  }

  /** Compiles a function as root of the module. Its runtime arguments are those of the export, after the perCall ones. */
  addRoot(declaration, args, exportName) {
    const { perCall } = this.options;
    for (const path of perCall.filter((each) => !this.#perCall.has(each))) {
      const global = `call:${path}`;
      this.module.addGlobal(global, i32, true, this.module.i32.const(0));
      this.#perCall.set(path, global);
    }
    const runtime = args.filter((each) => each.kind === 'runtime').length;
    let next = perCall.length;
    const values = args.map((each) => (each.kind === 'runtime' ? int(this.module.local.get(next++, i32)) : each));
    const { name, result } = this.#instanceOf(this.functionOf(declaration), undefined, values);
    const refs = values.filter((each) => each.kind === 'int').map((each) => each.ref);
    const sets = perCall.map((path, index) =>
      this.module.global.set(this.#perCall.get(path), this.module.local.get(index, i32)),
    );
    const params = binaryen.createType(Array.from({ length: perCall.length + runtime }, () => i32));
    const body = this.module.block(null, [...sets, this.module.call(name, refs, result)], result);
    this.module.addFunction(`root:${exportName}`, params, result, [], body);
    this.module.addFunctionExport(`root:${exportName}`, exportName);
  }

  importMemory({ initialPages, maximumPages }) {
    this.module.setMemory(initialPages, maximumPages, null, [], true, false, '0');
    this.module.addMemoryImport('0', 'host', 'memory', true);
  }

  /** @returns the bytes of the module */
  emit() {
    this.module.setFeatures(
      binaryen.Features.Atomics |
        binaryen.Features.MutableGlobals |
        binaryen.Features.BulkMemory |
        binaryen.Features.SignExt,
    );
    if (!this.module.validate()) {
      throw new Error('the packet module is not valid');
    }
    binaryen.setOptimizeLevel(3);
    binaryen.setShrinkLevel(0);
    binaryen.setAlwaysInlineMaxSize(60);
    binaryen.setFlexibleInlineMaxSize(200);
    binaryen.setOneCallerInlineMaxSize(100_000);
    binaryen.setAllowInliningFunctionsWithLoops(true);
    this.module.optimize();
    /* Names of functions, for CPU profiles. */
    binaryen.setDebugInfo(true);
    return this.module.emitBinary();
  }

  text() {
    return this.module.emitText();
  }

  /* Functions. */

  /** The function that a declaration is, whichever of several the process would choose. */
  functionOf({ module, node, name }) {
    if (node.type === 'FunctionDeclaration') {
      return { module, node, name, alias: undefined };
    }
    if (node.type !== 'VariableDeclarator') {
      throw new SubsetError(`${name} is no function`, module, node);
    }
    return this.#chosen(module, node.init, name, node.id.typeAnnotation?.typeAnnotation);
  }

  #chosen(module, given, name, type) {
    const node = bare(given);
    switch (node.type) {
      case 'ConditionalExpression': {
        const test = this.sources.evaluate(module, node.test);
        if (test === undefined) {
          throw new SubsetError('which function is it?', module, node);
        }
        return this.#chosen(module, test ? node.consequent : node.alternate, name, type);
      }
      case 'Identifier':
        return this.functionOf(this.sources.resolve(module, node.name));
      case 'ArrowFunctionExpression':
        return { module, node, name, alias: type === undefined ? undefined : this.#aliasOf(module, type) };
      default:
        throw new SubsetError(`${name} is no function`, module, node);
    }
  }

  #aliasOf(module, type) {
    return type.type === 'TSTypeReference'
      ? this.sources.resolve(module, type.typeName.name).node.typeAnnotation
      : type;
  }

  /** The WebAssembly function for these arguments. Numbers among them are its parameters. */
  #instanceOf(declaration, self, args) {
    const keys = [self, ...args].map((each) => (each === undefined ? '' : (staticKey(each) ?? '#')));
    const key = `${declaration.module.name}:${declaration.name}(${keys.join(',')})`;
    let instance = this.#instances.get(key);
    if (instance === undefined) {
      const returnType = declaration.node.returnType?.typeAnnotation ?? declaration.alias?.returnType?.typeAnnotation;
      if (returnType === undefined) {
        throw new SubsetError(`${declaration.name} needs a return type`, declaration.module, declaration.node);
      }
      const result = returnType.type === 'TSVoidKeyword' ? none : i32;
      instance = { name: key, result };
      this.#instances.set(key, instance);
      new FunctionLowering(this, declaration, self, args, instance).lower();
    }
    return instance;
  }

  /** A call of a function with values as arguments. */
  call(declaration, self, args, at) {
    if (this.options.outside.has(declaration.name)) {
      return this.#callOutside(declaration, self, args, at);
    }
    const padded = declaration.node.params.map((_, index) => args[index] ?? constant(undefined));
    const { name, result } = this.#instanceOf(declaration, self, padded);
    const refs = padded.filter((each) => this.isParameter(each)).map((each) => this.parameter(each, at));
    const ref = this.module.call(name, refs, result);
    return result === none ? { ...VOID, ref } : int(ref);
  }

  /** Does a function get this argument when it runs? A number, or the address at which an array begins. */
  isParameter(value) {
    return value.kind === 'array' ? !this.#isWholeMemory(value) : staticKey(value) === undefined;
  }

  parameter(value, at) {
    return value.kind === 'array' ? this.baseOf(value) : this.ref(value, at);
  }

  #isWholeMemory({ path }) {
    return this.options.isWholeMemory(path);
  }

  /** The address at which an array begins. */
  baseOf({ path, base }) {
    if (base !== undefined) {
      return this.module.local.get(base.index, i32);
    }
    return this.#perCall.has(path) ? this.module.global.get(this.#perCall.get(path), i32) : this.#global(path, 'array');
  }

  #callOutside({ module, node, name, alias }, self, args, at) {
    const returnType = node.returnType?.typeAnnotation ?? alias?.returnType?.typeAnnotation;
    const result = returnType.type === 'TSVoidKeyword' ? none : i32;
    const texts = args.map((each) => this.#textOf(each, at));
    const key = `${self === undefined ? `${module.name}:` : `${self.path}.`}${name}(${texts.map((each) => each ?? '#').join(', ')})`;
    const refs = args.filter((_, index) => texts[index] === undefined).map((each) => this.ref(each, at));
    if (!this.#imports.has(key)) {
      const id = `f${this.#imports.size}`;
      this.#imports.set(key, { id, name, module: module.path, self: self?.path, texts });
      this.module.addFunctionImport(key, 'calls', id, binaryen.createType(refs.map(() => i32)), result);
    }
    const ref = this.module.call(key, refs, result);
    return result === none ? { ...VOID, ref } : int(ref);
  }

  /** JavaScript text for a static argument; undefined for a number of the module. */
  #textOf(value) {
    switch (value.kind) {
      case 'object':
        return value.path;
      case 'array':
        return value.path;
      case 'const':
        return String(value.value);
      default:
        return undefined;
    }
  }

  /** The expression of a number or boolean. */
  ref(value, at) {
    switch (value.kind) {
      case 'int':
        return value.ref;
      case 'local':
        return this.module.local.get(value.index, i32);
      case 'const':
        if (typeof value.value === 'number' || typeof value.value === 'boolean') {
          return this.module.i32.const(Number(value.value));
        }
        break;
      default:
        break;
    }
    throw new SubsetError(`not a number: ${value.kind} ${value.path ?? value.value ?? ''}`, at.module, at.node);
  }

  /* Objects. */

  /** A member of an object that exists before the module runs. */
  member(object, name, at) {
    const path = `${object.path}.${name}`;
    if (Object.hasOwn(this.options.known, path)) {
      return constant(this.options.known[path]);
    }
    const field = this.#fieldOf(object, name);
    if (field === undefined) {
      throw new SubsetError(`no field ${name} in ${object.path}`, at.module, at.node);
    }
    if (SCALARS.has(field.type?.type) && this.#perCall.has(path)) {
      return int(this.module.global.get(this.#perCall.get(path), i32));
    }
    const value = this.#valueOfType(field.module, field.type, path);
    if (value.kind === 'int' && !field.isReadonly) {
      throw new SubsetError(
        `${path} may change, so the module cannot know it: readonly fields only`,
        at.module,
        at.node,
      );
    }
    return value;
  }

  #valueOfType(module, type, path) {
    if (SCALARS.has(type?.type)) {
      return int(this.#global(path, 'number'));
    }
    if (type?.type !== 'TSTypeReference') {
      throw new SubsetError(`a type that the module has no value for: ${path}`, module, type);
    }
    const { name } = type.typeName;
    if (Object.hasOwn(TYPED_ARRAYS, name)) {
      return { kind: 'array', element: TYPED_ARRAYS[name], path };
    }
    const found = this.options.classes[path] ?? { module, name };
    return { kind: 'object', path, type: this.sources.resolve(found.module ?? module, found.name) };
  }

  /** The word of the module that holds a number of an object, or the byte at which an array begins. */
  #global(path, kind) {
    if (!/^tracker\.|#/.test(path)) {
      throw new Error(`${path} is not the same in every call: it needs to be known or perCall`);
    }
    const id = `${kind}:${path}`;
    if (!this.#globals.has(id)) {
      this.#globals.set(id, { id, path, kind });
      this.module.addGlobalImport(id, 'numbers', id, i32, false);
    }
    return this.module.global.get(id, i32);
  }

  /** A class or interface, and those that it extends. */
  *#linesOf(type) {
    for (let found = type; found !== undefined; ) {
      yield found;
      const { module, node } = found;
      const parent = node.superClass ?? node.extends?.[0]?.expression;
      found = parent === undefined || parent === null ? undefined : this.sources.resolve(module, parent.name);
    }
  }

  #fieldOf(object, name) {
    for (const { module, node } of this.#linesOf(object.type)) {
      for (const each of node.body.body) {
        if (each.key?.name === name && (each.type === 'PropertyDefinition' || each.type === 'TSPropertySignature')) {
          if (each.key.type === 'PrivateIdentifier') {
            throw new SubsetError(
              `#${name} cannot be read from outside of the object: private ${name} can`,
              module,
              each,
            );
          }
          return { module, type: each.typeAnnotation?.typeAnnotation, isReadonly: each.readonly };
        }
      }
    }
    return undefined;
  }

  /** @returns undefined if the object has no such method */
  method(object, name) {
    for (const { module, node } of this.#linesOf(object.type)) {
      for (const each of node.body.body) {
        if (each.type === 'MethodDefinition' && each.key.name === name && each.value.body !== null) {
          return { module, node: each.value, name, alias: undefined };
        }
      }
    }
    return undefined;
  }

  staticMethod({ node, module }, name) {
    const found = node.body.body.find(
      (each) => each.static && each.type === 'MethodDefinition' && each.key.name === name,
    );
    return found === undefined ? undefined : { module, node: found.value, name, alias: undefined };
  }

  /* Arrays. */

  /** A table that a module computes when it is loaded. The module has a copy of it. */
  table({ module, name }, value) {
    const path = `${module.name}#${name}`;
    if (!this.#tables.has(path)) {
      this.#tables.set(path, {
        id: `array:${path}`,
        path,
        bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
      });
    }
    return { kind: 'array', element: value instanceof Uint8Array ? 'u8' : 'i32', path };
  }

  /** The address of an element: a constant offset and an expression. */
  address(array, index, at) {
    const size = array.element === 'u8' ? 0 : array.element === 'f64' ? 3 : 2;
    const { m, offset, ref } = this.#split(index, size, at);
    if (this.#isWholeMemory(array)) {
      this.#wholeMemory.add(array.path);
      return { offset, ref: ref ?? m.i32.const(0) };
    }
    const start = this.baseOf(array);
    return { offset, ref: ref === undefined ? start : m.i32.add(start, ref) };
  }

  #split(index, size, at) {
    const m = this.module;
    if (index.kind === 'const') {
      return { m, offset: index.value << size, ref: undefined };
    }
    const { ref, offset = 0 } = index;
    const word = index.kind === 'int' ? ref : this.ref(index, at);
    return { m, offset: offset << size, ref: size === 0 ? word : m.i32.shl(word, m.i32.const(size)) };
  }
}

/** Compiles one function. */
class FunctionLowering {
  #scopes = [new Map()];
  #locals = [];
  #labels = 0;
  #breaks = [];
  #continues = [];

  constructor(lowering, declaration, self, args, instance) {
    this.lowering = lowering;
    this.m = lowering.module;
    this.declaration = declaration;
    this.module = declaration.module;
    this.self = self;
    this.args = args;
    this.instance = instance;
  }

  lower() {
    const { node } = this.declaration;
    let params = 0;
    node.params.forEach((given, index) => {
      const param = given.type === 'AssignmentPattern' ? given.left : given;
      const value = this.args[index];
      if (value.kind === 'const' && value.value === undefined && given.type === 'AssignmentPattern') {
        this.#bind(param.name, constant(this.lowering.sources.evaluate(this.module, given.right)));
      } else if (this.lowering.isParameter(value)) {
        const local = { kind: 'local', index: params++ };
        this.#bind(param.name, value.kind === 'array' ? { ...value, base: local } : local);
      } else {
        this.#bind(param.name, value);
      }
    });
    this.params = params;
    const isExpression = node.body.type !== 'BlockStatement';
    const body = isExpression ? [this.#returning(node.body)] : this.#block(node.body.body);
    if (this.instance.result !== none) {
      body.push(this.m.unreachable());
    }
    const types = Array.from({ length: params }, () => i32);
    this.m.addFunction(
      this.instance.name,
      binaryen.createType(types),
      this.instance.result,
      this.#locals,
      this.m.block(null, body, this.instance.result === none ? none : i32),
    );
  }

  fail(message, node) {
    return new SubsetError(message, this.module, node);
  }

  #at(node) {
    return { module: this.module, node };
  }

  #bind(name, value) {
    this.#scopes.at(-1).set(name, value);
  }

  #newLocal(type = i32) {
    this.#locals.push(type);
    return { kind: 'local', index: this.params + this.#locals.length - 1 };
  }

  #lookUp(name, node) {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const value = this.#scopes[i].get(name);
      if (value !== undefined) {
        return value;
      }
    }
    if (name === 'undefined') {
      return constant(undefined);
    }
    const found = this.lowering.sources.resolve(this.module, name);
    if (found === undefined) {
      throw this.fail(`${name} is not known`, node);
    }
    return this.#global(found, node);
  }

  /** What a name of a module stands for. */
  #global(found, node) {
    if (found.node.type === 'ClassDeclaration') {
      return { kind: 'class', ...found };
    }
    if (found.node.type === 'FunctionDeclaration') {
      return { kind: 'function', declaration: found };
    }
    const value = this.lowering.sources.constant(found);
    if (value === undefined) {
      return { kind: 'function', declaration: found };
    }
    if (ArrayBuffer.isView(value)) {
      return this.lowering.table(found, value);
    }
    if (typeof value === 'object' && value !== null) {
      return { kind: 'record', value };
    }
    if (typeof value === 'number' || typeof value === 'boolean') {
      return constant(value);
    }
    throw this.fail(`${found.name} is no number`, node);
  }

  /* Statements. */

  #block(statements) {
    this.#scopes.push(new Map());
    const refs = statements.flatMap((each) => this.#statement(each));
    this.#scopes.pop();
    return refs;
  }

  #body(node) {
    return node.type === 'BlockStatement' ? this.#block(node.body) : this.#block([node]);
  }

  #sequence(refs) {
    return refs.length === 1 ? refs[0] : this.m.block(null, refs, none);
  }

  #statement(node) {
    switch (node.type) {
      case 'BlockStatement':
        return this.#block(node.body);
      case 'EmptyStatement':
        return [];
      case 'ExpressionStatement':
        return this.#effect(node.expression);
      case 'VariableDeclaration':
        return node.declarations.flatMap((each) => this.#variable(each, node.kind));
      case 'IfStatement':
        return this.#if(node);
      case 'ForStatement':
        return this.#for(node);
      case 'WhileStatement':
        return this.#for({ init: null, test: node.test, update: null, body: node.body });
      case 'DoWhileStatement':
        return this.#doWhile(node);
      case 'SwitchStatement':
        return this.#switch(node);
      case 'BreakStatement':
      case 'ContinueStatement':
        if (node.label !== null) {
          throw this.fail('labels are not in the subset', node);
        }
        return [this.m.br((node.type === 'BreakStatement' ? this.#breaks : this.#continues).at(-1))];
      case 'ReturnStatement':
        return [node.argument === null ? this.m.return() : this.#returning(node.argument)];
      default:
        throw this.fail(`${node.type} is not in the subset`, node);
    }
  }

  #returning(argument) {
    const value = this.expression(argument);
    if (this.instance.result === none) {
      return this.#sequence(value.ref === undefined ? [this.m.return()] : [value.ref, this.m.return()]);
    }
    return this.m.return(this.#int(value, argument));
  }

  #variable({ id, init }, kind) {
    if (id.type === 'ObjectPattern') {
      const object = this.expression(init);
      const refs = [];
      for (const { key, value } of id.properties) {
        refs.push(...this.#bindValue(value.name, this.#memberOf(object, key.name, init), 'const', init));
      }
      return refs;
    }
    if (init === null) {
      this.#bind(id.name, this.#newLocal());
      return [];
    }
    return this.#bindValue(id.name, this.expression(init), kind, init);
  }

  #bindValue(name, value, kind, node) {
    if (value.kind === 'array' && value.base === undefined && this.lowering.isParameter(value)) {
      const base = this.#newLocal();
      this.#bind(name, { ...value, base });
      return [this.m.local.set(base.index, this.lowering.baseOf(value))];
    }
    if (['object', 'array', 'record'].includes(value.kind) || (kind === 'const' && value.kind === 'const')) {
      this.#bind(name, value);
      return [];
    }
    const local = this.#newLocal();
    this.#bind(name, value.isUnsigned ? { ...local, isUnsigned: true } : local);
    return [this.m.local.set(local.index, this.#int(value, node))];
  }

  #if({ test, consequent, alternate }) {
    const condition = this.expression(test);
    if (condition.kind === 'const') {
      const taken = condition.value ? consequent : alternate;
      return taken === null || taken === undefined ? [] : this.#body(taken);
    }
    const ref = this.#int(condition, test);
    const then = this.m.block(null, this.#body(consequent), none);
    return [
      alternate === null || alternate === undefined
        ? this.m.if(ref, then)
        : this.m.if(ref, then, this.m.block(null, this.#body(alternate), none)),
    ];
  }

  #label(kind) {
    return `${kind}${this.#labels++}`;
  }

  #for({ init, test, update, body }) {
    this.#scopes.push(new Map());
    const before =
      init === null ? [] : init.type === 'VariableDeclaration' ? this.#statement(init) : this.#effect(init);
    const [top, out, next] = ['top', 'out', 'next'].map((each) => this.#label(each));
    this.#breaks.push(out);
    this.#continues.push(next);
    const condition =
      test === null || test === undefined
        ? []
        : [this.m.br(out, this.m.i32.eqz(this.#int(this.expression(test), test)))];
    const inner = this.m.block(next, this.#body(body), none);
    const after = update === null || update === undefined ? [] : this.#effect(update);
    this.#breaks.pop();
    this.#continues.pop();
    this.#scopes.pop();
    const loop = this.m.loop(top, this.m.block(null, [...condition, inner, ...after, this.m.br(top)], none));
    return [...before, this.m.block(out, [loop], none)];
  }

  #doWhile({ test, body }) {
    const [top, out, next] = ['top', 'out', 'next'].map((each) => this.#label(each));
    this.#breaks.push(out);
    this.#continues.push(next);
    const inner = this.m.block(next, this.#body(body), none);
    const condition = this.m.br(top, this.#int(this.expression(test), test));
    this.#breaks.pop();
    this.#continues.pop();
    return [this.m.block(out, [this.m.loop(top, this.m.block(null, [inner, condition], none))], none)];
  }

  /** Cases that end: with return, break, or the end of the switch. Several labels may share a case. */
  #switch({ discriminant, cases }) {
    const chosen = this.#newLocal();
    const out = this.#label('out');
    this.#breaks.push(out);
    const refs = [this.m.local.set(chosen.index, this.#int(this.expression(discriminant), discriminant))];
    let labels = [];
    for (const [index, { test, consequent }] of cases.entries()) {
      labels.push(test);
      if (consequent.length > 0) {
        const isLast = index === cases.length - 1;
        if (!isLast && (labels.includes(null) || !ENDS.has(consequent.at(-1).type))) {
          throw this.fail('a case must end with return or break, and default must be the last one', consequent[0]);
        }
        const body = this.m.block(null, [...this.#block(consequent), this.m.br(out)], none);
        refs.push(labels.includes(null) ? body : this.m.if(this.#isAny(chosen, labels), body));
        labels = [];
      }
    }
    this.#breaks.pop();
    return [this.m.block(out, refs, none)];
  }

  #isAny(chosen, labels) {
    return labels
      .map((each) => this.m.i32.eq(this.m.local.get(chosen.index, i32), this.#int(this.expression(each), each)))
      .reduce((all, each) => this.m.i32.or(all, each));
  }

  /** An expression for what it does. */
  #effect(given) {
    const node = bare(given);
    switch (node.type) {
      case 'AssignmentExpression':
        return this.#assign(node);
      case 'UpdateExpression':
        return this.#write(bare(node.argument), node.operator === '++' ? '+' : '-', constant(1), node);
      case 'CallExpression': {
        const value = this.expression(node);
        if (value.kind === 'void') {
          return value.ref === undefined ? [] : [value.ref];
        }
        return value.kind === 'int' ? [this.m.drop(value.ref)] : [];
      }
      default:
        throw this.fail(`${node.type} as a statement is not in the subset`, node);
    }
  }

  #assign({ left, operator, right }) {
    return this.#write(bare(left), operator === '=' ? undefined : operator.slice(0, -1), right, left);
  }

  /** @param operator of `target operator= right`; undefined: a plain assignment */
  #write(target, operator, right, node) {
    if (target.type === 'Identifier') {
      const local = this.#lookUp(target.name, target);
      if (local.kind !== 'local') {
        throw this.fail(`${target.name} cannot be assigned to`, target);
      }
      const value = right.kind === 'const' ? right : this.expression(right);
      const result = operator === undefined ? value : this.#binary(operator, local, value, node);
      return [this.m.local.set(local.index, this.#int(result, node))];
    }
    if (target.type !== 'MemberExpression' || !target.computed) {
      throw this.fail('only variables and elements of arrays can be assigned to', target);
    }
    return this.#writeElement(target, operator, right, node);
  }

  #writeElement(target, operator, right, node) {
    const array = this.expression(target.object);
    const index = this.#indexOf(target.property);
    if (array.kind !== 'array') {
      throw this.fail('not an array', target);
    }
    if (operator === undefined) {
      const { offset, ref } = this.lowering.address(array, index, this.#at(target));
      const value = this.expression(right);
      return [this.#store(array, offset, ref, this.#int(value, node))];
    }
    const address = this.#newLocal();
    const { offset, ref } = this.lowering.address(array, index, this.#at(target));
    const value = right.kind === 'const' ? right : this.expression(right);
    const set = this.m.local.set(address.index, ref);
    const get = () => this.m.local.get(address.index, i32);
    if (array.element === 'f64') {
      const sum = this.m.f64[operator === '+' ? 'add' : 'sub'](
        this.m.f64.load(offset, 8, get()),
        this.m.f64.convert_s.i32(this.#int(value, node)),
      );
      return [set, this.m.f64.store(offset, 8, get(), sum)];
    }
    const result = this.#binary(operator, int(this.#load(array, offset, get())), value, node);
    return [set, this.#store(array, offset, get(), this.#int(result, node))];
  }

  #load({ element }, offset, ref) {
    return element === 'u8' ? this.m.i32.load8_u(offset, 1, ref) : this.m.i32.load(offset, 4, ref);
  }

  #store({ element }, offset, ref, value) {
    return element === 'u8' ? this.m.i32.store8(offset, 1, ref, value) : this.m.i32.store(offset, 4, ref, value);
  }

  /* Expressions. */

  #int(value, node) {
    return this.lowering.ref(value, this.#at(node));
  }

  expression(given) {
    const node = bare(given);
    switch (node.type) {
      case 'Literal':
        return constant(node.value);
      case 'Identifier':
        return this.#lookUp(node.name, node);
      case 'ThisExpression':
        return this.self;
      case 'MemberExpression':
        return this.#member(node);
      case 'CallExpression':
        return this.#call(node);
      case 'UnaryExpression':
        return this.#unary(node);
      case 'BinaryExpression':
        return this.#binary(node.operator, this.expression(node.left), this.expression(node.right), node);
      case 'LogicalExpression':
        return this.#logical(node);
      case 'ConditionalExpression':
        return this.#conditional(node);
      default:
        throw this.fail(`${node.type} is not in the subset`, node);
    }
  }

  #member(node) {
    if (!node.computed) {
      return this.#memberOf(this.expression(node.object), node.property.name, node);
    }
    const array = this.expression(node.object);
    if (array.kind !== 'array') {
      throw this.fail('not an array', node);
    }
    if (array.element === 'f64') {
      throw this.fail('floats can be added to, and not be read', node);
    }
    const { offset, ref } = this.lowering.address(array, this.#indexOf(node.property), this.#at(node));
    return int(this.#load(array, offset, ref));
  }

  /** An index, with the constants that are added to it apart. */
  #indexOf(given) {
    const node = bare(given);
    if (node.type === 'BinaryExpression' && node.operator === '+') {
      const right = this.#indexOf(node.right);
      if (right.kind === 'const' && right.value >= 0) {
        const left = this.#indexOf(node.left);
        if (left.kind === 'const') {
          return constant(left.value + right.value);
        }
        const { offset = 0 } = left;
        return { ...int(left.kind === 'int' ? left.ref : this.#int(left, node)), offset: offset + right.value };
      }
      const left = this.#indexOf(node.left);
      const sum = { offset: (left.offset ?? 0) + (right.offset ?? 0) };
      return { ...int(this.m.i32.add(this.#int(left, node), this.#int(right, node))), ...sum };
    }
    return this.expression(node);
  }

  #memberOf(object, name, node) {
    if (object.kind === 'record') {
      const value = object.value[name];
      if (typeof value !== 'number') {
        throw this.fail(`no constant ${name}`, node);
      }
      return constant(value);
    }
    if (object.kind !== 'object') {
      throw this.fail(`.${name} of a ${object.kind}`, node);
    }
    return this.lowering.member(object, name, this.#at(node));
  }

  #call(node) {
    const callee = bare(node.callee);
    if (callee.type === 'MemberExpression') {
      return this.#callMember(callee, node);
    }
    const target = this.#lookUp(callee.name, callee);
    if (target.kind !== 'function') {
      throw this.fail(`${callee.name} is no function`, node);
    }
    if (ACCESS.test(target.declaration.module.path)) {
      const access = this.#access(target.declaration.name, node);
      if (access !== undefined) {
        return access;
      }
    }
    const args = node.arguments.map((each) => this.expression(each));
    return this.#callFunction(target.declaration, undefined, args, node);
  }

  #callFunction(found, self, args, node) {
    const isDeclaration = found.node.type === 'FunctionDeclaration' || found.node.type === 'VariableDeclarator';
    const declaration =
      isDeclaration && !this.lowering.options.outside.has(found.name)
        ? this.lowering.functionOf(found)
        : { ...found, node: found.node };
    return this.lowering.call(declaration, self, args, this.#at(node));
  }

  #callMember(callee, node) {
    if (callee.object.name === 'Math') {
      return this.#math(callee.property.name, node);
    }
    const object = this.expression(callee.object);
    const { name } = callee.property;
    const found =
      object.kind === 'class' ? this.lowering.staticMethod(object, name) : this.lowering.method(object, name);
    if (found === undefined) {
      throw this.fail(`no method ${name}`, node);
    }
    const args = node.arguments.map((each) => this.expression(each));
    return this.lowering.call(found, object.kind === 'class' ? undefined : object, args, this.#at(node));
  }

  /** An access of the seam: one instruction. @returns undefined for what needs the system: waiting */
  #access(name, node) {
    const { m } = this;
    const [words, index, ...rest] = node.arguments;
    const element = () => this.lowering.address(this.expression(words), this.#indexOf(index), this.#at(node));
    const value = (position) => this.#int(this.expression(rest[position]), node);
    switch (name) {
      case 'load': {
        const { offset, ref } = element();
        return int(m.i32.atomic.load(offset, ref));
      }
      case 'store': {
        const { offset, ref } = element();
        return { ...VOID, ref: m.i32.atomic.store(offset, ref, value(0)) };
      }
      case 'peek': {
        const { offset, ref } = element();
        return int(m.i32.load(offset, 4, ref));
      }
      case 'poke': {
        const { offset, ref } = element();
        return { ...VOID, ref: m.i32.store(offset, 4, ref, value(0)) };
      }
      case 'compareExchange': {
        const { offset, ref } = element();
        return int(m.i32.atomic.rmw.cmpxchg(offset, ref, value(0), value(1)));
      }
      case 'exchange':
      case 'add':
      case 'or': {
        const { offset, ref } = element();
        return int(m.i32.atomic.rmw[name === 'exchange' ? 'xchg' : name](offset, ref, value(0)));
      }
      default:
        return undefined;
    }
  }

  #math(name, node) {
    const [a, b] = node.arguments.map((each) => this.expression(each));
    if (name === 'imul') {
      return int(this.m.i32.mul(this.#int(a, node), this.#int(b, node)));
    }
    if (name !== 'max' && name !== 'min') {
      throw this.fail(`Math.${name} is not in the subset`, node);
    }
    const [left, right] = [this.#newLocal(), this.#newLocal()];
    const get = ({ index }) => this.m.local.get(index, i32);
    const isLeft = this.m.i32[name === 'max' ? 'gt_s' : 'lt_s'](get(left), get(right));
    return int(
      this.m.block(
        null,
        [
          this.m.local.set(left.index, this.#int(a, node)),
          this.m.local.set(right.index, this.#int(b, node)),
          this.m.select(isLeft, get(left), get(right)),
        ],
        i32,
      ),
    );
  }

  #unary({ operator, argument }) {
    const value = this.expression(argument);
    if (value.kind === 'const') {
      return constant(unary(operator, value.value));
    }
    const ref = this.#int(value, argument);
    switch (operator) {
      case '!':
        return int(this.m.i32.eqz(ref));
      case '~':
        return int(this.m.i32.xor(ref, this.m.i32.const(-1)));
      case '-':
        return int(this.m.i32.sub(this.m.i32.const(0), ref));
      default:
        throw this.fail(`${operator} is not in the subset`, argument);
    }
  }

  #binary(operator, left, right, node) {
    if (left.kind === 'const' && right.kind === 'const') {
      return constant(binary(operator, left.value, right.value));
    }
    if (operator in COMPARISONS) {
      return this.#compare(operator, left, right, node);
    }
    if (!(operator in ARITHMETIC)) {
      throw this.fail(`${operator} is not in the subset`, node);
    }
    if ((left.isUnsigned || right.isUnsigned) && ['+', '-', '*'].includes(operator)) {
      throw this.fail('a number of 32 bits without sign: arithmetic would lose its top bit', node);
    }
    /* x >>> n is 31 bits at most, unless n is 0. */
    const isUnsigned = operator === '>>>' && right.kind === 'const' && right.value === 0;
    return int(this.m.i32[ARITHMETIC[operator]](this.#int(left, node), this.#int(right, node)), isUnsigned);
  }

  #compare(operator, left, right, node) {
    const isUnsigned = left.isUnsigned === true || right.isUnsigned === true;
    const isFine = (value) => value.isUnsigned === true || (value.kind === 'const' && value.value >= 0);
    if (isUnsigned && !(isFine(left) && isFine(right))) {
      throw this.fail('a number with sign compared with one without', node);
    }
    if ((left.kind === 'const' && left.value == null) || (right.kind === 'const' && right.value == null)) {
      /* An object, array or number: it is not null. */
      return constant(operator === '!==');
    }
    return int(this.m.i32[COMPARISONS[operator][isUnsigned ? 1 : 0]](this.#int(left, node), this.#int(right, node)));
  }

  /** Of booleans. */
  #logical({ operator, left, right }) {
    const first = this.expression(left);
    if (operator === '??') {
      throw this.fail('?? is not in the subset', left);
    }
    if (first.kind === 'const') {
      return Boolean(first.value) === (operator === '&&') ? this.expression(right) : first;
    }
    const ref = this.#int(first, left);
    const second = this.expression(right);
    if (second.kind === 'const' && Boolean(second.value) === (operator === '&&')) {
      return int(ref);
    }
    const other = this.#int(second, right);
    return int(
      operator === '&&' ? this.m.if(ref, other, this.m.i32.const(0)) : this.m.if(ref, this.m.i32.const(1), other),
    );
  }

  #conditional({ test, consequent, alternate }) {
    const condition = this.expression(test);
    if (condition.kind === 'const') {
      return this.expression(condition.value ? consequent : alternate);
    }
    const ref = this.#int(condition, test);
    return int(
      this.m.if(
        ref,
        this.#int(this.expression(consequent), consequent),
        this.#int(this.expression(alternate), alternate),
      ),
    );
  }
}

/**
 * Rewrites the compiled packet path so that each access to an element of an array is noted. The sources stay as they are: only a
 * copy of the built chunk changes.
 *
 *   words[i]                   ->   $get(words, i)
 *   words[i] = v               ->   $set(words, i, v)
 *   words[i] += v              ->   $modify(words, i, ($old) => $old + (v))
 *   words[i]++                 ->   $step(words, i, 1, true)
 *   Atomics.load(words, i)     ->   $atomics.load(words, i)
 *   words.fill(0, from, to)    ->   $call(words, 'fill', 0, from, to)
 *
 * In `peek` and `poke` of the access seam the first two are `$peek` and `$poke`. Which of the arrays are shared memory is decided
 * when the code runs (recorder.ts). The marks of the stages (stages.ts) go into conntrackExecute.
 *
 * acorn and magic-string are there in a clone of the repository only, as in scripts/packet-path.mjs.
 */

import type { CallExpression, MemberExpression, Node, Program } from 'acorn';
import type MagicString from 'magic-string';
import { UsageError } from '../../src/core/errors.ts';
import { markStages } from './stages.ts';

/** Methods of typed arrays that read or write many elements. */
const BULK = new Set(['fill', 'set', 'copyWithin', 'slice']);

/** What the rewritten code calls. `globalThis.ctBucketCount` belongs to recorder.ts. */
const PRELUDE = `const $count = (globalThis.ctBucketCount = { note: undefined, noteRange: undefined, stage: 0, packet: -1 });
const $note = (kind, array, index) => { if ($count.note !== undefined) $count.note(kind, array, index); };
const $get = (array, index) => { $note('read', array, index); return array[index]; };
const $peek = (array, index) => { $note('peek', array, index); return array[index]; };
const $set = (array, index, value) => { $note('write', array, index); return (array[index] = value); };
const $poke = (array, index, value) => { $note('poke', array, index); return (array[index] = value); };
const $modify = (array, index, change) => $set(array, index, change($get(array, index)));
const $step = (array, index, by, isPostfix) => {
  const before = $get(array, index);
  const after = $set(array, index, before + by);
  return isPostfix ? before : after;
};
const $atomics = new Proxy(Atomics, {
  get: (target, name) => (array, index, ...rest) => { $note(name, array, index); return target[name](array, index, ...rest); },
});
const $call = (array, name, ...args) => {
  if ($count.noteRange !== undefined) $count.noteRange(array, name, args);
  return array[name](...args);
};
`;

type AnyNode = Node & Record<string, unknown>;

/** The node, those that contain it, and the name of the module's variable that it defines. */
interface Place {
  parent: AnyNode | undefined;
  variable: string | undefined;
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flat()
    .filter((value): value is AnyNode => typeof (value as AnyNode | null)?.type === 'string');
}

class Rewriter {
  readonly #edits: MagicString;
  readonly #text: string;
  /** Members that another rule has rewritten, or that are no plain access. */
  readonly #done = new Set<Node>();

  constructor(text: string, edits: MagicString) {
    this.#text = text;
    this.#edits = edits;
  }

  /** From outside to inside: of two insertions at one place, the outer comes first. */
  visit(node: AnyNode, place: Place): void {
    this.#rewrite(node, place);
    const isVariable = node.type === 'VariableDeclarator' && place.variable === undefined;
    const variable = isVariable ? (node['id'] as { name?: string }).name : place.variable;
    for (const child of childrenOf(node)) {
      this.visit(child, { parent: node, variable });
    }
  }

  #rewrite(node: AnyNode, { parent, variable }: Place): void {
    const seam = /^(peek|poke)(\$\d+)?$/.exec(variable ?? '')?.[1];
    switch (node.type) {
      case 'ChainExpression':
        this.#skipChain(node['expression'] as AnyNode);
        break;
      case 'CallExpression':
        this.#call(node as unknown as CallExpression);
        break;
      case 'AssignmentExpression':
        this.#assignment(node, seam === 'poke' ? '$poke' : '$set');
        break;
      case 'UpdateExpression':
        this.#update(node);
        break;
      case 'MemberExpression':
        this.#member(node as unknown as MemberExpression, parent, seam === 'peek' ? '$peek' : '$get');
        break;
      default:
    }
  }

  /** In `a?.b[i]` the access may not happen. Arrays of the packet path are never optional. */
  #skipChain(node: AnyNode): void {
    for (let each: AnyNode | undefined = node; each !== undefined; ) {
      this.#done.add(each);
      each = (each['object'] ?? each['callee']) as AnyNode | undefined;
    }
  }

  #isElement(node: Node): node is MemberExpression {
    const { type, computed, property } = node as MemberExpression;
    const isName = property?.type === 'Literal' && typeof property.value === 'string';
    return type === 'MemberExpression' && computed && !isName && !this.#done.has(node);
  }

  /** Replaces `[` by a comma, and `]` by what follows. */
  #open({ start, end, object, property }: MemberExpression, by: string, close: string): void {
    const bracket = this.#text.indexOf('[', object.end);
    this.#edits.appendRight(start, `${by}(`);
    this.#edits.update(bracket, bracket + 1, property.type === 'SequenceExpression' ? ', (' : ', ');
    this.#edits.update(end - 1, end, property.type === 'SequenceExpression' ? `)${close}` : close);
  }

  #member(node: MemberExpression, parent: AnyNode | undefined, by: string): void {
    if (!this.#isElement(node)) {
      return;
    }
    const isCalled = parent?.type === 'CallExpression' && parent['callee'] === node;
    const isDeleted = parent?.type === 'UnaryExpression' && parent['operator'] === 'delete';
    if (isCalled || isDeleted || node.object.type === 'Super') {
      return;
    }
    if (/Pattern$|^For(Of|In)Statement$|^RestElement$/.test(parent?.type ?? '') && parent?.['right'] !== node) {
      throw new Error(`the counters do not know this way to write to an array: ${this.#line(node)}`);
    }
    this.#open(node, by, ')');
  }

  #assignment(node: AnyNode, by: string): void {
    const { left, right, operator } = node as unknown as { left: Node; right: Node; operator: string };
    if (!this.#isElement(left)) {
      return;
    }
    if (/^(\?\?|\|\||&&)=$/.test(operator)) {
      throw new Error(`the counters do not know ${operator} on an array: ${this.#line(node)}`);
    }
    this.#done.add(left);
    const at = this.#text.indexOf(operator, left.end);
    if (at < 0 || at >= right.start) {
      throw new Error(`no ${operator} found in: ${this.#line(node)}`);
    }
    const isPlain = operator === '=';
    this.#open(left, isPlain ? by : '$modify', '');
    this.#edits.update(at, at + operator.length, isPlain ? ',' : `, ($old) => $old ${operator.slice(0, -1)} (`);
    this.#edits.appendLeft(node.end, isPlain ? ')' : '))');
  }

  #update(node: AnyNode): void {
    const { argument, operator, prefix } = node as unknown as { argument: Node; operator: string; prefix: boolean };
    if (!this.#isElement(argument)) {
      return;
    }
    this.#done.add(argument);
    const at = prefix ? node.start : node.end - operator.length;
    this.#edits.update(at, at + operator.length, '');
    this.#open(argument, '$step', `, ${operator === '++' ? 1 : -1}, ${!prefix})`);
  }

  #call({ callee, arguments: given, optional }: CallExpression): void {
    if (callee.type !== 'MemberExpression' || callee.computed || optional || this.#done.has(callee)) {
      return;
    }
    const { object, property } = callee as MemberExpression;
    const name = (property as { name?: string }).name ?? '';
    if (object.type === 'Identifier' && object.name === 'Atomics') {
      this.#edits.update(object.start, object.end, '$atomics');
    } else if (BULK.has(name) && object.type !== 'Super' && given.length > 0) {
      const open = this.#text.indexOf('(', callee.end);
      this.#edits.appendRight(callee.start, '$call(');
      this.#edits.update(object.end + this.#text.slice(object.end).indexOf('.'), callee.end, `, '${name}'`);
      this.#edits.update(open, open + 1, ', ');
    }
  }

  #line({ start }: Node): string {
    return this.#text.slice(start, this.#text.indexOf('\n', start)).trim();
  }
}

async function load<Module>(name: string): Promise<Module> {
  try {
    return (await import(name)) as Module;
  } catch {
    throw new UsageError(
      `bench count rewrites the compiled packet path with ${name}, which is not installed: run it in a clone of the repository, after npm ci`,
    );
  }
}

/** @param text the built chunk with the packet path @throws UsageError without the packages that parse it */
export async function instrumented(text: string): Promise<string> {
  const { parse } = await load<typeof import('acorn')>('acorn');
  const { default: Edits } = await load<typeof import('magic-string')>('magic-string');
  const program: Program = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
  const edits = new Edits(text);
  markStages(program, edits);
  const rewriter = new Rewriter(text, edits);
  for (const statement of program.body) {
    rewriter.visit(statement as unknown as AnyNode, { parent: undefined, variable: undefined });
  }
  return `${PRELUDE}${edits.toString()}`;
}

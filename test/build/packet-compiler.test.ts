/** The compiler of the packet module, on small sources. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Lowering, type RootArgument } from '../../scripts/packet-module/lower.mjs';
import { Sources } from '../../scripts/packet-module/sources.mjs';
import { webAssembly } from '../../src/core/memory/web-assembly.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-compiler-'));
afterAll(() => rmSync(folder, { recursive: true }));

const THREAD = `
export class Thread {
  readonly words: Int32Array;
  readonly counters: Float64Array;
  readonly base: number;
  changing: number = 0;
  readonly #hidden: number;
}
`;

interface Built {
  run: (...args: number[]) => number;
  words: Int32Array;
  counters: Float64Array;
  calls: number[][];
}

/** Compiles `run` of a source, whose first parameter is the thread, and binds it to a thread with its array at word 0. */
function build(source: string, options: { outside?: string[]; numbers?: number } = {}): Built {
  const { outside = [], numbers = 2 } = options;
  const path = join(folder, `${Math.abs(hash(source))}.ts`);
  writeFileSync(path, THREAD + source);
  const sources = new Sources({ root: folder, exportsOf: () => ({}) });
  const module = sources.module(path);
  const lowering = new Lowering(sources, {
    outside: new Set(outside),
    known: { 'thread.isOff': false },
    perCall: [],
    classes: {},
    isWholeMemory: (name) => name === 'tracker.words',
  });
  lowering.importMemory({ initialPages: 1, maximumPages: 1 });
  const thread: RootArgument = { kind: 'object', path: 'tracker', type: sources.resolve(module, 'Thread') };
  const rest = Array.from({ length: numbers }, (): RootArgument => ({ kind: 'runtime' }));
  lowering.addRoot(sources.resolve(module, 'run'), [thread, ...rest], 'run');
  const bytes = lowering.emit();
  const memory = new webAssembly!.Memory({ initial: 1, maximum: 1, shared: true });
  const values: Record<string, number> = { 'number:tracker.base': 100, 'array:tracker.counters': 4096 };
  const calls: number[][] = [];
  const instance = new webAssembly!.Instance(new webAssembly!.Module(bytes), {
    host: { memory },
    numbers: Object.fromEntries(lowering.needs.globals.map(({ id }) => [id, values[id]!])),
    calls: Object.fromEntries(
      lowering.needs.functions.map(({ id }) => [
        id,
        (...args: number[]) => {
          calls.push(args);
          return 7;
        },
      ]),
    ),
  });
  return {
    run: instance.exports['run'] as Built['run'],
    words: new Int32Array(memory.buffer),
    counters: new Float64Array(memory.buffer, 4096, 8),
    calls,
  };
}

function hash(text: string): number {
  return Array.from(text).reduce((sum, each) => (Math.imul(sum, 31) + each.charCodeAt(0)) | 0, 0);
}

/** As build, of a body with the parameters a and b. */
function body(text: string): Built['run'] {
  return build(`export function run(thread: Thread, a: number, b: number): number {\n${text}\n}`).run;
}

describe('the compiler of the packet module', () => {
  it.each([
    ['numbers', 'return (a + b * 3 - (a >>> 1)) | 0;', (a: number, b: number) => (a + b * 3 - (a >>> 1)) | 0],
    ['a choice', 'return a < b ? a : b;', Math.min],
    ['a maximum', 'return Math.max(a, b);', Math.max],
    ['booleans', 'return a > 1 && b > 1 || a === b ? 1 : 0;', (a, b) => ((a > 1 && b > 1) || a === b ? 1 : 0)],
    [
      'loops with break and continue',
      'let sum = 0; for (let i = 0; i < 10; i++) { if (i === a) { continue; } if (i === b) { break; } sum += i; } return sum;',
      (a, b) => {
        let sum = 0;
        for (let i = 0; i < 10; i++) {
          if (i === a) continue;
          if (i === b) break;
          sum += i;
        }
        return sum;
      },
    ],
    [
      'a loop that tests at its end',
      'let n = 0; do { n++; a -= b; } while (a > 0); return n;',
      (a, b) => {
        let n = 0;
        do {
          n++;
          a -= b;
        } while (a > 0);
        return n;
      },
    ],
    [
      'a switch',
      'let r = 0; switch (a) { case 1: case 2: r = 10; break; case 3: return 5; default: r = b; } return r;',
      (a, b) => (a === 1 || a === 2 ? 10 : a === 3 ? 5 : b),
    ],
    ['numbers without sign', 'return a >>> 0 < b >>> 0 ? 1 : 0;', (a, b) => (a >>> 0 < b >>> 0 ? 1 : 0)],
  ] as [string, string, (a: number, b: number) => number][])(
    'gives %s the meaning of JavaScript',
    (_, text, meaning) => {
      const run = body(text);
      for (const a of [0, 1, 2, 3, 7, -1, -5]) {
        for (const b of [1, 2, 5, 100, -3].filter((each) => !text.includes('do') || each > 0)) {
          expect(run(a, b), `${a}, ${b}`).toBe(meaning(a, b));
        }
      }
    },
  );

  it('reads and writes the arrays of objects, and counts in floats', () => {
    const { run, words, counters } = build(`
      function put(words: Int32Array, at: number, value: number): void { words[at] = value; }
      export function run(thread: Thread, a: number, b: number): number {
        const { words, counters } = thread;
        put(words, thread.base + a + 2, b);
        counters[1]! += b;
        counters[1]!++;
        return words[thread.base + a + 2]!;
      }`);
    expect(run(3, 42)).toBe(42);
    expect([words[105], counters[1]]).toEqual([42, 43]);
  });

  it('calls functions that stay in JavaScript with the numbers among their arguments', () => {
    const { run, calls } = build(
      `function rare(thread: Thread, a: number, isRare: boolean): number { return a / 2; }
       export function run(thread: Thread, a: number, b: number): number { return a > b ? rare(thread, a, true) : 0; }`,
      { outside: ['rare'] },
    );
    expect([run(1, 2), run(9, 2), calls]).toEqual([0, 7, [[9]]]);
  });

  it.each([
    ['a division', 'return a / b;', '/ is not in the subset'],
    ['a field that may change', 'return thread.changing;', 'readonly fields only'],
    ['a private field', 'return thread.hidden;', 'cannot be read from outside'],
    ['a method that it does not know', 'return thread.missing(a);', 'no method missing'],
    ['a sum of numbers without sign', 'return (a >>> 0) - (b >>> 0);', 'would lose its top bit'],
    ['a comparison of signs', 'return a >>> 0 < b ? 1 : 0;', 'a number with sign compared with one without'],
    ['a float that is read', 'return thread.counters[0]!;', 'floats can be added to'],
    ['a case that falls through', 'switch (a) { case 1: b = 2; case 2: b = 3; } return b;', 'a case must end with'],
    ['a label', 'out: for (;;) { break out; } return a;', 'is not in the subset'],
    ['an exception', 'throw new Error();', 'ThrowStatement is not in the subset'],
    ['a name from nowhere', 'return a + nowhere;', 'nowhere is not known'],
  ])('refuses %s, and says where it stands', (_, text, message) => {
    const place = new RegExp(`^\\d+\\.ts:\\d+: .*${message}`);
    expect(() => body(text)).toThrow(place);
  });
});

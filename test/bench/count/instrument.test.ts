/** The rewritten packet path computes the same as before, and reports each access to an element of an array. */

import { describe, expect, it } from 'vitest';
import { instrumented } from '../../../bench/count/instrument.ts';

/** The least that the rewriting expects of a packet path. */
const EXECUTE = `
const parseAndHash = () => {}; const touchLines = () => {}; const touchRecords = () => {}; const judgePacket = () => {};
const judgeBatch = function (tracker, count) {
  touchLines();
  touchRecords();
  for (let i = 0; i < count; i++) {
    judgePacket();
  }
};
const conntrackExecute = function (tracker, batch) {
  let count = 2;
  parseAndHash();
  judgeBatch(tracker, count);
  return count;
};
`;

type Note = [kind: string, index: number];

/** Runs `body` on the array [10, 20, 30, 40], with and without the rewriting. */
async function ran(body: string): Promise<{ notes: Note[]; result: unknown; plain: unknown; array: number[] }> {
  const code = await instrumented(`${EXECUTE}const run = function (a, self) { ${body} };`);
  const rewritten = new Function(`${code}; return run;`)() as (a: Int32Array, self: object) => unknown;
  const original = new Function('a', 'self', body) as typeof rewritten;
  const notes: Note[] = [];
  const array = Int32Array.of(10, 20, 30, 40);
  const hooks = (globalThis as unknown as { ctBucketCount: { note: unknown } }).ctBucketCount;
  hooks.note = (kind: string, of: unknown, index: number) => {
    if (of === array) {
      notes.push([kind, index]);
    }
  };
  const result = rewritten(array, { a: array, i: 1 });
  const other = Int32Array.of(10, 20, 30, 40);
  const plain = original(other, { a: other, i: 1 });
  expect([...array]).toEqual([...other]);
  return { notes, result, plain, array: [...array] };
}

describe('the rewritten packet path', () => {
  it.each<[what: string, body: string, notes: Note[]]>([
    ['a read', 'return a[2] + 1', [['read', 2]]],
    ['a write', 'return (a[1] = 7)', [['write', 1]]],
    [
      'a read as an index',
      'a[0] = 3; return a[a[0]]',
      [
        ['write', 0],
        ['read', 0],
        ['read', 3],
      ],
    ],
    [
      'a write of a read',
      'a[0] = a[3]; return 0',
      [
        ['read', 3],
        ['write', 0],
      ],
    ],
    [
      'writes in one another',
      'return (a[0] = a[1] = a[2])',
      [
        ['read', 2],
        ['write', 1],
        ['write', 0],
      ],
    ],
    [
      'a sum',
      'a[1] += a[2] * 2; return 0',
      [
        ['read', 1],
        ['read', 2],
        ['write', 1],
      ],
    ],
    [
      'an exclusive or',
      'a[1] ^= (a[2], 5); return 0',
      [
        ['read', 1],
        ['read', 2],
        ['write', 1],
      ],
    ],
    [
      'a postfix step',
      'return a[1]++',
      [
        ['read', 1],
        ['write', 1],
      ],
    ],
    [
      'a prefix step',
      'return --a[1]',
      [
        ['read', 1],
        ['write', 1],
      ],
    ],
    ['an access through members', 'return self.a[self.i + 1]', [['read', 2]]],
    ['an array in parentheses', 'return (self.b ?? self.a)[3]', [['read', 3]]],
    ['an index of two expressions', 'return a[self.i, 2]', [['read', 2]]],
    ['an atomic operation', 'return Atomics.compareExchange(a, 3, 40, 1)', [['compareExchange', 3]]],
    [
      'a function',
      'return [1, 2].map((i) => a[i])',
      [
        ['read', 1],
        ['read', 2],
      ],
    ],
  ])('computes the same with %s, and reports it', async (_what, body, notes) => {
    const run = await ran(body);
    expect(run.result).toEqual(run.plain);
    expect(run.notes).toEqual(notes);
  });

  it('tells reads and writes through the access seam from others', async () => {
    const run = await ran(`
      return inner();
      function inner() { const peek = 0; return a[0] + peek; }`);
    expect(run.notes).toEqual([['read', 0]]);
    const code = await instrumented(`${EXECUTE}
      const peek = (words, index) => words[index];
      const poke = (words, index, value) => { words[index] = value; };`);
    expect(code).toContain('const peek = (words, index) => $peek(words, index)');
    expect(code).toMatch(/const poke = .*\$poke\(words, index/);
  });

  it('refuses a form of access that it does not know', async () => {
    await expect(ran('[a[0]] = [1]')).rejects.toThrow(/do not know/);
    await expect(ran('a[0] ||= 1')).rejects.toThrow(/do not know/);
  });

  it('refuses a packet path without a stage', async () => {
    await expect(instrumented(EXECUTE.replace('touchLines();', ''))).rejects.toThrow(/no touchLines any more/);
    await expect(instrumented('const other = 1;')).rejects.toThrow(/no function conntrackExecute/);
  });
});

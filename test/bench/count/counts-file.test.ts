/** The committed file of counts: a counter that became worse is named, and accepted only with a reason. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareCounts, readCounts, updatedCounts } from '../../../bench/count/counts-file.ts';
import { changeLine, type CountsByWork, type Gate } from '../../../bench/count/gate.ts';
import { jsonText } from '../../../src/host/output-files.ts';

function works(counts: Gate): CountsByWork {
  return { insert: { 'udp-insert': { packets: 1000, counts } } };
}

const BEFORE = works({ 'operations.load': 1000, 'misses.record line 1': 500, bytes: 0 });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-counts-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function written(text: string): string {
  const path = join(folder, 'counts.json');
  writeFileSync(path, text);
  return path;
}

describe('the file of counts', () => {
  it('reads what it writes', () => {
    const file = updatedCounts(undefined, BEFORE, undefined);
    expect(readCounts(written(jsonText(file)))).toEqual(file);
  });

  it('holds a line for each counter', () => {
    const text = jsonText(updatedCounts(undefined, BEFORE, undefined));
    expect(text.split('\n').filter((line) => line.includes('misses.record line 1'))).toHaveLength(1);
  });

  it.each([
    ['a folder without the file', () => join(folder, 'none.json'), /cannot be read/],
    ['text that is no JSON', () => written('{'), /is no JSON/],
    [
      'other JSON',
      () => written('{"format":"ct-bucket counts 1","accepted":[],"works":{"a":{"b":{"packets":-1}}}}'),
      /works\.a\.b/,
    ],
  ])('refuses %s in one line', (_what, path, says) => {
    expect(() => readCounts(path())).toThrow(says);
  });
});

describe('a comparison of counts', () => {
  it('names nothing if both are equal', () => {
    expect(compareCounts(BEFORE, BEFORE)).toEqual({ worse: [], better: [], missing: [] });
  });

  it('names a counter that became worse by one, with before and after', () => {
    const { worse } = compareCounts(BEFORE, works({ 'operations.load': 1001, 'misses.record line 1': 500, bytes: 0 }));
    expect(worse.map(changeLine)).toEqual([
      'insert: udp-insert: operations.load: 1.001 a packet, before 1 (1001 in 1000 packets, before 1000)',
    ]);
  });

  it('takes a counter that one side does not have as 0', () => {
    const { worse, better } = compareCounts(BEFORE, works({ 'operations.load': 1000, 'misses.slab': 3, bytes: 0 }));
    expect(worse).toMatchObject([{ counter: 'insert: udp-insert: misses.slab', before: 0, after: 3 }]);
    expect(better).toMatchObject([{ counter: 'insert: udp-insert: misses.record line 1', before: 500, after: 0 }]);
  });

  it('names works that only one side has', () => {
    expect(compareCounts(BEFORE, {}).missing).toEqual(['insert: udp-insert of 1000 packets']);
    expect(compareCounts({}, BEFORE).missing).toEqual(['insert: udp-insert of 1000 packets']);
  });
});

describe('a comparison with other packets', () => {
  it('compares nothing, and names both sides', () => {
    const more = { insert: { 'udp-insert': { packets: 2000, counts: { 'operations.load': 5000, bytes: 0 } } } };
    expect(compareCounts(BEFORE, more)).toEqual({
      worse: [],
      better: [],
      missing: ['insert: udp-insert of 1000 packets', 'insert: udp-insert of 2000 packets'],
    });
  });
});

describe('a comparison of instructions', () => {
  const withInstructions = (node: string, count: number): CountsByWork => ({
    insert: { 'udp-insert': { packets: 1000, counts: { bytes: 0 }, instructions: { [node]: count } } },
  });
  const before = withInstructions('20', 2000);

  it('allows 1 % in both directions', () => {
    expect(compareCounts(before, withInstructions('20', 2019))).toMatchObject({ worse: [], better: [] });
    expect(compareCounts(before, withInstructions('20', 1981))).toMatchObject({ worse: [], better: [] });
  });

  it('names more, by packet', () => {
    expect(compareCounts(before, withInstructions('20', 2030)).worse.map(changeLine)).toEqual([
      'insert: udp-insert: instructions, Node 20: 2030 a packet, before 2000',
    ]);
    expect(compareCounts(before, withInstructions('20', 1970)).better).toHaveLength(1);
  });

  it('compares the same version of Node only, and keeps those of others', () => {
    const other = withInstructions('24', 2900);
    expect(compareCounts(before, other)).toEqual({ worse: [], better: [], missing: [] });
    const { works } = updatedCounts(updatedCounts(undefined, before, undefined), other, undefined);
    expect(works['insert']!['udp-insert']!.instructions).toEqual({ '20': 2000, '24': 2900 });
  });
});

describe('an update of the file', () => {
  const first = updatedCounts(undefined, BEFORE, undefined);
  const risen = updatedCounts(
    first,
    works({ 'operations.load': 1200, 'misses.record line 1': 500, bytes: 0 }),
    'a new check',
  );

  it('keeps why a rise was accepted', () => {
    expect(risen.accepted).toEqual([
      { counter: 'insert: udp-insert: operations.load', before: 1000, after: 1200, because: 'a new check' },
    ]);
  });

  it('keeps the reason while the counter is above its value before the rise', () => {
    const less = updatedCounts(
      risen,
      works({ 'operations.load': 1100, 'misses.record line 1': 500, bytes: 0 }),
      undefined,
    );
    expect(less.accepted).toMatchObject([{ before: 1000, after: 1100, because: 'a new check' }]);
    const none = updatedCounts(
      less,
      works({ 'operations.load': 1000, 'misses.record line 1': 500, bytes: 0 }),
      undefined,
    );
    expect(none.accepted).toEqual([]);
  });
});

/** `bench count --check` and `--update`: what they print, and what they refuse. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CountsFile } from '../../../bench/count/counts-file.ts';
import { updatedCounts } from '../../../bench/count/counts-file.ts';
import { checkCounts, type ResultOfCount, updatedText, worksOf } from '../../../bench/count/run.ts';

/** The result of a count with so many atomic loads in 1000 packets. */
function resultWith(loads: number): ResultOfCount[] {
  const counts = { name: 'udp-insert', packets: 1000 };
  const work = { workload: 'insert', engine: 'ct-bucket', connections: 1000, batchSize: 32, buckets: 1024 };
  return [
    { work, phases: [{ counts, gate: { 'operations.load': loads, bytes: 0 }, bytes: 0 }] },
  ] as unknown as ResultOfCount[];
}

const FILE: CountsFile = updatedCounts(undefined, worksOf(resultWith(1000)), undefined);
let lines: string[];

beforeEach(() => {
  lines = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => {
    lines.push(line);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('a check of counts', () => {
  it('passes with the same counts', () => {
    expect(checkCounts('c.json', FILE, resultWith(1000))).toBe(true);
    expect(lines).toEqual(['c.json: no counter became worse']);
  });

  it('fails with a counter that is worse by one, names it, and says how to accept it', () => {
    expect(checkCounts('c.json', FILE, resultWith(1001))).toBe(false);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^worse: insert: udp-insert: operations\.load: 1\.001 a packet, before 1 /);
    expect(lines[1]).toMatch(/--update c\.json --because/);
  });

  it('passes with a better counter, and asks for an update', () => {
    expect(checkCounts('c.json', FILE, resultWith(900))).toBe(true);
    expect(lines[0]).toMatch(/^1 counter became better\. Keep that: .*--update c\.json$/);
    expect(lines[1]).toMatch(/^better: insert/);
  });

  it('fails if a work is not counted any more', () => {
    expect(checkCounts('c.json', FILE, [])).toBe(false);
    expect(lines[0]).toMatch(/^only on one side: insert: udp-insert/);
  });
});

describe('an update of counts', () => {
  it('refuses a counter that became worse without a reason', () => {
    expect(() => updatedText(FILE, resultWith(1001), undefined)).toThrow(
      /1 counter became worse: say why with --because/,
    );
    expect(() => updatedText(FILE, resultWith(1001), ' ')).toThrow(/--because/);
  });

  it('takes one with a reason, and keeps the reason in the file', () => {
    const { accepted } = JSON.parse(updatedText(FILE, resultWith(1001), 'a new check')) as CountsFile;
    expect(accepted).toMatchObject([{ before: 1000, after: 1001, because: 'a new check' }]);
  });

  it('needs no reason for a better counter, nor for the first file', () => {
    expect(JSON.parse(updatedText(FILE, resultWith(999), undefined))).toMatchObject({ accepted: [] });
    expect(JSON.parse(updatedText(undefined, resultWith(1), undefined))).toMatchObject({ accepted: [] });
  });
});

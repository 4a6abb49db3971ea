/** Wrong options and broken files get a one-line error. Fuzzing found these: they once ended in V8's words, or in no error. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readProfile } from '../../bench/profile/files.ts';
import { readHistory, readResult } from '../../bench/regress/report/result-file.ts';
import { readResultsFile } from '../../bench/report/results-reader.ts';
import { runScenario } from '../../src/cli/verify/scenario.ts';
import { endOf, withEnd } from '../../src/cli/verify/scenario-ends.ts';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { shown, UsageError } from '../../src/core/errors.ts';
import { ConnFilter } from '../../src/core/inspect/filter.ts';
import { parseConnFilter } from '../../src/core/inspect/filter-text.ts';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { printedBy } from '../fuzz/command-line.ts';
import { HISTORY, PROFILE, RESULTS, VERDICTS } from '../fuzz/samples.ts';
import { tcp } from '../support/frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-wrong-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A value that only a program without types can pass. */
function any<Type>(value: unknown): Type {
  return value as Type;
}

/** Fails the test unless the action throws a UsageError of one line that matches. */
function expectLine(action: () => unknown, message: RegExp): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toMatch(/[\n\r]/);
}

describe('the message of a UsageError', () => {
  it('is cut to a readable length if it quotes a very long name', () => {
    expect(new UsageError(`field ${'x'.repeat(100_000)} missing value`).message).toMatch(/^field x{1900,2000}\.\.\.$/);
  });
});

describe('an option of the wrong type', () => {
  const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 1 });
  const TUPLE = { src: '10.1.1.1', dst: '10.1.1.2', proto: 6, sport: 1, dport: 2 };
  const PING = { src: '10.1.1.1', dst: '10.1.1.2', proto: 1, id: 1, type: 8, code: 0 };

  it.each<[string, () => unknown, RegExp]>([
    ['nat null', () => new CtAction({ nat: any(null) }), /nat must be an object with an action, not null/],
    ['a NAT address', () => new CtAction({ nat: { action: ['src'], minAddr: any(5) } }), /minAddr must be an .* not 5/],
    ['a helper', () => new CtAction({ helper: any(7) }), /a helper's name must be .* not 7/],
    ['a label', () => new CtAction({ label: { value: any(12), mask: 'f' } }), /hexadecimal digits, not 12/],
    ['a zone', () => new CtAction({ zone: any({ a: 1 }) }), /zone must be a whole number .* not \{"a":1\}/],
    ['an engine', () => new Conntrack({ engine: any(10n) }), /engine must be one of .* not 10/],
    ['the tuple of a filter', () => new ConnFilter({ orig: any(null) }), /a tuple of a filter must be an object/],
    ['the address of a filter', () => new ConnFilter({ orig: { src: any([]) } }), /not an IPv4 or IPv6 address: \[\]/],
    ['a timeout policy', () => ct.setTimeoutPolicy(1, any(null)), /must be an object of seconds by name, not null/],
    ['an address of a tuple', () => ct.flushTuple(any({ ...TUPLE, src: 1 }), { nowMs: 1 }), /not an address: 1/],
    ['a filter', () => new ConnFilter(any(null)), /a filter must be an object, not null/],
    ['the filter of a flush', () => ct.flush({ filter: any(null) }), /a filter must be an object, not null/],
    ['the mark of a filter', () => new ConnFilter({ mark: any(null) }), /a mark must be an object, not null/],
    ['an action', () => new CtAction(any('commit')), /an action must be an object, not "commit"/],
    [
      'a protocol',
      () => ct.flushTuple(any({ ...TUPLE, proto: 10n }), { nowMs: 1 }),
      /proto of a tuple must be .* not 10/,
    ],
    ['an ICMP type', () => ct.flushTuple(any({ ...PING, type: 256 }), { nowMs: 1 }), /type of a tuple .* 255, not 256/],
    ['a tuple', () => ct.flushTuple(any(null), { nowMs: 1 }), /a tuple must be an object, not null/],
    ['the options of a dump', () => [...ct.dump(any(null))], /options must be an object, not null/],
    ['the options of a flush', () => ct.flush(any(7)), /options must be an object, not 7/],
    ['the options of statistics', () => ct.stats(any([])), /options must be an object, not \[\]/],
    ['a time', () => [...ct.dump({ nowMs: any(undefined) })], /nowMs must be a number of milliseconds, not undefined/],
    ['NaN for a time', () => ct.sweep(Number.NaN), /nowMs must be a number of milliseconds, not NaN/],
    ['steering', () => new FlowSteering(any('luck')), /steering must be 'flow' or 'addresses', not "luck"/],
  ])('is refused with a one-line error: %s', (_what, action, message) => {
    expectLine(action, message);
  });

  it('gives the default limit if it is the zone of zoneLimit', () => {
    expect(ct.zoneLimit(any(10n))).toEqual(ct.zoneLimit('default'));
    expect(ct.zoneLimit(0.5)).toEqual(ct.zoneLimit('default'));
  });

  it('is quoted short, even if it has no JSON', () => {
    expect(shown('x'.repeat(5000))).toHaveLength(83);
    const knot: { self?: unknown } = {};
    knot.self = knot;
    expect([shown(knot), shown({ big: 10n }), shown(Symbol('s')), shown(undefined)]).toEqual([
      'that',
      'that',
      'Symbol(s)',
      'undefined',
    ]);
  });

  it('is quoted on one line even if it has several', () => {
    expectLine(() => parseConnFilter(['ct_nw_src=\n1']), /failed to parse field ct_nw_src: "\\n1"/);
    expectLine(() => parseConnFilter(['mark=\r1']), /failed to parse mark/);
    expect(new UsageError('a\nb\u2028c').message).toBe('a\\u000ab\\u2028c');
  });

  it('is quoted on one line by the command too', async () => {
    const { exitCode, error } = await printedBy(['verify', '--engine', 'a\nb', 'x']);
    expect(exitCode).toBe(2);
    expect(error).toMatch(/^ct-bucket: option .*a\\u000ab.*\n$/);
  });
});

describe('a scenario', () => {
  const header = '{"scenario":"x"}';
  const scenario = (operation: object) => () =>
    runScenario(`${header}\n${JSON.stringify(operation)}\n`, { reclaim: 'sweep' });

  it.each<[string, object, RegExp]>([
    ['without an operation', {}, /line 2: op must be the name of an operation, not undefined/],
    ['without an expected result', { op: 'dump', now: 1 }, /line 2: dump\.expect is missing/],
    ['without packets', { op: 'exec', now: 1, expect: { packets: [] } }, /line 2: exec\.packets is missing/],
    [
      'with a packet that is not an object',
      { op: 'exec', now: 1, packets: [7], expect: { packets: [] } },
      /line 2: exec\.packets\[0\] must be an object, not 7/,
    ],
    [
      'with an expected packet without states',
      { op: 'exec', now: 1, packets: [{ id: 'p', hex: '' }], expect: { packets: [{ id: 'p' }] } },
      /line 2: exec\.expect\.packets\[0\]\.state is missing/,
    ],
    [
      'with an action that is not an object',
      { op: 'exec', now: 1, packets: [{ id: 'p', hex: '' }], ct: null, expect: { packets: [] } },
      /line 2: exec\.ct must be an object, not null/,
    ],
    [
      'without a tuple to flush',
      { op: 'flushTuple', now: 1, expect: { error: null } },
      /line 2: flushTuple\.tuple is missing/,
    ],
    [
      'with an expected limit that is not an object',
      { op: 'zoneLimit', action: 'update', zone: 1, limit: 2, expect: null },
      /line 2: zoneLimit\.expect must be an object, not null/,
    ],
    [
      'with a packet id that is not text',
      { op: 'clear', packets: [{ toString: 5 }] },
      /line 2: clear\.packets\[0\] must be a text/,
    ],
  ])('%s is refused with the number of the line', (_what, operation, message) => {
    expectLine(scenario(operation), message);
  });

  it('may replace an end in a frame of any length', () => {
    const frame = tcp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }, { flags: 'S', seq: 1 });
    for (let bytes = 0; bytes <= frame.length; bytes++) {
      const cut = frame.subarray(0, bytes);
      const end = endOf(cut, 'src') ?? { address: '0a000009', port: 9 };
      expect(withEnd(cut, 'dst', end)).toHaveLength(bytes);
    }
  });
});

describe('a JSON file', () => {
  const changed = <Content>(content: Content, change: (copy: Content) => void): string => {
    const copy = structuredClone(content);
    change(copy);
    const path = join(folder, 'file.json');
    writeFileSync(path, JSON.stringify(copy));
    return path;
  };

  it('of a profile is read, and refused if a member is wrong', () => {
    expect(readProfile(changed(PROFILE, () => {})).what).toBe(PROFILE.what);
    const wrong = (change: (copy: typeof PROFILE) => void, message: RegExp) =>
      expectLine(() => readProfile(changed(PROFILE, change)), message);
    wrong((copy) => (copy.profile.threads[0]!.sites[0]!.site = 9), /a record is of a site that is not among its 2/);
    wrong((copy) => (copy.profile.threads[0]!.sites[0]!.bySite = any(undefined)), /sites\[0\]\.bySite is missing/);
    wrong(
      (copy) => (copy.profile.threads[0]!.sites[0]!.wait.bins = any([253])),
      /bins\[0\] must be a bin and its count/,
    );
    wrong((copy) => copy.profile.buckets!.lines.pop(), /its lists of buckets differ in length/);
  });

  it('of a verdict is read, and refused if a member is wrong', () => {
    const verdict = VERDICTS[0]!;
    /* Older files, like this one, also have six pairs of A and A. */
    expect(readResult(changed(verdict, () => {})).pairs).toHaveLength(verdict.pairs.length - 6);
    const wrong = (change: (copy: typeof verdict) => void, message: RegExp) =>
      expectLine(() => readResult(changed(verdict, change)), message);
    wrong((copy) => (copy.pairs[0]!.a.timesMs = any(127)), /pairs\[0\]\.a\.timesMs must be an object, not 127/);
    wrong((copy) => (copy.pairs[0]!.b = any(null)), /pairs\[0\]\.b must be an object, not null/);
    wrong(
      (copy) => Object.assign(copy.pairs[0]!, { phase: 'last' }),
      /pairs\[0\]\.phase must be one of same, first, confirming/,
    );
    wrong((copy) => (copy.config = any({})), /config: cases is missing/);
    wrong((copy) => (copy.machine.loadAverage1m = any(undefined)), /machine\.loadAverage1m is missing/);
  });

  it('of a history is read, and refused if a line is wrong', () => {
    const path = join(folder, 'history.jsonl');
    writeFileSync(path, HISTORY.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    expect(readHistory(path)).toHaveLength(HISTORY.length);
    writeFileSync(path, `${JSON.stringify({ ...(HISTORY[0] as object), timesMs: null })}\n`);
    expectLine(() => readHistory(path), /line 1 is not an entry of a history: timesMs must be an object, not null/);
  });

  it('of results is read, and refused if its options are not an object', () => {
    expect(readResultsFile(changed(RESULTS, () => {})).results).toHaveLength(2);
    expectLine(
      () => readResultsFile(changed(RESULTS, (copy) => (copy.options = any(null)))),
      /options must be an object, not null/,
    );
  });
});

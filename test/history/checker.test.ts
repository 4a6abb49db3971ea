/** Tests the checker of histories with hand-written histories that are linearizable, and with others that are not. */

import { describe, expect, it } from 'vitest';
import { checkFlow } from './check.ts';
import { NAT_PORT, TIMEOUT_MS } from './model.ts';
import { Answer, Kind, type Operation } from './operation.ts';

/** An operation of a thread, with its invocation and its response. Members that are not given do not matter. */
function op(
  thread: number,
  [invoked, responded]: [number, number],
  kind: keyof typeof Kind,
  rest: Partial<Omit<Operation, 'answer'>> & { answer?: keyof typeof Answer } = {},
): Operation {
  const { answer = 'none', ...others } = rest;
  const none = { flow: 0, direction: 0, nowMs: 0, removed: false, conn: 0, port: 0 };
  return { ...none, thread, kind: Kind[kind], invoked, responded, answer: Answer[answer], ...others };
}

const isLinearizable = (...operations: Operation[]): boolean => checkFlow(operations).isLinearizable;

describe('the history of one thread', () => {
  it('may open a connection, get a reply, flush it, and then miss it', () => {
    expect(
      isLinearizable(
        op(0, [1, 2], 'look', { answer: 'new' }),
        op(0, [3, 4], 'commit', { answer: 'new', conn: 7 }),
        op(0, [5, 6], 'look', { answer: 'reply', direction: 1, conn: 7 }),
        op(0, [7, 8], 'look', { answer: 'established', conn: 7 }),
        op(0, [9, 10], 'flushTuple', { removed: true, direction: 1 }),
        op(0, [11, 12], 'look', { answer: 'new' }),
      ),
    ).toBe(true);
  });

  it.each<[string, Operation]>([
    ['a lookup that misses it', op(0, [3, 4], 'look', { answer: 'new' })],
    ['a lookup that finds another', op(0, [3, 4], 'look', { answer: 'new', conn: 8 })],
    ['a commit that creates it again', op(0, [3, 4], 'commit', { answer: 'new', conn: 8 })],
    ['a verdict after a reply that was never sent', op(0, [3, 4], 'look', { answer: 'established', conn: 7 })],
    ['a flush that finds nothing', op(0, [3, 4], 'flushTuple', { removed: false })],
    ['a verdict that is neither new, established nor reply', op(0, [3, 4], 'look', { answer: 'other', conn: 7 })],
  ])('may not have, after a connection was opened, %s', (_, operation) => {
    expect(isLinearizable(op(0, [1, 2], 'commit', { answer: 'new', conn: 7 }), operation)).toBe(false);
  });

  it('may not have a connection again after its removal', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const flushed = op(0, [3, 4], 'flushTuple', { removed: true });
    expect(isLinearizable(created, flushed, op(0, [5, 6], 'commit', { answer: 'new', conn: 8 }))).toBe(true);
    expect(isLinearizable(created, flushed, op(0, [5, 6], 'commit', { answer: 'new', conn: 7 }))).toBe(false);
    expect(isLinearizable(created, flushed, op(0, [5, 6], 'flushTuple', { removed: true }))).toBe(false);
  });

  it('may open another connection by a forced commit of the other direction, but not of the same one', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    expect(isLinearizable(created, op(0, [3, 4], 'force', { answer: 'new', direction: 1, conn: 8 }))).toBe(true);
    expect(isLinearizable(created, op(0, [3, 4], 'force', { answer: 'reply', direction: 1, conn: 7 }))).toBe(false);
    expect(isLinearizable(created, op(0, [3, 4], 'force', { answer: 'new', conn: 8 }))).toBe(false);
  });

  it('must find a connection until its timeout after the last packet', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const late = { nowMs: TIMEOUT_MS - 1 };
    const later = { nowMs: 2 * TIMEOUT_MS - 2 };
    const found = op(0, [3, 4], 'look', { answer: 'new', conn: 7, ...late });
    expect(isLinearizable(created, found, op(0, [5, 6], 'look', { answer: 'new', conn: 7, ...later }))).toBe(true);
    expect(isLinearizable(created, found, op(0, [5, 6], 'look', { answer: 'new', ...later }))).toBe(false);
    expect(isLinearizable(created, op(0, [5, 6], 'look', { answer: 'new', ...later }))).toBe(true);
    expect(isLinearizable(created, op(0, [5, 6], 'look', { answer: 'new', conn: 7, ...later }))).toBe(false);
    expect(isLinearizable(created, op(0, [3, 4], 'sweep', late), op(0, [5, 6], 'look', { answer: 'new' }))).toBe(false);
  });
});

describe('the history of two threads at the same time', () => {
  it('may open one connection, but not two', () => {
    const first = op(0, [1, 4], 'commit', { answer: 'new', conn: 7 });
    expect(isLinearizable(first, op(1, [2, 3], 'commit', { answer: 'new', conn: 7 }))).toBe(true);
    expect(isLinearizable(first, op(1, [2, 3], 'commit', { answer: 'new', conn: 8 }))).toBe(false);
  });

  it('may flush a connection only once', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const flushed = op(0, [3, 6], 'flushTuple', { removed: true });
    expect(isLinearizable(created, flushed, op(1, [4, 5], 'flushTuple', { removed: false }))).toBe(true);
    expect(isLinearizable(created, flushed, op(1, [4, 5], 'flushTuple', { removed: true }))).toBe(false);
  });

  it('may show the old or the new state during a change, but not the old one after the new one', () => {
    const created = op(0, [1, 8], 'commit', { answer: 'new', conn: 7 });
    const misses = op(1, [2, 3], 'look', { answer: 'new' });
    const finds = op(1, [4, 5], 'look', { answer: 'new', conn: 7 });
    const missesAgain = op(1, [6, 7], 'look', { answer: 'new' });
    expect(isLinearizable(created, misses, finds)).toBe(true);
    expect(isLinearizable(created, finds, missesAgain)).toBe(false);
  });

  it('must show a change after the response of its operation', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    expect(isLinearizable(created, op(1, [2, 3], 'look', { answer: 'new' }))).toBe(true);
    expect(isLinearizable(created, op(1, [3, 4], 'look', { answer: 'new' }))).toBe(false);
  });

  it('may find a translated connection first by its replies, but not only by its own packets', () => {
    const opened = op(0, [1, 8], 'nat', { answer: 'new', port: NAT_PORT });
    const answered = op(1, [2, 3], 'look', { answer: 'reply', direction: 1, conn: 7 });
    const missed = op(1, [4, 5], 'look', { answer: 'new' });
    expect(isLinearizable(opened, answered, missed)).toBe(true);
    const found = op(1, [2, 3], 'look', { answer: 'new', conn: 7 });
    expect(isLinearizable(opened, found, op(1, [4, 5], 'look', { answer: 'new', direction: 1 }))).toBe(false);
  });

  it('must flush a connection that was there all the time, and may flush its successor', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const flushed = op(0, [3, 10], 'flushZone');
    const again = op(1, [4, 5], 'commit', { answer: 'new', conn: 8 });
    const kept = op(1, [11, 12], 'look', { answer: 'new', conn: 8 });
    const gone = op(1, [11, 12], 'look', { answer: 'new' });
    expect(isLinearizable(created, flushed, again, kept)).toBe(true);
    expect(isLinearizable(created, flushed, again, gone)).toBe(true);
    expect(isLinearizable(created, flushed, op(1, [11, 12], 'look', { answer: 'new', conn: 7 }))).toBe(false);
  });

  it('may remove a connection that one thread sees expired, after a thread with an earlier clock has found it', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const swept = op(0, [3, 8], 'sweep', { nowMs: TIMEOUT_MS });
    const found = op(1, [4, 5], 'look', { answer: 'new', conn: 7, nowMs: TIMEOUT_MS - 1 });
    const missed = op(1, [6, 7], 'look', { answer: 'new', nowMs: TIMEOUT_MS - 1 });
    expect(isLinearizable(created, swept, found, missed)).toBe(true);
    expect(isLinearizable(created, found, missed)).toBe(false);
  });
});

it('a report lists the operations without an explanation, by thread and time, without idle and later ones', () => {
  const operations = [
    op(0, [1, 2], 'look', { answer: 'new' }),
    op(1, [3, 6], 'commit', { answer: 'new', conn: 7 }),
    op(0, [4, 5], 'commit', { answer: 'new', conn: 8 }),
    op(0, [7, 8], 'look', { answer: 'new', conn: 7 }),
  ];
  expect(checkFlow(operations).report.split('\n')).toEqual([
    'not linearizable: in no order do these operations give the answers that they gave',
    '  [     3,     6]  thread 1  commit orig          at 0 ms  new, connection 7#0',
    '  [     4,     5]  thread 0  commit orig          at 0 ms  new, connection 8#0',
    expect.stringMatching(/^ {2}the search got as far as: a connection opened by orig, one way, until 1000 ms$/),
  ]);
});

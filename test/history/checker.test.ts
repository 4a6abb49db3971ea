/** The checker of histories: what it takes for linearizable, and what it does not. Histories by hand. */

import { describe, expect, it } from 'vitest';
import { checkFlow } from './check.ts';
import { NAT_PORT, TIMEOUT_MS } from './model.ts';
import { Answer, Kind, type Operation } from './operation.ts';

/** An operation of a thread from one moment to another; what is not named is of no account. */
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

describe('one thread', () => {
  it('opens a connection, has it answered, flushes it, and finds nothing', () => {
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
    ['an answer that was never sent', op(0, [3, 4], 'look', { answer: 'established', conn: 7 })],
    ['a flush that finds nothing', op(0, [3, 4], 'flushTuple', { removed: false })],
    ['an answer to nobody', op(0, [3, 4], 'look', { answer: 'other', conn: 7 })],
  ])('does not see, after a connection was opened, %s', (_, operation) => {
    expect(isLinearizable(op(0, [1, 2], 'commit', { answer: 'new', conn: 7 }), operation)).toBe(false);
  });

  it('does not get a connection back that was removed', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const flushed = op(0, [3, 4], 'flushTuple', { removed: true });
    expect(isLinearizable(created, flushed, op(0, [5, 6], 'commit', { answer: 'new', conn: 8 }))).toBe(true);
    expect(isLinearizable(created, flushed, op(0, [5, 6], 'commit', { answer: 'new', conn: 7 }))).toBe(false);
    expect(isLinearizable(created, flushed, op(0, [5, 6], 'flushTuple', { removed: true }))).toBe(false);
  });

  it('opens another with a forced commit of the other direction, not of the same', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    expect(isLinearizable(created, op(0, [3, 4], 'force', { answer: 'new', direction: 1, conn: 8 }))).toBe(true);
    expect(isLinearizable(created, op(0, [3, 4], 'force', { answer: 'reply', direction: 1, conn: 7 }))).toBe(false);
    expect(isLinearizable(created, op(0, [3, 4], 'force', { answer: 'new', conn: 8 }))).toBe(false);
  });

  it('finds a connection until it has expired, counted from the last packet', () => {
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

describe('two threads at the same time', () => {
  it('open one connection, not two', () => {
    const first = op(0, [1, 4], 'commit', { answer: 'new', conn: 7 });
    expect(isLinearizable(first, op(1, [2, 3], 'commit', { answer: 'new', conn: 7 }))).toBe(true);
    expect(isLinearizable(first, op(1, [2, 3], 'commit', { answer: 'new', conn: 8 }))).toBe(false);
  });

  it('flush a connection once', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const flushed = op(0, [3, 6], 'flushTuple', { removed: true });
    expect(isLinearizable(created, flushed, op(1, [4, 5], 'flushTuple', { removed: false }))).toBe(true);
    expect(isLinearizable(created, flushed, op(1, [4, 5], 'flushTuple', { removed: true }))).toBe(false);
  });

  it('may see a change before or after it while it is made, but not after it and then before', () => {
    const created = op(0, [1, 8], 'commit', { answer: 'new', conn: 7 });
    const misses = op(1, [2, 3], 'look', { answer: 'new' });
    const finds = op(1, [4, 5], 'look', { answer: 'new', conn: 7 });
    const missesAgain = op(1, [6, 7], 'look', { answer: 'new' });
    expect(isLinearizable(created, misses, finds)).toBe(true);
    expect(isLinearizable(created, finds, missesAgain)).toBe(false);
  });

  it('go by real time: what was answered before is seen', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    expect(isLinearizable(created, op(1, [2, 3], 'look', { answer: 'new' }))).toBe(true);
    expect(isLinearizable(created, op(1, [3, 4], 'look', { answer: 'new' }))).toBe(false);
  });

  it('meet the answers of a translated connection first, and never its packets alone', () => {
    const opened = op(0, [1, 8], 'nat', { answer: 'new', port: NAT_PORT });
    const answered = op(1, [2, 3], 'look', { answer: 'reply', direction: 1, conn: 7 });
    const missed = op(1, [4, 5], 'look', { answer: 'new' });
    expect(isLinearizable(opened, answered, missed)).toBe(true);
    const found = op(1, [2, 3], 'look', { answer: 'new', conn: 7 });
    expect(isLinearizable(opened, found, op(1, [4, 5], 'look', { answer: 'new', direction: 1 }))).toBe(false);
  });

  it('flush what was there all the time, and may meet what took its place', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const flushed = op(0, [3, 10], 'flushZone');
    const again = op(1, [4, 5], 'commit', { answer: 'new', conn: 8 });
    const kept = op(1, [11, 12], 'look', { answer: 'new', conn: 8 });
    const gone = op(1, [11, 12], 'look', { answer: 'new' });
    expect(isLinearizable(created, flushed, again, kept)).toBe(true);
    expect(isLinearizable(created, flushed, again, gone)).toBe(true);
    expect(isLinearizable(created, flushed, op(1, [11, 12], 'look', { answer: 'new', conn: 7 }))).toBe(false);
  });

  it('lose a connection that one found, whose clock is behind, to the other that saw it expire', () => {
    const created = op(0, [1, 2], 'commit', { answer: 'new', conn: 7 });
    const swept = op(0, [3, 8], 'sweep', { nowMs: TIMEOUT_MS });
    const found = op(1, [4, 5], 'look', { answer: 'new', conn: 7, nowMs: TIMEOUT_MS - 1 });
    const missed = op(1, [6, 7], 'look', { answer: 'new', nowMs: TIMEOUT_MS - 1 });
    expect(isLinearizable(created, swept, found, missed)).toBe(true);
    expect(isLinearizable(created, found, missed)).toBe(false);
  });
});

it('a report shows the operations that cannot be explained, by thread and time, without idle ones and what came later', () => {
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

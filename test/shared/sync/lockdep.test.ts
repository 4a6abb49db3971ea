/** The lock checker of CT_CHECKED=1: it throws at the first lock that breaks the order, deadlock or not. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';
import { lockTagOf } from '../../../src/shared/sync/mutex.ts';
import { Crew } from '../../threads/crew.ts';
import type { LockdepJobs, LockName, Step } from '../../threads/lockdep-jobs.ts';

const ORDER: LockName[] = ['bucket', 'connection', 'zoneLimits', 'fragments', 'leaf'];

/* Mutexes of the test: word indexes in one region; where the order asks for no index, any will do. */
const LOW = 3;
const HIGH = 5;
const HIGHER = 9;
const OTHER = 20;
const WORDS = 32;
/** In a mutex word: the tag of a participant that is not this thread. */
const SOMEBODY_ELSE = lockTagOf(100);

const BOTH_ORDERS: [number, number][] = [
  [LOW, HIGH],
  [HIGH, LOW],
];

let words: Words;

beforeEach(() => {
  words = allocateWords(WORDS);
});

const take = (as: LockName, index: number): Step => ({ do: 'lock', words, index, as });
const release = (index: number): Step => ({ do: 'unlock', words, index });

const pass = (steps: Step[]): null[] => steps.map(() => null);

describe('in a checked thread', () => {
  const crew = new Crew<LockdepJobs>({ jobs: 'lockdep-jobs', threads: 1, checked: true });

  afterAll(() => crew.end());

  const perform = (...steps: Step[]): Promise<(string | null)[]> => crew.runOn(0, 'perform', steps);

  it('the right order passes: two buckets, a connection, zone limits, a leaf, and back', async () => {
    const steps: Step[] = [
      take('bucket', LOW),
      take('bucket', HIGH),
      take('connection', HIGHER),
      take('zoneLimits', OTHER),
      take('leaf', OTHER + 1),
      release(OTHER + 1),
      take('leaf', OTHER + 2),
      release(OTHER + 2),
      release(OTHER),
      release(HIGHER),
      release(HIGH),
      release(LOW),
      { do: 'assertNoneHeld' },
    ];
    expect(await perform(...steps)).toEqual(pass(steps));
    expect(words.every((word) => word === 0)).toBe(true);
  });

  it('classes may be left out, and a lower index may follow in a later class', async () => {
    const steps = [take('bucket', HIGHER), take('leaf', LOW), release(LOW), take('connection', LOW)];
    expect(await perform(...steps)).toEqual(pass(steps));
  });

  it('a bucket after a bucket of higher index throws', async () => {
    expect(await perform(take('bucket', HIGH), take('bucket', LOW))).toEqual([
      null,
      `lock order: bucket lock at word ${LOW} taken while holding bucket lock at word ${HIGH}`,
    ]);
    expect(words[LOW]).toBe(0);
  });

  it('a bucket between two that are held throws', async () => {
    expect(await perform(take('bucket', LOW), take('bucket', HIGHER), take('bucket', HIGH))).toEqual([
      null,
      null,
      `lock order: bucket lock at word ${HIGH} taken while holding bucket lock at word ${HIGHER}`,
    ]);
  });

  it.each(ORDER)(
    'a lock of class %s that this thread holds already throws instead of waiting for itself',
    async (as) => {
      expect(await perform(take(as, LOW), take(as, LOW))).toEqual([
        null,
        expect.stringMatching(`at word ${LOW} is already held by this thread`),
      ]);
    },
  );

  it('a bucket after a connection throws', async () => {
    expect(await perform(take('connection', LOW), take('bucket', HIGH))).toEqual([
      null,
      `lock order: bucket lock at word ${HIGH} taken while holding connection lock at word ${LOW}`,
    ]);
    expect(words[HIGH]).toBe(0);
  });

  it('every class after every later class throws', async () => {
    for (const [rank, as] of ORDER.entries()) {
      for (const later of ORDER.slice(rank + 1)) {
        for (const [first, second] of BOTH_ORDERS) {
          const outcome = await perform(take(later, first), take(as, second));
          expect(outcome, `${as} after ${later}`).toEqual([null, expect.stringMatching(/taken while holding/)]);
        }
      }
    }
  });

  it.each(ORDER.slice(1))('two locks of class %s throw, in either order of index', async (as) => {
    for (const [first, second] of BOTH_ORDERS) {
      const outcome = await perform(take(as, first), take(as, second));
      expect(outcome).toEqual([null, expect.stringMatching(/taken while holding/)]);
    }
  });

  it('buckets of two regions have no order, so two of them throw', async () => {
    const elsewhere: Step = { do: 'lock', words: allocateWords(WORDS), index: HIGH, as: 'bucket' };
    expect(await perform(take('bucket', LOW), elsewhere)).toEqual([null, expect.stringMatching(/taken while holding/)]);
  });

  it('trying a lock is held to the same order', async () => {
    const tryLow: Step = { do: 'tryLock', words, index: LOW, as: 'bucket' };
    expect(await perform(take('bucket', HIGH), tryLow)).toEqual([null, expect.stringMatching(/taken while holding/)]);
    expect(words[LOW]).toBe(0);
  });

  it('a lock that was tried and got is held, one that was refused is not', async () => {
    words[HIGH] = SOMEBODY_ELSE;
    expect(
      await perform(
        { do: 'tryLock', words, index: LOW, as: 'bucket' },
        { do: 'tryLock', words, index: HIGH, as: 'bucket' },
        { do: 'assertHeld', words, index: LOW },
        { do: 'assertHeld', words, index: HIGH },
        release(LOW),
      ),
    ).toEqual([null, null, null, expect.stringMatching(/must be held here/), null]);
    expect(words[HIGH]).toBe(SOMEBODY_ELSE);
  });

  it.each(BOTH_ORDERS)('the pair helper keeps the order for arguments %i and %i', async (a, b) => {
    const steps: Step[] = [
      { do: 'lockPair', words, a, b, as: 'bucket' },
      { do: 'assertHeld', words, index: a },
      { do: 'assertHeld', words, index: b },
      { do: 'unlockPair', words, a, b },
      { do: 'assertNoneHeld' },
    ];
    expect(await perform(...steps)).toEqual(pass(steps));
  });

  it('unlocking what is not held throws and leaves the word alone', async () => {
    words[LOW] = SOMEBODY_ELSE;
    expect(await perform(take('bucket', HIGH), release(LOW))).toEqual([
      null,
      `lock ownership: the lock at word ${LOW} is released by a thread that does not hold it`,
    ]);
    expect(words[LOW]).toBe(SOMEBODY_ELSE);
  });

  it('unlocking twice throws', async () => {
    expect(await perform(take('leaf', LOW), release(LOW), release(LOW))).toEqual([
      null,
      null,
      expect.stringMatching(/^lock ownership: /),
    ]);
  });

  it('asserting a lock throws unless this thread holds it', async () => {
    words[HIGH] = SOMEBODY_ELSE;
    expect(
      await perform(
        take('bucket', LOW),
        { do: 'assertHeld', words, index: LOW },
        { do: 'assertHeld', words, index: HIGH },
        release(LOW),
        { do: 'assertHeld', words, index: LOW },
      ),
    ).toEqual([
      null,
      null,
      `lock ownership: the lock at word ${HIGH} must be held here`,
      null,
      `lock ownership: the lock at word ${LOW} must be held here`,
    ]);
  });

  it('asserting that nothing is held names what is', async () => {
    expect(await perform({ do: 'assertNoneHeld' }, take('connection', LOW), { do: 'assertNoneHeld' })).toEqual([
      null,
      null,
      `lock ownership: connection lock at word ${LOW} still held`,
    ]);
  });

  it('a lock that broke the order does not count as held', async () => {
    expect(
      await perform(take('bucket', HIGH), take('bucket', LOW), { do: 'assertHeld', words, index: LOW }, release(HIGH), {
        do: 'assertNoneHeld',
      }),
    ).toEqual([
      null,
      expect.stringMatching(/taken while holding/),
      expect.stringMatching(/must be held here/),
      null,
      null,
    ]);
  });
});

it('the lock order of these tests is that of all classes there are', () => {
  expect(ORDER).toEqual(Object.keys(LockClass).toSorted((a, b) => LockClass[a as LockName] - LockClass[b as LockName]));
});

describe('in a thread that is not checked', () => {
  const crew = new Crew<LockdepJobs>({ jobs: 'lockdep-jobs', threads: 1, checked: false });

  afterAll(() => crew.end());

  it('nothing is watched', async () => {
    const steps: Step[] = [
      take('leaf', HIGH),
      take('bucket', LOW),
      { do: 'assertHeld', words, index: OTHER },
      release(HIGH),
      release(LOW),
      release(LOW),
    ];
    expect(await crew.runOn(0, 'perform', steps)).toEqual(pass(steps));
  });

  it('a scheduling hook cannot be installed, since nobody would call it', async () => {
    expect(await crew.runOn(0, 'installHook', null)).toMatch('CT_CHECKED=1');
  });
});

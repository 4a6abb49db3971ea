/** The lock checker of CT_CHECKED=1: it throws at the first lock that breaks the order, deadlock or not. */

import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../src/shared/access.ts';
import { Crew } from './threads/crew.ts';
import type { LockdepJobs, LockName, Step } from './threads/lockdep-jobs.ts';

const ORDER: LockName[] = ['bucket', 'connection', 'zoneLimits', 'leaf'];

/* Mutexes of the test: word indexes in one region; where the order asks for no index, any will do. */
const LOW = 3;
const HIGH = 5;
const HIGHER = 9;
const OTHER = 20;
const WORDS = 32;

let words: Words;

beforeEach(() => {
  words = allocateWords(WORDS);
});

const take = (as: LockName, index: number): Step => ({ do: 'lock', words, index, as });
const release = (index: number): Step => ({ do: 'unlock', words, index });

describe('in a checked thread', () => {
  const crew = new Crew<LockdepJobs>({ jobs: 'lockdep-jobs', threads: 1, checked: true });

  /* A broken order leaves locks held, of which the checker would go on to speak. */
  afterEach(() => crew.end());

  const perform = async (...steps: Step[]): Promise<{ done: number; error?: string }> =>
    crew.runOn(0, 'perform', steps);

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
    expect(await perform(...steps)).toEqual({ done: steps.length });
    expect(words.every((word) => word === 0)).toBe(true);
  });

  it('classes may be left out, and a lower index may follow in a later class', async () => {
    const steps: Step[] = [take('bucket', HIGHER), take('leaf', LOW), release(LOW), take('connection', LOW)];
    expect(await perform(...steps)).toEqual({ done: steps.length });
  });

  it('a bucket after a bucket of higher index throws', async () => {
    const outcome = await perform(take('bucket', HIGH), take('bucket', LOW));
    expect(outcome).toEqual({
      done: 1,
      error: `lock order: bucket lock at word ${LOW} taken while holding bucket lock at word ${HIGH}`,
    });
    expect(words[LOW]).toBe(0);
  });

  it('a bucket between two that are held throws', async () => {
    const outcome = await perform(take('bucket', LOW), take('bucket', HIGHER), take('bucket', HIGH));
    expect(outcome.done).toBe(2);
    expect(outcome.error).toMatch(`bucket lock at word ${HIGH} taken while holding bucket lock at word ${HIGHER}`);
  });

  it('a lock that this thread holds already throws instead of waiting for itself', async () => {
    for (const as of ORDER) {
      const outcome = await perform(take(as, LOW), take(as, LOW));
      expect(outcome.done).toBe(1);
      expect(outcome.error).toMatch('is already held by this thread');
      await perform(release(LOW));
    }
  });

  it('a bucket after a connection throws', async () => {
    const outcome = await perform(take('connection', LOW), take('bucket', HIGH));
    expect(outcome).toEqual({
      done: 1,
      error: `lock order: bucket lock at word ${HIGH} taken while holding connection lock at word ${LOW}`,
    });
    expect(words[HIGH]).toBe(0);
  });

  it('every class after every later class throws', async () => {
    for (const [rank, as] of ORDER.entries()) {
      for (const later of ORDER.slice(rank + 1)) {
        const outcome = await perform(take(later, LOW), take(as, HIGH));
        expect(outcome.done, `${as} after ${later}`).toBe(1);
        expect(outcome.error).toMatch(/^lock order: .* taken while holding /);
        await perform(release(LOW));
      }
    }
  });

  it.each(['connection', 'zoneLimits', 'leaf'] satisfies LockName[])(
    'two locks of class %s throw, in either order of index',
    async (as) => {
      for (const [first, second] of [
        [LOW, HIGH],
        [HIGH, LOW],
      ] as const) {
        const outcome = await perform(take(as, first), take(as, second));
        expect(outcome.done).toBe(1);
        expect(outcome.error).toMatch('taken while holding');
        await perform(release(first));
      }
    },
  );

  it('buckets of two regions have no order, so two of them throw', async () => {
    const outcome = await perform(take('bucket', LOW), {
      do: 'lock',
      words: allocateWords(WORDS),
      index: HIGH,
      as: 'bucket',
    });
    expect(outcome.done).toBe(1);
    expect(outcome.error).toMatch('taken while holding');
  });

  it('trying a lock is held to the same order', async () => {
    const outcome = await perform(take('bucket', HIGH), { do: 'tryLock', words, index: LOW, as: 'bucket' });
    expect(outcome.done).toBe(1);
    expect(words[LOW]).toBe(0);
  });

  it('a lock that was tried and refused is not held', async () => {
    words[LOW] = 1000;
    const outcome = await perform({ do: 'tryLock', words, index: LOW, as: 'leaf' }, { do: 'assertNoneHeld' });
    expect(outcome).toEqual({ done: 2 });
  });

  it('the pair helper keeps the order for both orders of its arguments', async () => {
    for (const [a, b] of [
      [LOW, HIGH],
      [HIGH, LOW],
      [LOW, LOW],
    ] as const) {
      const steps: Step[] = [
        { do: 'lockPair', words, a, b, as: 'bucket' },
        { do: 'assertHeld', words, index: a },
        { do: 'assertHeld', words, index: b },
        { do: 'unlockPair', words, a, b },
        { do: 'assertNoneHeld' },
      ];
      expect(await perform(...steps)).toEqual({ done: steps.length });
    }
  });

  it('unlocking what is not held throws and leaves the word alone', async () => {
    words[LOW] = 1000;
    const outcome = await perform(release(LOW));
    expect(outcome.done).toBe(0);
    expect(outcome.error).toMatch(`the lock at word ${LOW} is released by a thread that does not hold it`);
    expect(words[LOW]).toBe(1000);
  });

  it('unlocking twice throws', async () => {
    const outcome = await perform(take('leaf', LOW), release(LOW), release(LOW));
    expect(outcome.done).toBe(2);
    expect(outcome.error).toMatch('lock ownership');
  });

  it('asserting a lock throws unless this thread holds it', async () => {
    expect(await perform(take('bucket', LOW), { do: 'assertHeld', words, index: LOW })).toEqual({ done: 2 });
  });

  it('asserting a lock that another holds throws', async () => {
    words[LOW] = 1000;
    const outcome = await perform({ do: 'assertHeld', words, index: LOW });
    expect(outcome.error).toMatch(`the lock at word ${LOW} must be held here`);
  });

  it('asserting that nothing is held names what is', async () => {
    const outcome = await perform(take('connection', LOW), { do: 'assertNoneHeld' });
    expect(outcome).toEqual({ done: 1, error: `lock ownership: connection lock at word ${LOW} still held` });
  });

  it('a lock that broke the order is not counted as held', async () => {
    await perform(take('bucket', HIGH), take('bucket', LOW));
    words = allocateWords(WORDS);
    const outcome = await perform({ do: 'assertHeld', words, index: LOW });
    expect(outcome.error).toMatch('must be held here');
  });
});

describe('in a thread that is not checked', () => {
  const crew = new Crew<LockdepJobs>({ jobs: 'lockdep-jobs', threads: 1, checked: false });

  afterAll(() => crew.end());

  it('nothing is watched', async () => {
    const steps: Step[] = [
      take('leaf', HIGH),
      take('bucket', LOW),
      { do: 'assertHeld', words, index: OTHER },
      release(OTHER),
      release(HIGH),
      release(LOW),
    ];
    expect(await crew.runOn(0, 'perform', steps)).toEqual({ done: steps.length });
  });

  it('a scheduling hook cannot be installed, since nobody would call it', async () => {
    expect(await crew.runOn(0, 'installHook', null)).toMatch('CT_CHECKED=1');
  });
});

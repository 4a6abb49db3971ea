/** The mutex in one word of shared memory. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { LockTimeoutError, sleepOnLock } from '../../../src/shared/sync/lock-timeout.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';
import { lockTagOf, ownerOf } from '../../../src/shared/sync/mutex.ts';
import { Crew } from '../../threads/crew.ts';
import type { MutexJobs } from '../../threads/mutex-jobs.ts';
import { until } from '../../threads/steps.ts';

const THREADS = 4;
const ROUNDS = 20_000;

/* Words of the test, each on a line of its own. */
const MUTEX = 0;
const COUNTER = LINE_WORDS;
const GATE = 2 * LINE_WORDS;
const TURN = 3 * LINE_WORDS;
const DONE = 4 * LINE_WORDS;
const WORDS = 5 * LINE_WORDS;

const WAITERS = 1;

describe.each([{ checked: false }, { checked: true }])('the mutex (checked: $checked)', ({ checked }) => {
  const crew = new Crew<MutexJobs>({ jobs: 'mutex-jobs', threads: THREADS, checked });
  let words: Words;

  beforeEach(async () => {
    words = allocateWords(WORDS);
    await crew.run('setUp', { words });
  });

  afterAll(() => crew.end());

  it('loses no plain increment of threads that contend for it', async () => {
    await crew.run('increment', {
      mutex: MUTEX,
      counter: COUNTER,
      gate: GATE,
      threads: THREADS,
      rounds: ROUNDS,
      by: 'lock',
    });
    expect(words[COUNTER]).toBe(THREADS * ROUNDS);
    expect(words[MUTEX]).toBe(0);
  });

  it('loses no plain increment of threads that try until they get it', async () => {
    await crew.run('increment', {
      mutex: MUTEX,
      counter: COUNTER,
      gate: GATE,
      threads: THREADS,
      rounds: ROUNDS / 4,
      by: 'tryLock',
    });
    expect(words[COUNTER]).toBe((THREADS * ROUNDS) / 4);
    expect(words[MUTEX]).toBe(0);
  });

  it('names its owner while it is held and is 0 after', async () => {
    expect(ownerOf(words, MUTEX)).toBe(-1);
    for (let thread = 0; thread < THREADS; thread++) {
      await crew.runOn(thread, 'take', { mutex: MUTEX });
      expect(words[MUTEX]).toBe(lockTagOf(thread));
      expect(ownerOf(words, MUTEX)).toBe(thread);
      await crew.runOn(thread, 'release', { mutex: MUTEX });
      expect(words[MUTEX]).toBe(0);
      expect(ownerOf(words, MUTEX)).toBe(-1);
    }
  });

  it('gives every participant a tag that is not free and leaves the lowest bit to the waiters', () => {
    const tags = Array.from({ length: 100 }, (_, id) => lockTagOf(id));
    expect(new Set(tags).size).toBe(tags.length);
    expect(tags.every((tag) => tag !== 0 && (tag & WAITERS) === 0)).toBe(true);
  });

  it('is refused by tryLock while another thread holds it, and its word stays as it is', async () => {
    await crew.runOn(0, 'take', { mutex: MUTEX });
    expect(await crew.runOn(1, 'tryTake', { mutex: MUTEX })).toBe(false);
    expect(words[MUTEX]).toBe(lockTagOf(0));
    await crew.runOn(0, 'release', { mutex: MUTEX });
    expect(await crew.runOn(1, 'tryTake', { mutex: MUTEX })).toBe(true);
    expect(words[MUTEX]).toBe(lockTagOf(1));
    await crew.runOn(1, 'release', { mutex: MUTEX });
    expect(words[MUTEX]).toBe(0);
  });

  it('still names its owner when a waiter has marked it, and passes to the waiter on unlock', async () => {
    await crew.runOn(0, 'take', { mutex: MUTEX });
    const waiter = crew.runOn(1, 'take', { mutex: MUTEX });
    await until('the waiter marks the mutex', () => (Atomics.load(words, MUTEX) & WAITERS) !== 0);
    expect(ownerOf(words, MUTEX)).toBe(0);
    await crew.runOn(0, 'release', { mutex: MUTEX });
    await waiter;
    expect(ownerOf(words, MUTEX)).toBe(1);
    await crew.runOn(1, 'release', { mutex: MUTEX });
    expect(words[MUTEX]).toBe(0);
  });

  it('wakes the waiter that went to sleep, in every one of many rounds', async () => {
    const plan = { mutex: MUTEX, turn: TURN, done: DONE, rounds: 300 };
    await Promise.all([crew.runOn(0, 'holdInRounds', plan), crew.runOn(1, 'takeInRounds', plan)]);
    expect(words[MUTEX]).toBe(0);
    expect(words[DONE]).toBe(plan.rounds);
  });

  it('wakes all who sleep behind it, one after another, also when they were woken for nothing before', async () => {
    const rounds = 20;
    for (let round = 0; round < rounds; round++) {
      await crew.runOn(0, 'take', { mutex: MUTEX });
      const waiters = [1, 2, 3].map((thread) =>
        crew.runOn(thread, 'takeAndRelease', { mutex: MUTEX, counter: COUNTER }),
      );
      /* The count that notify returns is the only proof that all of them sleep; they go back to sleep at once. */
      await until('three threads sleep on the mutex', () => Atomics.notify(words, MUTEX, 3) === 3);
      expect(ownerOf(words, MUTEX)).toBe(0);
      await crew.runOn(0, 'release', { mutex: MUTEX });
      await Promise.all(waiters);
      expect(words[MUTEX]).toBe(0);
    }
    expect(words[COUNTER]).toBe(3 * rounds);
  });

  it('wakes another sleeper when a thread gives up, which may have had the notify meant for that one', async () => {
    const contended = lockTagOf(3) | WAITERS;
    words[MUTEX] = contended;
    const sleeper = Atomics.waitAsync(words, MUTEX, contended, 60_000);
    const me = { lockTag: lockTagOf(0), spinEstimate: 0, timeoutMs: 1 };
    expect(() => sleepOnLock(words, MUTEX, contended, me, LockClass.leaf, performance.now() - 1)).toThrow(
      LockTimeoutError,
    );
    expect(await sleeper.value).toBe('ok');
  });

  if (checked) {
    it('wakes a thread that sleeps behind a nap of lockWithin, which may have had the notify meant for that thread', async () => {
      expect(await crew.runOn(0, 'accessesAfterNap', { mutex: MUTEX, unlocks: true })).toEqual([
        `exchange ${MUTEX}`,
        `notify ${MUTEX}`,
      ]);
      expect(await crew.runOn(0, 'accessesAfterNap', { mutex: MUTEX, unlocks: false })).toEqual([`notify ${MUTEX}`]);
    });

    it('calls notify only when a thread may sleep', async () => {
      expect(await crew.runOn(0, 'accessesOfUnlock', { mutex: MUTEX, waiters: false })).toEqual([`exchange ${MUTEX}`]);
      expect(await crew.runOn(0, 'accessesOfUnlock', { mutex: MUTEX, waiters: true })).toEqual([
        `exchange ${MUTEX}`,
        `notify ${MUTEX}`,
      ]);
      expect(words[MUTEX]).toBe(0);
    });
  }
});

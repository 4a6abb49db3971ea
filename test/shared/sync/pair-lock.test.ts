/** Two mutexes taken by one helper: no deadlock whatever the order of its arguments. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { ownerOf } from '../../../src/shared/sync/mutex.ts';
import { Crew } from '../../threads/crew.ts';
import type { MutexJobs } from '../../threads/mutex-jobs.ts';
import { until } from '../../threads/steps.ts';

const THREADS = 3;
const MUTEX_COUNT = 4;
const ROUNDS = 20_000;

const MUTEXES = Array.from({ length: MUTEX_COUNT }, (_, i) => i * LINE_WORDS);
const COUNTERS = MUTEXES.map((mutex) => mutex + 1);
const GATE = MUTEX_COUNT * LINE_WORDS;
const WORDS = GATE + LINE_WORDS;

const LOW = MUTEXES[0]!;
const HIGH = MUTEXES[1]!;
const WAITERS = 1;

describe.each([{ checked: false }, { checked: true }])('the pair lock (checked: $checked)', ({ checked }) => {
  const crew = new Crew<MutexJobs>({ jobs: 'mutex-jobs', threads: THREADS, checked });
  let words: Words;

  beforeEach(async () => {
    words = allocateWords(WORDS);
    await crew.run('setUp', { words });
  });

  afterAll(() => crew.end());

  it('never deadlocks threads that lock random pairs in random order, and lets one at a time into each', async () => {
    const increments = await crew.run('incrementPairs', {
      mutexes: MUTEXES,
      counters: COUNTERS,
      gate: GATE,
      threads: THREADS,
      rounds: ROUNDS,
    });
    for (let i = 0; i < MUTEX_COUNT; i++) {
      const expected = increments.reduce((sum, ofThread) => sum + ofThread[i]!, 0);
      expect(expected).toBeGreaterThan(0);
      expect(words[COUNTERS[i]!]).toBe(expected);
      expect(words[MUTEXES[i]!]).toBe(0);
    }
  });

  it.each([
    { a: LOW, b: HIGH },
    { a: HIGH, b: LOW },
  ])('waits for the lower index first, holding nothing (arguments $a, $b)', async ({ a, b }) => {
    await crew.runOn(0, 'take', { mutex: LOW });
    const pair = crew.runOn(1, 'takePair', { a, b });
    await until('the pair waits for the lower mutex', () => (Atomics.load(words, LOW) & WAITERS) !== 0);
    expect(words[HIGH]).toBe(0);
    await crew.runOn(0, 'release', { mutex: LOW });
    await pair;
    expect([ownerOf(words, LOW), ownerOf(words, HIGH)]).toEqual([1, 1]);
    await crew.runOn(1, 'releasePair', { a, b });
    expect([words[LOW], words[HIGH]]).toEqual([0, 0]);
  });

  it.each([
    { a: LOW, b: HIGH },
    { a: HIGH, b: LOW },
  ])('holds the lower index while it waits for the higher (arguments $a, $b)', async ({ a, b }) => {
    await crew.runOn(0, 'take', { mutex: HIGH });
    const pair = crew.runOn(1, 'takePair', { a, b });
    await until('the pair waits for the higher mutex', () => (Atomics.load(words, HIGH) & WAITERS) !== 0);
    expect(ownerOf(words, LOW)).toBe(1);
    await crew.runOn(0, 'release', { mutex: HIGH });
    await pair;
    await crew.runOn(1, 'releasePair', { a, b });
    expect([words[LOW], words[HIGH]]).toEqual([0, 0]);
  });

  it('locks equal indexes once', async () => {
    await crew.runOn(0, 'takePair', { a: LOW, b: LOW });
    expect(ownerOf(words, LOW)).toBe(0);
    expect(await crew.runOn(1, 'tryTake', { mutex: LOW })).toBe(false);
    await crew.runOn(0, 'releasePair', { a: LOW, b: LOW });
    expect(words[LOW]).toBe(0);
    expect(await crew.runOn(1, 'tryTake', { mutex: LOW })).toBe(true);
    await crew.runOn(1, 'release', { mutex: LOW });
  });

  if (checked) {
    it.each([
      { a: LOW, b: HIGH },
      { a: HIGH, b: LOW },
    ])('releases in reverse order (arguments $a, $b)', async ({ a, b }) => {
      expect(await crew.runOn(0, 'accessesOfUnlockPair', { a, b })).toEqual([`exchange ${HIGH}`, `exchange ${LOW}`]);
    });
  }
});

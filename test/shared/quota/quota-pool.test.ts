/** Room for connections: never more in use than the limit, never refused while any is left, counted exactly. */

import { afterAll, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { ownerOf } from '../../../src/shared/sync/mutex.ts';
import { Participant, PARTICIPANT_WORDS, ParticipantWord } from '../../../src/shared/memory/participant.ts';
import { GENERATION_MASK, RELEASED, STRIDE_WORDS, TAKEN } from '../../../src/shared/quota/quota-layout.ts';
import { QUOTA_EXHAUSTED, QuotaPools, USE_FALLBACK } from '../../../src/shared/quota/quota-pool.ts';
import { Crew } from '../../threads/crew.ts';
import type { QuotaPoolJobs, QuotaPoolSetUp } from '../../threads/quota-pool-jobs.ts';
import { signal, until } from '../../threads/steps.ts';

const THREADS = 4;

const IN_USE = THREADS * PARTICIPANT_WORDS;
const GATE = IN_USE + LINE_WORDS;
const FALLBACK = GATE + LINE_WORDS;
const STOPPED = FALLBACK + LINE_WORDS;
const GO_ON = STOPPED + 1;
const POOL = STOPPED + LINE_WORDS;
const WORDS = POOL + QuotaPools.wordsFor(THREADS);

/** From the diagram of quota-pool.ts. */
const POOL_MUTEX = POOL + 2;
const POOL_FULL_BELOW = POOL + 5;

/* Far above what blocks and their margin amount to, near it, and far below. */
const LARGE = 100_000;
/** Numbers of generations there are. */
const GENERATIONS = GENERATION_MASK + 1;
const LIMITS = [1, 2, 3, 10, 64, 700, 2000, 5000, LARGE];

function makePool(limit: number): QuotaPoolSetUp & { words: Words; own: QuotaPools } {
  const words = allocateWords(WORDS);
  const region = { words, base: 0, maxParticipants: THREADS };
  const pools = { words, maxParticipants: THREADS, fallbackLimit: FALLBACK };
  const own = new QuotaPools(pools);
  own.setLimit(POOL, limit);
  return { region, pools, pool: POOL, words, own };
}

describe('the limit of a pool', () => {
  it('is its own, or the fallback, of which 0 means none', () => {
    const { words, own } = makePool(17);
    expect([own.limit(POOL), own.ownLimit(POOL)]).toEqual([17, 17]);
    own.setLimit(POOL, 0);
    expect(own.limit(POOL)).toBe(0);
    own.setLimit(POOL, USE_FALLBACK);
    expect([own.limit(POOL), own.ownLimit(POOL)]).toEqual([0xffffffff, USE_FALLBACK]);
    words[FALLBACK] = 5;
    expect([own.limit(POOL), own.ownLimit(POOL)]).toEqual([5, USE_FALLBACK]);
  });

  it.each([
    { limit: 3, fallback: 0 },
    { limit: USE_FALLBACK, fallback: 3 },
  ])('is kept wherever it comes from (own $limit, fallback $fallback)', ({ limit, fallback }) => {
    const { region, words, own } = makePool(limit);
    words[FALLBACK] = fallback;
    const participant = new Participant(region, 0);
    const taken = Array.from({ length: 5 }, () => own.take(POOL, participant) !== QUOTA_EXHAUSTED);
    expect(taken).toEqual([true, true, true, false, false]);
  });

  it.each([0xfffffffe, 0xffffffff])(
    'of %d, next to the word that stands for the fallback, is told as it was given',
    (limit) => {
      const { region, words, own } = makePool(limit);
      words[FALLBACK] = 3;
      const participant = new Participant(region, 0);
      expect(own.ownLimit(POOL)).toBe(limit);
      own.renew(POOL, limit, participant);
      expect(own.ownLimit(POOL)).toBe(limit);
      const taken = Array.from({ length: 1000 }, () => own.take(POOL, participant));
      expect(taken).not.toContain(QUOTA_EXHAUSTED);
      expect(own.used(POOL)).toBe(1000);
    },
  );

  it('of 0 lets nobody in', () => {
    const { region, own } = makePool(0);
    expect(own.take(POOL, new Participant(region, 0))).toBe(QUOTA_EXHAUSTED);
    expect(own.used(POOL)).toBe(0);
  });

  it('that is raised from outside, or lowered and raised, admits a thread again that was refused', () => {
    const { region, words, own } = makePool(USE_FALLBACK);
    const participant = new Participant(region, 0);
    const taken = (tries: number) =>
      Array.from({ length: tries }, () => own.take(POOL, participant)).filter((each) => each !== QUOTA_EXHAUSTED)
        .length;
    words[FALLBACK] = 3;
    expect([taken(5), taken(5)]).toEqual([3, 0]);
    words[FALLBACK] = 5;
    expect([taken(5), taken(5)]).toEqual([2, 0]);
    own.setLimit(POOL, 4);
    expect(taken(5)).toBe(0);
    own.setLimit(POOL, 7);
    expect([taken(5), taken(5)]).toEqual([2, 0]);
    own.setLimit(POOL, 5);
    expect(taken(5)).toBe(0);
    own.release(POOL, 0, participant);
    own.release(POOL, 0, participant);
    expect(taken(5)).toBe(0);
    own.release(POOL, 0, participant);
    expect([taken(5), taken(5)]).toEqual([1, 0]);
  });

  it('that does not exist is never reached', () => {
    const { region, own } = makePool(USE_FALLBACK);
    const participant = new Participant(region, 0);
    for (let i = 0; i < 10_000; i++) {
      expect(own.take(POOL, participant)).not.toBe(QUOTA_EXHAUSTED);
    }
    expect(own.used(POOL)).toBe(10_000);
  });
});

describe('a pool that starts anew', () => {
  it('has nothing in use when the number of its generation comes again', () => {
    const { region, own } = makePool(LARGE);
    const [idle, renewing] = [new Participant(region, 0), new Participant(region, 1)];
    own.take(POOL, idle);
    own.take(POOL, idle);
    const inUse = Array.from({ length: GENERATIONS }, () => {
      own.renew(POOL, LARGE, renewing);
      return own.used(POOL);
    });
    expect(inUse.every((units) => units === 0)).toBe(true);
    own.take(POOL, idle);
    expect(own.used(POOL)).toBe(1);
  });
});

describe.each([{ checked: false }, { checked: true }])('a quota pool (checked: $checked)', ({ checked }) => {
  const crew = new Crew<QuotaPoolJobs>({ jobs: 'quota-pool-jobs', threads: THREADS, checked });
  let words: Words;
  let own: QuotaPools;

  const setUp = async (limit: number): Promise<void> => {
    const made = makePool(limit);
    ({ words, own } = made);
    const { region, pools, pool } = made;
    await crew.run('setUp', { region, pools, pool });
  };

  const take = (thread: number, count: number): Promise<number> => crew.runOn(thread, 'take', { count });
  const release = (thread: number, count: number): Promise<void> => crew.runOn(thread, 'release', { count });

  afterAll(() => crew.end());

  it.each(LIMITS)('of %i is never exceeded by threads that take and release, and counts exactly', async (limit) => {
    await setUp(limit);
    const plan = {
      words,
      gate: GATE,
      threads: THREADS,
      inUse: IN_USE,
      limit,
      mostHeld: limit + 1,
      rounds: limit < 64 ? 40_000 : 200_000,
    };
    const results = await crew.run('churn', plan);
    expect(own.used(POOL)).toBe(results.reduce((sum, { held }) => sum + held, 0));
    expect(own.used(POOL)).toBe(words[IN_USE]);
    /* Each tries to have one more than there are, alone if need be. */
    expect(results.reduce((sum, { refusals }) => sum + refusals, 0)).toBeGreaterThan(0);
    await crew.run('releaseAll', null);
    expect(own.used(POOL)).toBe(0);
  });

  it.each(LIMITS)('of %i gives exactly that many units to threads that only take', async (limit) => {
    await setUp(limit);
    const taken = await crew.run('takeAll', { words, gate: GATE, threads: THREADS });
    expect(taken.reduce((sum, ofThread) => sum + ofThread, 0)).toBe(limit);
    expect(own.used(POOL)).toBe(limit);
    expect(await crew.run('take', { count: 1 })).toEqual([0, 0, 0, 0]);
  });

  it('collects what lies unused with others before it refuses anybody', async () => {
    await setUp(LARGE);
    /* Each of these leaves a block with its thread, of which it uses one unit. */
    expect(await crew.run('take', { count: 1 })).toEqual([1, 1, 1, 1]);
    expect(await take(3, 2 * LARGE)).toBe(LARGE - THREADS);
    expect(own.used(POOL)).toBe(LARGE);
    expect(await crew.run('take', { count: 1 })).toEqual([0, 0, 0, 0]);
    /* Another thread may take a credit that one releases. */
    await release(0, 1);
    expect(await take(1, 2)).toBe(1);
    await release(3, 100);
    expect(await take(2, 200)).toBe(100);
    expect(own.used(POOL)).toBe(LARGE);
  });

  it('knows of a credit that a thread releases after it has returned all others, since a refusal', async () => {
    await setUp(2);
    await take(0, 2);
    expect(await take(1, 1)).toBe(0);
    await crew.runOn(0, 'returnAll', null);
    await release(0, 1);
    expect(await take(1, 2)).toBe(1);
  });

  it('does not count collected, released or returned credits as used', async () => {
    await setUp(LARGE);
    await take(0, 5000);
    await take(1, 1);
    expect(own.used(POOL)).toBe(5001);
    await release(0, 4000);
    expect(own.used(POOL)).toBe(1001);
    await crew.run('returnAll', null);
    expect(own.used(POOL)).toBe(1001);
    await crew.run('releaseAll', null);
    expect(own.used(POOL)).toBe(0);
  });

  it('refuses everybody while its limit is lowered below what is in use, and takes in again after', async () => {
    await setUp(10);
    expect(await take(0, 6)).toBe(6);
    expect(await take(1, 4)).toBe(4);
    own.setLimit(POOL, 4);
    expect(await crew.run('take', { count: 1 })).toEqual([0, 0, 0, 0]);
    expect(own.used(POOL)).toBe(10);
    await release(0, 6);
    expect(own.used(POOL)).toBe(4);
    expect(await crew.run('take', { count: 1 })).toEqual([0, 0, 0, 0]);
    await release(1, 1);
    expect(await take(2, 2)).toBe(1);
    own.setLimit(POOL, 6);
    expect(await take(3, 10)).toBe(2);
    expect(own.used(POOL)).toBe(6);
  });

  it('does not hand out from the blocks of its threads when its limit is lowered below what is in use', async () => {
    await setUp(LARGE);
    expect(await crew.run('take', { count: 1 })).toEqual([1, 1, 1, 1]);
    own.setLimit(POOL, THREADS - 1);
    expect(await crew.run('take', { count: 1 })).toEqual([0, 0, 0, 0]);
    expect(own.used(POOL)).toBe(THREADS);
    own.setLimit(POOL, THREADS + 1);
    const taken = await crew.run('take', { count: 1 });
    expect(taken.toSorted()).toEqual([0, 0, 0, 1]);
    expect(own.used(POOL)).toBe(THREADS + 1);
  });

  it('that starts anew has nothing in use, and units of before do not count when they come back', async () => {
    await setUp(LARGE);
    await crew.run('take', { count: 100 });
    await crew.runOn(0, 'renew', { limit: 5 });
    expect([own.limit(POOL), own.used(POOL)]).toEqual([5, 0]);
    /* Each thread first releases the last of the old credits. */
    await crew.run('release', { count: 50 });
    expect(own.used(POOL)).toBe(0);
    expect(await take(1, 10)).toBe(5);
    await release(0, 50);
    await release(2, 50);
    expect(own.used(POOL)).toBe(5);
    expect(await crew.run('take', { count: 1 })).toEqual([0, 0, 0, 0]);
    await release(1, 5);
    expect(own.used(POOL)).toBe(0);
    await release(1, 50);
    expect(own.used(POOL)).toBe(0);
    expect(await take(3, 10)).toBe(5);
  });

  it('does not count what a thread counts that stood still while the pool started anew', async () => {
    await setUp(LARGE);
    await crew.run('take', { count: 100 });
    for (let renewal = 0; renewal < 9; renewal++) {
      await crew.runOn(0, 'renew', { limit: LARGE });
      /* Thread 3 has released, and thread 2 has taken, credits of the first generation. They count them only now. */
      words[POOL + 4 * STRIDE_WORDS + RELEASED]! += 50;
      words[POOL + 3 * STRIDE_WORDS + TAKEN]! += 50;
      expect(own.used(POOL)).toBe(0);
      await crew.run('take', { count: 10 });
      expect(own.used(POOL)).toBe(40);
    }
  });

  it.each([3, LARGE])('of %i counts exactly although it was started anew while threads worked', async (limit) => {
    await setUp(limit);
    const heldGenerations = await crew.run('churnAndRenew', {
      words,
      gate: GATE,
      threads: THREADS,
      limit,
      rounds: 50_000,
    });
    /* 196 renewals: the pool is in this generation. */
    const generation = Math.ceil(50_000 / 256);
    const current = heldGenerations.flat().filter((ofUnit) => ofUnit === generation).length;
    expect(heldGenerations.flat().every((ofUnit) => ofUnit <= generation)).toBe(true);
    expect(own.used(POOL)).toBe(current);
    expect(current).toBeLessThanOrEqual(limit);
    await crew.run('releaseAll', null);
    expect(own.used(POOL)).toBe(0);
    const taken = await crew.run('takeAll', { words, gate: GATE + 1, threads: THREADS });
    expect(taken.reduce((sum, ofThread) => sum + ofThread, 0)).toBe(limit);
  });

  it('lets a batch prefetch credits far from the limit only, and has all of them back when the batch ends', async () => {
    await setUp(LARGE);
    expect(await crew.runOn(0, 'prefetchCredits', { count: 32 })).toBe(0);
    await take(0, 1);
    expect(await crew.runOn(0, 'prefetchCredits', { count: 32 })).toBe(32);
    await crew.runOn(0, 'releasePrefetched', { left: 30 });
    expect(own.used(POOL)).toBe(3);
    own.setLimit(POOL, 100);
    expect(await crew.runOn(0, 'prefetchCredits', { count: 32 })).toBe(0);
    expect(await take(1, 200)).toBe(100 - 3);
  });

  it.each([0, 1, 32])(
    'refuses nobody before a batch with prefetched credits has ended (%i of 32 left)',
    async (left) => {
      await setUp(LARGE);
      await take(0, 1);
      expect(await crew.runOn(0, 'prefetchCredits', { count: 32 })).toBe(32);
      expect(await take(1, LARGE - 33)).toBe(LARGE - 33);
      const taking = take(2, 1);
      /* It sleeps, and the watchdog sees for which thread it waits. */
      const sleepsOn = 2 * PARTICIPANT_WORDS + ParticipantWord.SLEEPS_ON;
      await until('thread 2 sleeps', () => Atomics.load(words, sleepsOn) !== 0);
      expect(ownerOf(words, Atomics.load(words, sleepsOn))).toBe(0);
      await crew.runOn(0, 'releasePrefetched', { left });
      expect(await taking).toBe(Math.min(left, 1));
      expect(Atomics.load(words, sleepsOn)).toBe(0);
      expect(await take(3, 100)).toBe(Math.max(left - 1, 0));
      expect(own.used(POOL)).toBe(LARGE);
    },
  );

  it.each([10, 3000, 20_000])('of %i is never exceeded by batches that prefetch credits', async (limit) => {
    await setUp(limit);
    const results = await crew.run('churnInBatches', {
      words,
      gate: GATE,
      threads: THREADS,
      inUse: IN_USE,
      limit,
      batches: 10_000,
    });
    expect(own.used(POOL)).toBe(results.reduce((sum, { held }) => sum + held, 0));
    expect(own.used(POOL)).toBe(words[IN_USE]);
    expect(results.some(({ prefetched }) => prefetched > 0)).toBe(limit > 1000);
    await crew.run('releaseAll', null);
    expect(own.used(POOL)).toBe(0);
  });

  if (checked) {
    /** Has a thread take a unit, or wait for the pool, and lets the stopped thread go on then. */
    const takeMeanwhile = async (thread: number): Promise<number> => {
      let done = false;
      const taking = take(thread, 1).finally(() => {
        done = true;
      });
      await until('the thread has its unit or waits', () => done || (Atomics.load(words, POOL_MUTEX) & 1) === 1);
      signal(words, GO_ON, 1);
      return taking;
    };

    /*
     * Thread 0 gives its unit back before thread 1 takes one, so of two units never more than one is in use beside
     * thread 2, which must get the other. It looks at thread 0's word before that and at thread 1's after.
     */
    it('does not refuse a thread that collects while one credit is released and then another one taken', async () => {
      await setUp(2);
      await take(0, 1);
      await take(1, 1);
      await release(1, 1);
      const collecting = crew.runOn(2, 'takeStoppingWhileCollecting', { words, stopped: STOPPED, goOn: GO_ON });
      await until('thread 2 has emptied the word of thread 0', () => Atomics.load(words, STOPPED) === 1);
      await release(0, 1);
      const thread1 = await takeMeanwhile(1);
      expect({ thread1, thread2: await collecting }).toEqual({ thread1: 1, thread2: true });
    });

    /* The batch gives its 32 units back after thread 2 has looked for unused ones, before it looks for batches. */
    it('refuses nobody while a batch releases its prefetched credits', async () => {
      await setUp(LARGE);
      await take(0, 1);
      expect(await crew.runOn(0, 'prefetchCredits', { count: 32 })).toBe(32);
      expect(await take(1, LARGE - 33)).toBe(LARGE - 33);
      const plan = { words, mutex: POOL_MUTEX, stopped: STOPPED, goOn: GO_ON };
      let done = false;
      const taking = crew.runOn(2, 'takeStoppingAfterUnlock', plan).finally(() => {
        done = true;
      });
      await until('thread 2 has found no unused unit', () => done || Atomics.load(words, STOPPED) === 1);
      await crew.runOn(0, 'releasePrefetched', { left: 32 });
      signal(words, GO_ON, 1);
      expect(await taking).toBe(true);
    });

    it('refuses without writing anything while nobody has released a credit since the last refusal', async () => {
      await setUp(2);
      await take(0, 1);
      await take(1, 1);
      expect(await take(2, 1)).toBe(0);
      for (const thread of [0, 1, 2, 3]) {
        expect(await crew.runOn(thread, 'takeCountingWrites', null)).toEqual({ taken: false, writes: 0 });
      }
      await release(1, 1);
      expect(await take(3, 2)).toBe(1);
      expect(await crew.runOn(2, 'takeCountingWrites', null)).toEqual({ taken: false, writes: 0 });
    });

    /* Thread 2 has collected in vain. Thread 0 releases a credit before thread 2 writes FULL_BELOW. */
    it('is not marked as full when a credit is released during a refusal', async () => {
      await setUp(1);
      await take(0, 1);
      /* Not sure, full. */
      const plan = { words, index: POOL_FULL_BELOW, nth: 2, stopped: STOPPED, goOn: GO_ON };
      let done = false;
      const refused = crew.runOn(2, 'takeStoppingBefore', plan).finally(() => {
        done = true;
      });
      await until('thread 2 has found no unit', () => done || Atomics.load(words, STOPPED) === 1);
      await release(0, 1);
      signal(words, GO_ON, 1);
      expect(await refused).toBe(false);
      expect(await take(3, 1)).toBe(1);
    });

    it('counts what is in use while another thread stands still in the middle of looking for a unit', async () => {
      await setUp(2);
      await take(0, 1);
      await take(1, 1);
      const plan = { words, stopped: STOPPED, goOn: GO_ON };
      const collecting = crew.runOn(2, 'takeStoppingWhileCollecting', plan);
      await until('thread 2 has emptied the word of thread 0', () => Atomics.load(words, STOPPED) === 1);
      expect(own.used(POOL)).toBe(2);
      expect(own.mayUseReserved(POOL)).toBe(true);
      await release(0, 1);
      expect(own.used(POOL)).toBe(1);
      signal(words, GO_ON, 1);
      expect(await collecting).toBe(true);
      expect(own.used(POOL)).toBe(2);
    });

    it('never says that less than nothing is in use', async () => {
      await setUp(LARGE);
      const counting = crew.runOn(2, 'usedStoppingInBetween', { words, stopped: STOPPED, goOn: GO_ON });
      await until('thread 2 has read the first word', () => Atomics.load(words, STOPPED) === 1);
      expect(await takeMeanwhile(0)).toBe(1);
      expect([0, 1]).toContain(await counting);
    });
  }
});

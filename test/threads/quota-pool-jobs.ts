/** Jobs of the quota pool tests. */

import { setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { Participant, type ParticipantRegion } from '../../src/shared/memory/participant.ts';
import { QUOTA_EXHAUSTED, QuotaPools, type QuotaPoolsOptions } from '../../src/shared/quota/quota-pool.ts';
import { serve } from './serve.ts';
import { randomSequence, signal, startTogether, waitForSignal } from './steps.ts';

export interface QuotaPoolSetUp {
  region: ParticipantRegion;
  pools: QuotaPoolsOptions;
  pool: number;
}

let me: Participant;
let pools: QuotaPools;
let pool: number;
/** Generations of the units that this thread has in use. */
let held: number[];

const jobs = {
  setUp(setUp: QuotaPoolSetUp, thread: number): void {
    me = new Participant(setUp.region, thread);
    pools = new QuotaPools(setUp.pools);
    pool = setUp.pool;
    held = [];
  },

  /** Takes `count` units, or as many as it gets before it is refused; returns how many. */
  take({ count }: { count: number }): number {
    for (let taken = 0; taken < count; taken++) {
      const generation = pools.take(pool, me);
      if (generation === QUOTA_EXHAUSTED) {
        return taken;
      }
      held.push(generation);
    }
    return count;
  },

  release({ count }: { count: number }): void {
    for (let given = 0; given < count; given++) {
      pools.release(pool, held.pop()!, me);
    }
  },

  releaseAll(_: null): void {
    while (held.length > 0) {
      pools.release(pool, held.pop()!, me);
    }
  },

  returnAll(_: null): void {
    pools.returnAll(pool, me);
  },

  /** Begins a batch. @returns the credits that it has prefetched */
  prefetchCredits({ count }: { count: number }): number {
    return pools.prefetchCredits(pool, count, me);
  },

  releasePrefetched({ left }: { left: number }): void {
    pools.releasePrefetched(pool, left, me);
  },

  renew({ limit }: { limit: number }): void {
    pools.renew(pool, limit, me);
  },

  /** Takes together with the other threads until it is refused. */
  takeAll(plan: { words: Words; gate: number; threads: number }): number {
    startTogether(plan.words, plan.gate, plan.threads);
    for (let taken = 0; ; taken++) {
      const generation = pools.take(pool, me);
      if (generation === QUOTA_EXHAUSTED) {
        return taken;
      }
      held.push(generation);
    }
  },

  /**
   * Takes and releases at random. All threads count the credits in use: from after a credit was taken until before it is
   * released. Returns the credits that it still has, and the number of refusals.
   */
  churn(
    plan: {
      words: Words;
      gate: number;
      threads: number;
      inUse: number;
      limit: number;
      mostHeld: number;
      rounds: number;
    },
    thread: number,
  ): { held: number; refusals: number } {
    const random = randomSequence(thread);
    let refusals = 0;
    startTogether(plan.words, plan.gate, plan.threads);
    let growing = true;
    for (let round = 0; round < plan.rounds; round++) {
      const full = held.length === plan.mostHeld;
      if (held.length === 0) {
        growing = true;
      } else if (full) {
        growing = false;
      }
      /* One of eight steps goes against the current, so that units lie about in both phases. */
      if (full || (held.length > 0 && (random() % 8 === 0) === growing)) {
        Atomics.sub(plan.words, plan.inUse, 1);
        pools.release(pool, held.pop()!, me);
        continue;
      }
      const generation = pools.take(pool, me);
      if (generation === QUOTA_EXHAUSTED) {
        refusals++;
        growing = false;
        continue;
      }
      held.push(generation);
      const inUse = Atomics.add(plan.words, plan.inUse, 1) + 1;
      if (inUse > plan.limit) {
        throw new Error(`${inUse} units were in use at once, more than the limit of ${plan.limit}`);
      }
    }
    return { held: held.length, refusals };
  },

  /** Like churn, but in batches of up to 32 that prefetch credits where they can. Returns the credits that it still has. */
  churnInBatches(
    plan: { words: Words; gate: number; threads: number; inUse: number; limit: number; batches: number },
    thread: number,
  ): { held: number; prefetched: number } {
    const random = randomSequence(thread);
    let prefetched = 0;
    startTogether(plan.words, plan.gate, plan.threads);
    for (let batch = 0; batch < plan.batches; batch++) {
      const count = 2 + (random() % 31);
      const taken = pools.prefetchCredits(pool, count, me);
      prefetched += taken;
      let inHand = taken;
      /* Not always as many as were expected. */
      for (let i = random() % 4; i < count; i++) {
        if (inHand > 0) {
          inHand--;
          held.push(0);
        } else {
          const generation = pools.take(pool, me);
          if (generation === QUOTA_EXHAUSTED) {
            continue;
          }
          held.push(generation);
        }
        const inUse = Atomics.add(plan.words, plan.inUse, 1) + 1;
        if (inUse > plan.limit) {
          throw new Error(`${inUse} units were in use at once, more than the limit of ${plan.limit}`);
        }
      }
      if (taken > 0) {
        pools.releasePrefetched(pool, inHand, me);
      }
      /* Up to the limit and down again. */
      for (let i = batch % 512 < 384 ? random() % 24 : random() % 256; i > 0 && held.length > 0; i--) {
        Atomics.sub(plan.words, plan.inUse, 1);
        pools.release(pool, held.pop()!, me);
      }
    }
    return { held: held.length, prefetched };
  },

  /** Like churn, while thread 0 starts the pool anew again and again. Returns the generations that it holds. */
  churnAndRenew(
    plan: { words: Words; gate: number; threads: number; limit: number; rounds: number },
    thread: number,
  ): number[] {
    const random = randomSequence(thread);
    startTogether(plan.words, plan.gate, plan.threads);
    for (let round = 0; round < plan.rounds; round++) {
      if (thread === 0 && round % 256 === 0) {
        pools.renew(pool, plan.limit, me);
      }
      if (held.length > 0 && random() % 8 < 3) {
        pools.release(pool, held.splice(random() % held.length, 1)[0]!, me);
      } else if (held.length < 100) {
        const generation = pools.take(pool, me);
        if (generation !== QUOTA_EXHAUSTED) {
          held.push(generation);
        }
      }
    }
    return held;
  },

  /**
   * In a checked thread: takes one unit, but stops before the access that empties the second participant's word until
   * told to go on. Returns whether it got the unit.
   */
  takeStoppingWhileCollecting(plan: { words: Words; stopped: number; goOn: number }): boolean {
    let exchanges = 0;
    setSchedulingHook((kind) => {
      if (kind === 'exchange' && ++exchanges === 2) {
        setSchedulingHook(undefined);
        signal(plan.words, plan.stopped, 1);
        waitForSignal(plan.words, plan.goOn, 1);
      }
    });
    try {
      return pools.take(pool, me) !== QUOTA_EXHAUSTED;
    } finally {
      setSchedulingHook(undefined);
    }
  },

  /** In a checked thread: takes one unit, but stops after it let go of the pool's mutex until told to go on. */
  takeStoppingAfterUnlock(plan: { words: Words; mutex: number; stopped: number; goOn: number }): boolean {
    let unlocked = false;
    setSchedulingHook((kind, _words, index) => {
      if (unlocked) {
        setSchedulingHook(undefined);
        signal(plan.words, plan.stopped, 1);
        waitForSignal(plan.words, plan.goOn, 1);
      }
      unlocked = kind === 'exchange' && index === plan.mutex;
    });
    try {
      return pools.take(pool, me) !== QUOTA_EXHAUSTED;
    } finally {
      setSchedulingHook(undefined);
    }
  },

  /** In a checked thread: takes one unit; returns whether it got it, and how many words it tried to change for it. */
  takeCountingWrites(_: null): { taken: boolean; writes: number } {
    let writes = 0;
    setSchedulingHook((kind) => {
      writes += kind === 'load' || kind === 'peek' ? 0 : 1;
    });
    try {
      return { taken: pools.take(pool, me) !== QUOTA_EXHAUSTED, writes };
    } finally {
      setSchedulingHook(undefined);
    }
  },

  /** In a checked thread: takes one unit, but stops before its n-th write to that word until told to go on. */
  takeStoppingBefore(plan: { words: Words; index: number; nth: number; stopped: number; goOn: number }): boolean {
    let writes = 0;
    setSchedulingHook((kind, _words, index) => {
      if (index === plan.index && kind !== 'load' && ++writes === plan.nth) {
        setSchedulingHook(undefined);
        signal(plan.words, plan.stopped, 1);
        waitForSignal(plan.words, plan.goOn, 1);
      }
    });
    try {
      return pools.take(pool, me) !== QUOTA_EXHAUSTED;
    } finally {
      setSchedulingHook(undefined);
    }
  },

  /** In a checked thread: what used() says if it stops before its second access until told to go on. */
  usedStoppingInBetween(plan: { words: Words; stopped: number; goOn: number }): number {
    let accesses = 0;
    setSchedulingHook(() => {
      if (++accesses === 2) {
        setSchedulingHook(undefined);
        signal(plan.words, plan.stopped, 1);
        waitForSignal(plan.words, plan.goOn, 1);
      }
    });
    try {
      return pools.used(pool);
    } finally {
      setSchedulingHook(undefined);
    }
  },
};

export type QuotaPoolJobs = typeof jobs;
serve(jobs);

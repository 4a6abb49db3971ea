/** Jobs of the lock checker tests: a list of steps, done until one throws. */

import { setSchedulingHook, type Words } from '../../src/shared/access.ts';
import { assertNoneHeld, LockClass } from '../../src/shared/sync/lockdep.ts';
import { assertHeld, lock, lockPair, lockTagOf, tryLock, unlock, unlockPair } from '../../src/shared/sync/mutex.ts';
import { serve } from './serve.ts';

export type LockName = keyof typeof LockClass;

export type Step =
  | { do: 'lock' | 'tryLock'; words: Words; index: number; as: LockName }
  | { do: 'lockPair'; words: Words; a: number; b: number; as: LockName }
  | { do: 'unlockPair'; words: Words; a: number; b: number }
  | { do: 'unlock' | 'assertHeld'; words: Words; index: number }
  | { do: 'assertNoneHeld' };

const owner = { lockTag: lockTagOf(0), spinEstimate: 20 };

function perform(step: Step): void {
  switch (step.do) {
    case 'lock':
      lock(step.words, step.index, owner, LockClass[step.as]);
      return;
    case 'tryLock':
      tryLock(step.words, step.index, owner, LockClass[step.as]);
      return;
    case 'lockPair':
      lockPair(step.words, step.a, step.b, owner, LockClass[step.as]);
      return;
    case 'unlockPair':
      unlockPair(step.words, step.a, step.b);
      return;
    case 'unlock':
      unlock(step.words, step.index);
      return;
    case 'assertHeld':
      assertHeld(step.words, step.index);
      return;
    case 'assertNoneHeld':
      assertNoneHeld();
  }
}

const jobs = {
  /** Performs all steps, also after one that threw; returns what each threw, or null. Then releases what is held. */
  perform(steps: Step[]): (string | null)[] {
    let held: { words: Words; index: number }[] = [];
    const errors = steps.map((step) => {
      try {
        perform(step);
      } catch (error) {
        return (error as Error).message;
      }
      if (step.do === 'lock') {
        held.push(step);
      } else if (step.do === 'unlock') {
        held = held.filter(({ index }) => index !== step.index);
      }
      return null;
    });
    for (const { words, index } of held.reverse()) {
      unlock(words, index);
    }
    assertNoneHeld();
    return errors;
  },

  installHook(_: null): string | undefined {
    try {
      setSchedulingHook(undefined);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  },
};

export type LockdepJobs = typeof jobs;
serve(jobs);

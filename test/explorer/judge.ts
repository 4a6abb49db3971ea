/** What a run's end means. */

import { Outcome, ThreadState } from './board.ts';
import type { ExplorerCrew, RunResult } from './crew.ts';

export type FailureKind =
  | 'deadlock'
  | 'lost wake-up'
  | 'lock never released'
  | 'livelock'
  | 'double unlock'
  | 'lock order'
  | 'lock ownership'
  | 'ledger'
  | 'exception'
  /** What a scenario found: see ViolationKind. */
  | (string & {});

export interface Failure {
  kind: FailureKind;
  message: string;
  /** As scheduleText. */
  schedule: string;
}

/** Begins what the ledger of a checked process says (shared/ledger.ts): what a unit is, its number and its state. */
const LEDGER = /^(record|index block at line) \d+ \(\w+\): /;

/** Is this the word of a mutex (src/shared/sync/mutex.ts) that a thread of the scenario holds, and another one waits for? */
function holderOf(word: number, threads: number): number {
  const holder = (word >>> 1) - 1;
  return holder >= 0 && holder < threads ? holder : -1;
}

/**
 * Nobody can run and somebody sleeps. Whoever sleeps on a word that has changed meanwhile, or that is no held mutex,
 * should have been woken: a lost wake-up. On the mutex of a thread that sleeps itself: a deadlock. On that of one that has
 * ended or died: a lock that was not released.
 */
function judgeStuck(crew: ExplorerCrew): Omit<Failure, 'schedule'> {
  const threads = crew.lastThreads;
  const sleepers = threads.flatMap((thread, id) => (thread.state === ThreadState.sleeping ? [{ id, ...thread }] : []));
  const places = sleepers.map(
    ({ id, region, index, expected, value }) =>
      `thread ${id} sleeps on ${crew.regions[region]!.name}[${index}] while it is ${expected}` +
      (value === expected ? '' : `, and it is ${value}`),
  );
  const message = places.join('; ');
  const holders = sleepers.map(({ value, expected }) =>
    value === expected && (value & 1) !== 0 ? holderOf(value, threads.length) : -1,
  );
  if (holders.includes(-1)) {
    return { kind: 'lost wake-up', message };
  }
  const isHeldByGone = holders.some((holder) => threads[holder]!.state !== ThreadState.sleeping);
  return { kind: isHeldByGone ? 'lock never released' : 'deadlock', message };
}

/** @returns undefined if all is well */
export function judge(crew: ExplorerCrew, run: RunResult): Failure | undefined {
  const schedule = '';
  switch (run.outcome) {
    case Outcome.ended:
      return undefined;
    case Outcome.stuck:
      return { ...judgeStuck(crew), schedule };
    case Outcome.livelock:
      return { kind: 'livelock', message: `no end after ${run.steps} steps`, schedule };
    default: {
      const { name, failure, stack } = run.thrown ?? { name: 'Error', failure: 'a thread failed', stack: '' };
      if (name === 'Violation') {
        const colon = failure.indexOf(':');
        return { kind: failure.slice(0, colon), message: failure.slice(colon + 2), schedule };
      }
      if (failure.includes('is released by a thread that does not hold it')) {
        return { kind: 'double unlock', message: failure, schedule };
      }
      if (failure.startsWith('lock order') || failure.startsWith('lock ownership')) {
        return { kind: failure.slice(0, failure.indexOf(':')), message: failure, schedule };
      }
      if (LEDGER.test(failure)) {
        return { kind: 'ledger', message: failure, schedule };
      }
      return { kind: 'exception', message: stack, schedule };
    }
  }
}

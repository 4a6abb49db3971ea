/** What a scenario is: a small state in shared memory, and what each of two to four threads does to it. */

import type { Words } from '../../src/shared/access.ts';

/** Shared memory that the threads of a scenario work on. */
export interface Region {
  name: string;
  words: Words;
  /**
   * What a run may change, as pairs [first word, word after the last]; set back before every run. The explorer notices when
   * a run changes what the next one sees.
   */
  ranges: readonly (readonly [number, number])[];
}

export interface Built<S> {
  /** Goes to all threads by postMessage. */
  shared: S;
  regions: readonly Region[];
}

/** What a scenario can ask of the explorer. */
export interface Stage {
  /** Blocks the calling thread until the other one has died (true) or ended (false). */
  awaitDeath(thread: number): boolean;
}

/** What one thread does. */
export interface Part {
  /** Before every run: what the thread has besides shared memory is as it was when it attached. No scheduling points. */
  reset?(): void;
  run(): void;
  /** After every run, in whichever thread ended last; throws (see violate) if something is not as it should be. */
  check?(): void;
}

export interface Scenario<S> {
  threads: number;
  /** Makes the initial state; in thread 0. */
  build(): Built<S>;
  /** In each thread once, in order. What it changes in shared memory belongs to the initial state. */
  attach(shared: S, thread: number, stage: Stage): Part;
  /** Name of a word, for traces. */
  nameOf?(shared: S, region: number, index: number): string | undefined;
}

/** Makes TypeScript infer S. */
export function scenario<S>(parts: Scenario<S>): Scenario<S> {
  return parts;
}

/** Names of failures that scenarios find. */
export type ViolationKind =
  | 'invariant violated'
  | 'double clean'
  | 'half-linked connection'
  | 'incomplete connection'
  | 'lost update'
  | 'lost value'
  | 'lock left held'
  | 'reuse before the epoch ended'
  | 'tuple twice'
  | 'unit handed out twice'
  | 'connection not found'
  | 'stale mark'
  | 'refused too early'
  | 'limit exceeded'
  | 'wrong count'
  | 'not repaired';

/** Throws what the explorer reports under this name. */
export function violate(kind: ViolationKind, details: string): never {
  const error = new Error(`${kind}: ${details}`);
  error.name = 'Violation';
  throw error;
}

/** How tests bring threads into known states: words that one side sets and the other waits for. No pauses. */

import { setImmediate } from 'node:timers/promises';
import { type Words } from '../../src/shared/access.ts';

/** A failure deadline, not a pause. */
const DEADLINE_MS = 240_000;

/** Blocks the calling thread until `threads` of them are here. The gate is a fresh word, used once. */
export function startTogether(words: Words, gate: number, threads: number): void {
  if (Atomics.add(words, gate, 1) + 1 === threads) {
    Atomics.notify(words, gate);
  }
  for (;;) {
    const arrived = Atomics.load(words, gate);
    if (arrived >= threads) {
      return;
    }
    Atomics.wait(words, gate, arrived);
  }
}

/** Sets a word that somebody waits for. */
export function signal(words: Words, index: number, value: number): void {
  Atomics.store(words, index, value);
  Atomics.notify(words, index);
}

/** Blocks the calling thread until the word has been signalled with `value`. */
export function waitForSignal(words: Words, index: number, value: number): void {
  for (;;) {
    const seen = Atomics.load(words, index);
    if (seen === value) {
      return;
    }
    Atomics.wait(words, index, seen);
  }
}

/** On the main thread: resolves as soon as the condition holds. @throws Error if it never does. */
export async function until(condition: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > deadline) {
      throw new Error(`it never happened that ${condition}`);
    }
    await setImmediate();
  }
}

/** A thread's own sequence of integers from 0 to 2^31 - 1: the same in every run. */
export function randomSequence(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 1;
  };
}

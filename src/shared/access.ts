/**
 * The access seam: the functions through which threads touch words that other threads may touch at the same time.
 *
 * Every access outside a lock goes through this file. So a test can stop a thread before any such access and try every
 * interleaving. In a production process each function is the Atomics operation of its name. With CT_CHECKED=1 each
 * function calls the scheduling hook first.
 *
 * JavaScript has two memory orders: sequentially consistent (Atomics) and unordered (plain). A plain access to an
 * aligned 32-bit word never tears. `peek` and `poke` are the plain accesses. They are for single words that another
 * thread may change at any time. The reader must treat what it reads as a hint.
 */

/** A region of 32-bit words that several threads map. */
export type Words = Int32Array<SharedArrayBuffer>;

/** True in a process started with CT_CHECKED=1: locks assert order and ownership, accesses call the hook. */
export const CHECKED: boolean = process.env['CT_CHECKED'] === '1';

export type AccessKind =
  | 'load'
  | 'store'
  | 'compareExchange'
  | 'exchange'
  | 'add'
  | 'or'
  | 'peek'
  | 'poke'
  | 'wait'
  | 'notify';

/** Called before every shared access of a checked process. */
export type SchedulingHook = (kind: AccessKind, words: Words, index: number) => void;

export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

/** Replaces sleeping and spinning in a test that schedules the threads itself. `wait` and `notify` call the hook first. */
export interface SleepHooks {
  wait(words: Words, index: number, expected: number, timeoutMs: number | undefined): WaitResult;
  notify(words: Words, index: number, count: number): number;
  pause(): void;
}

let hook: SchedulingHook | undefined;
let sleepHooks: SleepHooks | undefined;

/**
 * Installs this thread's scheduling hook; undefined removes it.
 * @param newSleepHooks replace sleeping and spinning; default: the thread really sleeps
 * @throws Error outside a checked process, where no access calls the hook
 */
export function setSchedulingHook(newHook: SchedulingHook | undefined, newSleepHooks?: SleepHooks): void {
  if (!CHECKED) {
    throw new Error('scheduling hooks need a checked process: start it with CT_CHECKED=1');
  }
  hook = newHook;
  sleepHooks = newSleepHooks;
}

function at(kind: AccessKind, words: Words, index: number): void {
  if (hook !== undefined) {
    hook(kind, words, index);
  }
}

type Read = (words: Words, index: number) => number;
type Write = (words: Words, index: number, value: number) => void;
type ReadModifyWrite = (words: Words, index: number, value: number) => number;
type CompareExchange = (words: Words, index: number, expected: number, value: number) => number;

/** Sequentially consistent read. */
export const load: Read = CHECKED
  ? (words, index) => {
      at('load', words, index);
      return Atomics.load(words, index);
    }
  : (words, index) => Atomics.load(words, index);

/** Sequentially consistent write: publishes everything written before it. */
export const store: Write = CHECKED
  ? (words, index, value) => {
      at('store', words, index);
      Atomics.store(words, index, value);
    }
  : (words, index, value) => {
      Atomics.store(words, index, value);
    };

/** Writes `value` if the word holds `expected`; returns what it held. */
export const compareExchange: CompareExchange = CHECKED
  ? (words, index, expected, value) => {
      at('compareExchange', words, index);
      return Atomics.compareExchange(words, index, expected, value);
    }
  : (words, index, expected, value) => Atomics.compareExchange(words, index, expected, value);

/** Writes `value`; returns what the word held. */
export const exchange: ReadModifyWrite = CHECKED
  ? (words, index, value) => {
      at('exchange', words, index);
      return Atomics.exchange(words, index, value);
    }
  : (words, index, value) => Atomics.exchange(words, index, value);

/** Adds; returns what the word held before. */
export const add: ReadModifyWrite = CHECKED
  ? (words, index, value) => {
      at('add', words, index);
      return Atomics.add(words, index, value);
    }
  : (words, index, value) => Atomics.add(words, index, value);

/** Sets bits; returns what the word held before. */
export const or: ReadModifyWrite = CHECKED
  ? (words, index, value) => {
      at('or', words, index);
      return Atomics.or(words, index, value);
    }
  : (words, index, value) => Atomics.or(words, index, value);

/** Plain read of a word that may change at any moment: a hint. */
export const peek: Read = CHECKED
  ? (words, index) => {
      at('peek', words, index);
      return words[index]!;
    }
  : (words, index) => words[index]!;

/** Plain write of a single word that others read as a hint. */
export const poke: Write = CHECKED
  ? (words, index, value) => {
      at('poke', words, index);
      words[index] = value;
    }
  : (words, index, value) => {
      words[index] = value;
    };

/** Sleeps while the word holds `expected`, at most `timeoutMs`. */
export function wait(words: Words, index: number, expected: number, timeoutMs?: number): WaitResult {
  if (CHECKED) {
    at('wait', words, index);
    if (sleepHooks !== undefined) {
      return sleepHooks.wait(words, index, expected, timeoutMs);
    }
  }
  return Atomics.wait(words, index, expected, timeoutMs);
}

/** Wakes at most `count` sleepers; returns how many. */
export function notify(words: Words, index: number, count: number): number {
  if (CHECKED) {
    at('notify', words, index);
    if (sleepHooks !== undefined) {
      return sleepHooks.notify(words, index, count);
    }
  }
  return Atomics.notify(words, index, count);
}

const pauseProcessor: () => void =
  typeof (Atomics as { pause?: () => void }).pause === 'function'
    ? (Atomics as unknown as { pause: () => void }).pause
    : () => {};

/** Tells the processor that this is a spin loop: Atomics.pause in Node 24 and later. Before that it does nothing. */
export const pause: () => void = CHECKED
  ? () => {
      if (sleepHooks === undefined) {
        pauseProcessor();
      } else {
        sleepHooks.pause();
      }
    }
  : pauseProcessor;

/** A zeroed region of `words` 32-bit words. The system commits a page when a thread first touches it. */
export function allocateWords(words: number): Words {
  return new Int32Array(new SharedArrayBuffer(words * 4));
}

/** The same memory as bytes. */
export function bytesOf(words: Words): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** The same memory as 64-bit floats; element i is the words 2i and 2i + 1. */
export function floatsOf(words: Words): Float64Array {
  return new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
}

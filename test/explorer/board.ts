/**
 * The board: the words through which the explorer and its threads hand the turn to one another. One thread moves at a
 * time, and only the one that has the turn writes here; giving the turn is an Atomics.store, so plain accesses do.
 *
 *   line 0          the run: see BoardWord
 *   a line each     for every thread: see ThreadWord
 *   decisions       pairs (step, choice), by step; then the change points of a random run
 *   trace           TRACE_WORDS for every step
 *
 * A step is a moment at which another thread may be chosen: before an access of a running thread, or when a thread
 * cannot go on (it sleeps, yields, has ended or died).
 */

export type Board = Int32Array<SharedArrayBuffer>;

const LINE = 16;

export const MAX_THREADS = 4;
/** A run with more steps is a livelock. */
export const MAX_STEPS = 20_000;
export const MAX_DECISIONS = 4096;
export const MAX_CHANGE_POINTS = 16;

export const BoardWord = {
  /** The explorer has the turn: 1. */
  EXPLORER_TURN: 0,
  STEP: 1,
  /** An Outcome. */
  OUTCOME: 2,
  /** Whose failure it is. */
  CULPRIT: 3,
  /** Threads (bits) that can run, that spin until somebody writes, that have ended, that died. */
  READY: 4,
  PAUSED: 5,
  ENDED: 6,
  DEAD: 7,
  /** Next unused of the decisions. */
  NEXT_DECISION: 8,
  /** 1: by priorities instead of decisions. */
  IS_RANDOM: 9,
  NEXT_CHANGE: 10,
  /** Counts sleepers, for first come, first served. */
  SLEEPERS: 11,
  /** Waits that ended by their timeout. */
  TIMEOUTS: 12,
  /** Of all steps so far. */
  HASH: 13,
  /** What a thread is to do with its turn: an OrderCode. */
  ORDER: 14,
  THREADS: 15,
  /** 1: threads keep a log of values. */
  IS_VERBOSE: LINE,
  /** 1: when nobody can run, the first who sleeps with a timeout goes on. */
  MAY_TIME_OUT: LINE + 1,
} as const;

export const OrderCode = { run: 0, abort: 1, release: 2 } as const;

export const Outcome = {
  running: 0,
  ended: 1,
  /** Nobody can run and somebody sleeps. */
  stuck: 2,
  livelock: 3,
  /** A thread threw; it has sent what. */
  threw: 4,
} as const;

export const ThreadWord = {
  TURN: 0,
  /** A ThreadState. */
  STATE: 1,
  WAIT_REGION: 2,
  WAIT_INDEX: 3,
  WAIT_VALUE: 4,
  /** Place in the queue of sleepers. */
  WAIT_ORDER: 5,
  HAS_TIMEOUT: 6,
  /** How the wait ended: 1 by its timeout. */
  TIMED_OUT: 7,
  /** Thread whose death is awaited. */
  AWAITED: 8,
  /** In a random run; the highest goes first. */
  PRIORITY: 9,
} as const;

export const ThreadState = {
  /** Not yet begun. */
  fresh: 0,
  begun: 1,
  sleeping: 2,
  paused: 3,
  awaitingDeath: 4,
  ended: 5,
  dead: 6,
} as const;

const FIRST_THREAD = 2 * LINE;
const DECISIONS = FIRST_THREAD + MAX_THREADS * LINE;
const CHANGE_POINTS = DECISIONS + 2 * MAX_DECISIONS;
const TRACE = CHANGE_POINTS + MAX_CHANGE_POINTS;

/** A step of the trace: code word, threads that could run, index of the word, hash of all steps up to here. */
export const TRACE_WORDS = 4;

export function allocateBoard(): Board {
  return new Int32Array(new SharedArrayBuffer((TRACE + (MAX_STEPS + 8) * TRACE_WORDS) * 4));
}

export function threadWord(thread: number): number {
  return FIRST_THREAD + thread * LINE;
}

export function decisionWord(n: number): number {
  return DECISIONS + 2 * n;
}

export function changePointWord(n: number): number {
  return CHANGE_POINTS + n;
}

export function traceWord(step: number): number {
  return TRACE + step * TRACE_WORDS;
}

/** What happens at a step. From FIRST_FREE on the thread cannot go on, and to choose another is no preemption. */
export const STEP_KINDS = [
  'load',
  'store',
  'compareExchange',
  'exchange',
  'add',
  'or',
  'peek',
  'poke',
  'wait',
  'notify',
  'begin',
  'sleep',
  'pause',
  'await death',
  'end',
  'die',
] as const;
export type StepKind = (typeof STEP_KINDS)[number];
export const StepCode = Object.fromEntries(STEP_KINDS.map((kind, code) => [kind, code])) as Record<StepKind, number>;
export const FIRST_FREE: number = StepCode.begin;

/** Kinds that only read. */
export function isRead(code: number): boolean {
  return code === StepCode.load || code === StepCode.peek;
}

/** Code word: thread, kind, region, and the thread that was chosen. */
export function packStep(thread: number, code: number, region: number, chosen: number): number {
  return thread | (code << 4) | (region << 12) | (chosen << 20);
}
export const stepThread = (word: number): number => word & 0xf;
export const stepCode = (word: number): number => (word >>> 4) & 0xff;
export const stepRegion = (word: number): number => (word >>> 12) & 0xff;
export const stepChosen = (word: number): number => (word >>> 20) & 0xff;

/** The choice that lets the running thread die. */
export const DIES = 0xff;

/** Whom a thread that cannot go on gives the turn to, if nothing else was decided: the next one that can run. */
export function nextReady(ready: number, thread: number, threads: number): number {
  for (let i = 1; i <= threads; i++) {
    const candidate = (thread + i) % threads;
    if ((ready & (1 << candidate)) !== 0) {
      return candidate;
    }
  }
  return -1;
}

/* A turn usually comes back after some microseconds; sleeping and being woken takes longer. */
const LOOKS = 2000;

/** Blocks until the turn word is 1, and takes it. @returns false if it does not come within `timeoutMs` */
export function awaitTurn(board: Board, word: number, timeoutMs: number): boolean {
  for (let look = 0; look < LOOKS; look++) {
    if (Atomics.load(board, word) === 1) {
      Atomics.store(board, word, 0);
      return true;
    }
  }
  for (;;) {
    const result = Atomics.wait(board, word, 0, timeoutMs);
    if (Atomics.load(board, word) === 1) {
      Atomics.store(board, word, 0);
      return true;
    }
    if (result === 'timed-out') {
      return false;
    }
  }
}

export function giveTurn(board: Board, word: number): void {
  Atomics.store(board, word, 1);
  Atomics.notify(board, word, 1);
}

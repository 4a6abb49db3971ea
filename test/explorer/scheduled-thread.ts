/**
 * A thread's side of the explorer: the hooks that the access seam calls. The thread that has the turn decides itself, by
 * the decisions on the board, whether it goes on; going on costs no more than some plain accesses.
 */

import type { AccessKind, SleepHooks, WaitResult, Words } from '../../src/shared/access.ts';
import {
  awaitTurn,
  type Board,
  BoardWord,
  changePointWord,
  decisionWord,
  DIES,
  giveTurn,
  isRead,
  MAX_STEPS,
  nextReady,
  OrderCode,
  Outcome,
  packStep,
  StepCode,
  ThreadState,
  threadWord,
  ThreadWord,
  traceWord,
} from './board.ts';
import type { Stage } from './scenario.ts';

/** Thrown through the code under test to end its work. */
export class Aborted extends Error {
  override readonly name = 'Aborted';
}

/** An access in the log of a verbose run. */
export interface LoggedAccess {
  step: number;
  before: number;
  after: number;
}

export class ThreadStage implements Stage {
  /** Are accesses steps? Not while a scenario is built, reset or checked. */
  isActive = false;
  readonly sleepHooks: SleepHooks;
  readonly #board: Board;
  readonly #me: number;
  readonly #mine: number;
  readonly #regions = new Map<SharedArrayBuffer, number>();
  #lastBuffer: SharedArrayBuffer | undefined;
  #lastRegion = 0;
  log: LoggedAccess[] = [];
  #logged: { access: LoggedAccess; words: Words; index: number } | undefined;

  constructor(board: Board, thread: number) {
    this.#board = board;
    this.#me = thread;
    this.#mine = threadWord(thread);
    this.sleepHooks = {
      wait: (words, index, expected, timeoutMs) => this.#wait(words, index, expected, timeoutMs),
      notify: (words, index, count) => this.#notify(words, index, count),
      pause: () => this.#pause(),
    };
  }

  /** Accesses to any other memory are an error: the explorer could not set it back. */
  useRegions(buffers: readonly SharedArrayBuffer[]): void {
    this.#regions.clear();
    this.#lastBuffer = undefined;
    for (const [region, buffer] of buffers.entries()) {
      this.#regions.set(buffer, region);
    }
  }

  #regionOf(words: Words): number {
    if (words.buffer !== this.#lastBuffer) {
      const region = this.#regions.get(words.buffer);
      if (region === undefined) {
        throw new Error('access to memory that the scenario does not name among its regions');
      }
      this.#lastBuffer = words.buffer;
      this.#lastRegion = region;
    }
    return this.#lastRegion;
  }

  /** The scheduling hook. */
  readonly before = (kind: AccessKind, words: Words, index: number): void => {
    if (!this.isActive) {
      return;
    }
    const board = this.#board;
    if (board[BoardWord.ORDER] === OrderCode.abort) {
      throw new Aborted();
    }
    const code = StepCode[kind];
    const region = this.#regionOf(words);
    const at = (words.byteOffset >>> 2) + index;
    const step = board[BoardWord.STEP]!;
    this.#choose(code, region, at, words[index]!);
    if (board[BoardWord.PAUSED] !== 0 && !isRead(code)) {
      this.#wakePaused();
    }
    if (board[BoardWord.IS_VERBOSE] !== 0) {
      this.#logAccess(step, words, index);
    }
  };

  #logAccess(step: number, words: Words, index: number): void {
    this.finishLog();
    const value = words[index]!;
    const access = { step, before: value, after: value };
    this.#logged = { access, words, index };
    this.log.push(access);
  }

  /** Nobody else has moved since this thread's last access: what stands there now is what it left. */
  finishLog(): void {
    if (this.#logged !== undefined) {
      this.#logged.access.after = this.#logged.words[this.#logged.index]!;
      this.#logged = undefined;
    }
  }

  /** A step at which this thread could go on. Returns when it has the turn (again). */
  #choose(code: number, region: number, index: number, value: number): void {
    const board = this.#board;
    const step = board[BoardWord.STEP]!;
    const ready = board[BoardWord.READY]!;
    let chosen = this.#me;
    if (board[BoardWord.IS_RANDOM] !== 0) {
      this.#lowerAtChangePoint(step);
      chosen = this.#highest(ready);
    } else {
      const decision = decisionWord(board[BoardWord.NEXT_DECISION]!);
      if (board[decision] === step) {
        chosen = board[decision + 1]!;
        board[BoardWord.NEXT_DECISION]! += 1;
      }
    }
    this.#record(code, region, index, value, chosen);
    if (step >= MAX_STEPS) {
      this.#stop(Outcome.livelock);
    }
    if (chosen === this.#me) {
      return;
    }
    if (this.#board[BoardWord.IS_VERBOSE] !== 0) {
      this.finishLog();
    }
    if (chosen === DIES) {
      this.#die();
    } else if ((ready & (1 << chosen)) === 0) {
      throw new Error(`the schedule gives the turn of step ${step} to thread ${chosen}, which cannot run`);
    }
    this.#switchTo(chosen);
  }

  #record(code: number, region: number, index: number, value: number, chosen: number): void {
    const board = this.#board;
    const step = board[BoardWord.STEP]!;
    board[BoardWord.STEP] = step + 1;
    const at = traceWord(step);
    board[at] = packStep(this.#me, code, region, chosen);
    board[at + 1] = board[BoardWord.READY]!;
    board[at + 2] = index;
    const mixed = Math.imul(board[BoardWord.HASH]! ^ (this.#me | (code << 4) | (region << 12)), 0x9e3779b1);
    const hash = Math.imul(mixed ^ (mixed >>> 15) ^ index, 0x85ebca6b) ^ Math.imul(value, 0xc2b2ae35);
    board[BoardWord.HASH] = hash;
    board[at + 3] = hash;
  }

  #lowerAtChangePoint(step: number): void {
    const board = this.#board;
    while (board[changePointWord(board[BoardWord.NEXT_CHANGE]!)] === step) {
      board[this.#mine + ThreadWord.PRIORITY] = -1 - board[BoardWord.NEXT_CHANGE]!;
      board[BoardWord.NEXT_CHANGE]! += 1;
    }
  }

  #highest(ready: number): number {
    const board = this.#board;
    let highest = -1;
    for (let thread = 0; thread < board[BoardWord.THREADS]!; thread++) {
      if (
        (ready & (1 << thread)) !== 0 &&
        (highest < 0 ||
          board[threadWord(thread) + ThreadWord.PRIORITY]! > board[threadWord(highest) + ThreadWord.PRIORITY]!)
      ) {
        highest = thread;
      }
    }
    return highest;
  }

  #switchTo(thread: number): void {
    giveTurn(this.#board, threadWord(thread) + ThreadWord.TURN);
    this.#awaitTurn();
  }

  #awaitTurn(): void {
    awaitTurn(this.#board, this.#mine + ThreadWord.TURN, Infinity);
    if (this.#board[BoardWord.ORDER] === OrderCode.abort) {
      throw new Aborted();
    }
  }

  /** Ends the run with this outcome. */
  #stop(outcome: number): never {
    this.#board[BoardWord.OUTCOME] = outcome;
    this.#board[BoardWord.CULPRIT] = this.#me;
    giveTurn(this.#board, BoardWord.EXPLORER_TURN);
    this.#awaitTurn();
    throw new Error('a run went on after it was stopped');
  }

  #die(): never {
    const board = this.#board;
    this.#leave(ThreadState.dead);
    board[BoardWord.DEAD]! |= 1 << this.#me;
    this.#tellAwaiting();
    const next = this.#chooseFree(StepCode.die, 0, 0);
    if (next < 0) {
      this.#stop(this.#isSomebodyLeft() ? Outcome.stuck : Outcome.ended);
    }
    this.#switchTo(next);
    throw new Error('a dead thread got the turn');
  }

  /** This thread cannot run from here on. */
  #leave(state: number): void {
    this.#board[this.#mine + ThreadWord.STATE] = state;
    this.#board[BoardWord.READY]! &= ~(1 << this.#me);
  }

  #isSomebodyLeft(): boolean {
    const board = this.#board;
    const gone = board[BoardWord.ENDED]! | board[BoardWord.DEAD]!;
    return gone !== (1 << board[BoardWord.THREADS]!) - 1;
  }

  #makeReady(thread: number): void {
    const board = this.#board;
    board[threadWord(thread) + ThreadWord.STATE] = ThreadState.begun;
    board[BoardWord.READY]! |= 1 << thread;
    board[BoardWord.PAUSED]! &= ~(1 << thread);
  }

  #wakePaused(): void {
    const board = this.#board;
    for (let thread = 0; thread < board[BoardWord.THREADS]!; thread++) {
      if (thread !== this.#me && (board[BoardWord.PAUSED]! & (1 << thread)) !== 0) {
        this.#makeReady(thread);
      }
    }
  }

  /** If nobody can run: lets those run who spin; then, if the scenario allows it, the sleeper with a timeout who came first. */
  #findSomebody(): void {
    const board = this.#board;
    if (board[BoardWord.READY] !== 0) {
      return;
    }
    const threads = board[BoardWord.THREADS]!;
    let first = -1;
    for (let thread = 0; thread < threads; thread++) {
      const at = threadWord(thread);
      if ((board[BoardWord.PAUSED]! & (1 << thread)) !== 0) {
        this.#makeReady(thread);
      } else if (
        board[at + ThreadWord.STATE] === ThreadState.sleeping &&
        board[at + ThreadWord.HAS_TIMEOUT] !== 0 &&
        (first < 0 || board[at + ThreadWord.WAIT_ORDER]! < board[threadWord(first) + ThreadWord.WAIT_ORDER]!)
      ) {
        first = thread;
      }
    }
    if (board[BoardWord.READY] === 0 && first >= 0 && board[BoardWord.MAY_TIME_OUT] !== 0) {
      board[threadWord(first) + ThreadWord.TIMED_OUT] = 1;
      board[BoardWord.TIMEOUTS]! += 1;
      this.#makeReady(first);
    }
  }

  /** A step at which this thread cannot go on: who is next? -1: nobody can run. */
  #chooseFree(code: number, region: number, index: number): number {
    const board = this.#board;
    this.#findSomebody();
    const ready = board[BoardWord.READY]!;
    const step = board[BoardWord.STEP]!;
    let chosen = nextReady(ready, this.#me, board[BoardWord.THREADS]!);
    if (chosen < 0) {
      return -1;
    }
    if (board[BoardWord.IS_RANDOM] !== 0) {
      chosen = this.#highest(ready);
    } else {
      const decision = decisionWord(board[BoardWord.NEXT_DECISION]!);
      if (board[decision] === step) {
        chosen = board[decision + 1]!;
        board[BoardWord.NEXT_DECISION]! += 1;
      }
    }
    this.#record(code, region, index, 0, chosen);
    if ((ready & (1 << chosen)) === 0) {
      throw new Error(`the schedule gives the turn of step ${step} to thread ${chosen}, which cannot run`);
    }
    return chosen;
  }

  /** Lets others run until this thread can and is chosen. */
  #yieldFree(code: number, region: number, index: number): void {
    const next = this.#chooseFree(code, region, index);
    if (next < 0) {
      this.#stop(Outcome.stuck);
    }
    if (next !== this.#me) {
      this.#switchTo(next);
    }
  }

  #wait(words: Words, index: number, expected: number, timeoutMs: number | undefined): WaitResult {
    if (!this.isActive) {
      throw new Error('a scenario sleeps while it is built or checked');
    }
    if (Atomics.load(words, index) !== expected) {
      return 'not-equal';
    }
    const board = this.#board;
    const mine = this.#mine;
    const region = this.#regionOf(words);
    const at = (words.byteOffset >>> 2) + index;
    board[mine + ThreadWord.WAIT_REGION] = region;
    board[mine + ThreadWord.WAIT_INDEX] = at;
    board[mine + ThreadWord.WAIT_VALUE] = expected;
    board[mine + ThreadWord.WAIT_ORDER] = board[BoardWord.SLEEPERS]!;
    board[BoardWord.SLEEPERS]! += 1;
    board[mine + ThreadWord.HAS_TIMEOUT] = timeoutMs === undefined || timeoutMs === Infinity ? 0 : 1;
    board[mine + ThreadWord.TIMED_OUT] = 0;
    this.#leave(ThreadState.sleeping);
    this.#yieldFree(StepCode.sleep, region, at);
    return board[mine + ThreadWord.TIMED_OUT] !== 0 ? 'timed-out' : 'ok';
  }

  #notify(words: Words, index: number, count: number): number {
    if (!this.isActive) {
      return 0;
    }
    const board = this.#board;
    const region = this.#regionOf(words);
    const at = (words.byteOffset >>> 2) + index;
    let woken = 0;
    while (woken < count) {
      let first = -1;
      for (let thread = 0; thread < board[BoardWord.THREADS]!; thread++) {
        const sleeper = threadWord(thread);
        if (
          board[sleeper + ThreadWord.STATE] === ThreadState.sleeping &&
          board[sleeper + ThreadWord.WAIT_REGION] === region &&
          board[sleeper + ThreadWord.WAIT_INDEX] === at &&
          (first < 0 || board[sleeper + ThreadWord.WAIT_ORDER]! < board[threadWord(first) + ThreadWord.WAIT_ORDER]!)
        ) {
          first = thread;
        }
      }
      if (first < 0) {
        break;
      }
      this.#makeReady(first);
      woken++;
    }
    return woken;
  }

  /** Spinning: not run again before somebody else has written something, unless nobody else can run. */
  #pause(): void {
    if (!this.isActive) {
      return;
    }
    const board = this.#board;
    if (board[BoardWord.STEP]! >= MAX_STEPS) {
      this.#stop(Outcome.livelock);
    }
    this.#leave(ThreadState.paused);
    board[BoardWord.PAUSED]! |= 1 << this.#me;
    this.#yieldFree(StepCode.pause, 0, 0);
  }

  awaitDeath(thread: number): boolean {
    const board = this.#board;
    const bit = 1 << thread;
    if (((board[BoardWord.DEAD]! | board[BoardWord.ENDED]!) & bit) === 0) {
      board[this.#mine + ThreadWord.AWAITED] = thread;
      this.#leave(ThreadState.awaitingDeath);
      this.#yieldFree(StepCode['await death'], 0, 0);
    }
    return (board[BoardWord.DEAD]! & bit) !== 0;
  }

  #tellAwaiting(): void {
    const board = this.#board;
    for (let thread = 0; thread < board[BoardWord.THREADS]!; thread++) {
      const at = threadWord(thread);
      if (board[at + ThreadWord.STATE] === ThreadState.awaitingDeath && board[at + ThreadWord.AWAITED] === this.#me) {
        this.#makeReady(thread);
      }
    }
  }

  /** This thread's part is over. @returns who has the next turn, or -1 when nobody can run */
  end(): number {
    this.#leave(ThreadState.ended);
    this.#board[BoardWord.ENDED]! |= 1 << this.#me;
    this.#tellAwaiting();
    return this.#chooseFree(StepCode.end, 0, 0);
  }

  /** Has everybody ended or died? */
  get isOver(): boolean {
    return !this.#isSomebodyLeft();
  }
}

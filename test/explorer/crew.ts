/** The explorer's side: its threads, and one run of a scenario under given decisions. */

import { join } from 'node:path';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import {
  allocateBoard,
  awaitTurn,
  type Board,
  BoardWord,
  changePointWord,
  decisionWord,
  giveTurn,
  MAX_CHANGE_POINTS,
  MAX_DECISIONS,
  MAX_THREADS,
  OrderCode,
  Outcome,
  ThreadState,
  threadWord,
  ThreadWord,
} from './board.ts';
import type { Built, Region } from './scenario.ts';
import type { LoggedAccess } from './scheduled-thread.ts';
import type { ScenarioPlace, ThreadAnswer, ThreadData, ThreadOrder, ThreadReport } from './thread.ts';

/** A thread that computes for so long without an access to shared memory is in an endless loop. */
const HANG_MS = 300_000;

/** How a run's threads take turns. */
export type RunPlan =
  | { decisions: readonly number[] }
  /** By priorities, one per thread, the highest first; at each of the steps the running thread gets the lowest. */
  | { priorities: readonly number[]; changePoints: readonly number[] };

export interface RunFailure {
  name: string;
  failure: string;
  stack: string;
}

export interface RunResult {
  /** An Outcome. */
  outcome: number;
  steps: number;
  timeouts: number;
  /** Did the run come to all of its decisions? */
  isFollowed: boolean;
  /** What a thread threw. */
  thrown?: RunFailure;
  /** With `isVerbose`: by step. */
  log: Map<number, LoggedAccess>;
}

interface Member {
  worker: Worker;
  reports: MessagePort;
}

interface Snapshot {
  region: number;
  words: Int32Array;
  from: number;
  saved: Int32Array;
}

export class HangError extends Error {}

export class ExplorerCrew {
  board: Board = allocateBoard();
  threads = 0;
  regions: readonly Region[] = [];
  #members: Member[] = [];
  #snapshots: Snapshot[] = [];
  #isServing = false;
  readonly #root: string;
  readonly #env: Record<string, string>;

  /** @param root folder of the compiled sources (compile.ts): the threads' own code; @param env what else the threads find set */
  constructor(root: string, env: Record<string, string> = {}) {
    this.#root = root;
    this.#env = env;
  }

  #start(): void {
    this.board = allocateBoard();
    const filename = join(this.#root, 'test', 'explorer', 'thread.js');
    for (let thread = 0; thread < MAX_THREADS; thread++) {
      const { port1, port2 } = new MessageChannel();
      const data: ThreadData = { board: this.board, thread, reports: port2 };
      const worker = new Worker(filename, {
        execArgv: [],
        env: { ...process.env, ...this.#env, CT_CHECKED: '1' },
        workerData: data,
        transferList: [port2],
      });
      port1.unref();
      this.#members.push({ worker, reports: port1 });
    }
  }

  #ask(thread: number, order: ThreadOrder): Promise<Exclude<ThreadAnswer, { error: string }>> {
    const { worker } = this.#members[thread]!;
    return new Promise((resolve, reject) => {
      const clear = () => {
        worker.off('message', answered);
        worker.off('error', failed);
      };
      const answered = (answer: ThreadAnswer) => {
        clear();
        if ('error' in answer) {
          reject(new Error(answer.error));
        } else {
          resolve(answer);
        }
      };
      const failed = (error: Error) => {
        clear();
        reject(error);
      };
      worker.on('message', answered);
      worker.on('error', failed);
      worker.postMessage(order);
    });
  }

  /** Builds a scenario's initial state and has its threads attach. */
  async load(place: ScenarioPlace): Promise<void> {
    this.release();
    if (this.#members.length === 0) {
      this.#start();
    }
    const answer = (await this.#ask(0, { kind: 'build', ...place })) as { built: Built<unknown>; threads: number };
    const { shared, regions } = answer.built;
    this.threads = answer.threads;
    this.regions = regions;
    const buffers = regions.map(({ words }) => words.buffer);
    for (let thread = 0; thread < this.threads; thread++) {
      await this.#ask(thread, { kind: 'attach', ...place, shared, buffers });
    }
    this.#snapshots = regions.flatMap(({ words, ranges }, region) =>
      ranges.map(([from, end]) => ({ region, words, from, saved: words.slice(from, end) })),
    );
    this.#serve();
  }

  #serve(): void {
    for (let thread = 0; thread < this.threads; thread++) {
      this.#members[thread]!.worker.postMessage({ kind: 'serve' } satisfies ThreadOrder);
    }
    this.#isServing = true;
  }

  /** Lets the threads take messages again. */
  release(): void {
    if (!this.#isServing) {
      return;
    }
    this.#isServing = false;
    this.board[BoardWord.ORDER] = OrderCode.release;
    for (let thread = 0; thread < this.threads; thread++) {
      giveTurn(this.board, threadWord(thread) + ThreadWord.TURN);
      if (!awaitTurn(this.board, BoardWord.EXPLORER_TURN, HANG_MS)) {
        throw new HangError(`thread ${thread} does not come back`);
      }
    }
  }

  /** Words (region, index) that are not now as they were before the run. */
  changedWords(visit: (region: number, index: number) => void): void {
    for (const { region, words, from, saved } of this.#snapshots) {
      const offset = words.byteOffset >>> 2;
      for (let i = 0; i < saved.length; i++) {
        if (words[from + i] !== saved[i]) {
          visit(region, offset + from + i);
        }
      }
    }
  }

  /** Names of words, for people. */
  async namesOf(words: [region: number, index: number][]): Promise<string[]> {
    this.release();
    const { names } = (await this.#ask(0, { kind: 'names', words })) as { names: (string | undefined)[] };
    this.#serve();
    return names.map((name, i) => name ?? `${this.regions[words[i]![0]]!.name}[${words[i]![1]}]`);
  }

  /** Plays the scenario once from its initial state. */
  run(plan: RunPlan, options: { isVerbose?: boolean; mayTimeOut?: boolean } = {}): RunResult {
    const { board, threads } = this;
    for (const { words, from, saved } of this.#snapshots) {
      words.set(saved, from);
    }
    board.fill(0, 0, threadWord(0));
    board[BoardWord.THREADS] = threads;
    board[BoardWord.READY] = (1 << threads) - 1;
    board[BoardWord.IS_VERBOSE] = options.isVerbose === true ? 1 : 0;
    board[BoardWord.MAY_TIME_OUT] = options.mayTimeOut === true ? 1 : 0;
    board[BoardWord.ORDER] = OrderCode.run;
    let first = 0;
    board[decisionWord(0)] = -1;
    board[changePointWord(0)] = -1;
    for (let thread = 0; thread < threads; thread++) {
      board.fill(0, threadWord(thread), threadWord(thread + 1));
    }
    if ('decisions' in plan) {
      first = this.#writeDecisions(plan.decisions);
    } else {
      board[BoardWord.IS_RANDOM] = 1;
      for (const [thread, priority] of plan.priorities.entries()) {
        board[threadWord(thread) + ThreadWord.PRIORITY] = priority;
        first = priority > plan.priorities[first]! ? thread : first;
      }
      const points = plan.changePoints.slice(0, MAX_CHANGE_POINTS - 1);
      for (const [n, step] of [...points, -1].entries()) {
        board[changePointWord(n)] = step;
      }
    }
    giveTurn(board, threadWord(first) + ThreadWord.TURN);
    if (!awaitTurn(board, BoardWord.EXPLORER_TURN, HANG_MS)) {
      throw new HangError('a thread computes without end between two accesses');
    }
    const outcome = board[BoardWord.OUTCOME]!;
    const steps = board[BoardWord.STEP]!;
    const timeouts = board[BoardWord.TIMEOUTS]!;
    const isFollowed = board[decisionWord(board[BoardWord.NEXT_DECISION]!)] === -1;
    const stateAtEnd = this.describeThreads();
    const reports = this.#reports();
    this.#abortOthers();
    this.lastThreads = stateAtEnd;
    reports.push(...this.#reports());
    const result: RunResult = { outcome, steps, timeouts, isFollowed, log: new Map() };
    for (const report of reports) {
      if ('log' in report) {
        for (const access of report.log) {
          result.log.set(access.step, access);
        }
      } else {
        result.thrown ??= report;
      }
    }
    return result;
  }

  /** What each thread was at when the last run ended. */
  lastThreads: { state: number; region: number; index: number; expected: number; value: number }[] = [];

  describeThreads(): { state: number; region: number; index: number; expected: number; value: number }[] {
    const { board } = this;
    return Array.from({ length: this.threads }, (_, thread) => {
      const at = threadWord(thread);
      const region = board[at + ThreadWord.WAIT_REGION]!;
      const index = board[at + ThreadWord.WAIT_INDEX]!;
      const value = new Int32Array(this.regions[region]!.words.buffer)[index]!;
      return {
        state: board[at + ThreadWord.STATE]!,
        region,
        index,
        expected: board[at + ThreadWord.WAIT_VALUE]!,
        value,
      };
    });
  }

  /** @returns the thread that begins */
  #writeDecisions(decisions: readonly number[]): number {
    const { board } = this;
    let first = 0;
    let n = 0;
    if (decisions.length / 2 >= MAX_DECISIONS) {
      throw new RangeError(`a schedule may have ${MAX_DECISIONS - 1} decisions, not ${decisions.length / 2}`);
    }
    for (let i = 0; i < decisions.length; i += 2) {
      if (decisions[i] === BEGIN) {
        first = decisions[i + 1]!;
      } else {
        board[decisionWord(n)] = decisions[i]!;
        board[decisionWord(n) + 1] = decisions[i + 1]!;
        n++;
      }
    }
    board[decisionWord(n)] = -1;
    return first;
  }

  #reports(): ThreadReport[] {
    const reports: ThreadReport[] = [];
    for (let thread = 0; thread < this.threads; thread++) {
      const { reports: port } = this.#members[thread]!;
      for (let message = receiveMessageOnPort(port); message !== undefined; message = receiveMessageOnPort(port)) {
        reports.push(message.message as ThreadReport);
      }
    }
    return reports;
  }

  /** Threads that are in the middle of their parts unwind. */
  #abortOthers(): void {
    const { board } = this;
    const outcome = board[BoardWord.OUTCOME];
    if (outcome === Outcome.ended && board[BoardWord.DEAD] === 0) {
      return;
    }
    board[BoardWord.ORDER] = OrderCode.abort;
    for (let thread = 0; thread < this.threads; thread++) {
      const state = board[threadWord(thread) + ThreadWord.STATE];
      if (state !== ThreadState.fresh && state !== ThreadState.ended) {
        giveTurn(board, threadWord(thread) + ThreadWord.TURN);
        if (!awaitTurn(board, BoardWord.EXPLORER_TURN, HANG_MS)) {
          throw new HangError(`thread ${thread} does not unwind`);
        }
      }
    }
  }

  /** Ends all threads; the next `load` starts new ones. */
  async end(): Promise<void> {
    const members = this.#members;
    this.#members = [];
    this.#isServing = false;
    await Promise.all(members.map(({ worker }) => worker.terminate()));
    for (const { reports } of members) {
      reports.close();
    }
  }
}

/** The step of the decision who begins. */
export const BEGIN = -1;

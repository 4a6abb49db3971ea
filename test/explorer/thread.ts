/** A thread of the explorer: loads a scenario from a folder of sources, then plays its part again and again. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import {
  awaitTurn,
  type Board,
  BoardWord,
  giveTurn,
  OrderCode,
  Outcome,
  ThreadState,
  threadWord,
  ThreadWord,
} from './board.ts';
import type { Built, Part, Scenario } from './scenario.ts';
import { Aborted, type LoggedAccess, ThreadStage } from './scheduled-thread.ts';

export interface ThreadData {
  board: Board;
  thread: number;
  /** For what the explorer takes while it blocks. */
  reports: MessagePort;
}

export interface ScenarioPlace {
  /** Folder with src/ and test/, compiled: the sources, or a copy of them with a change. */
  root: string;
  /** Module in test/explorer/scenarios. */
  module: string;
  /** Its export. */
  scenario: string;
}

export type ThreadOrder =
  | ({ kind: 'build' } & ScenarioPlace)
  | ({ kind: 'attach'; shared: unknown; buffers: SharedArrayBuffer[] } & ScenarioPlace)
  | { kind: 'serve' }
  | { kind: 'names'; words: [region: number, index: number][] };

export type ThreadAnswer =
  | { built: Built<unknown>; threads: number }
  | { attached: true }
  | { names: (string | undefined)[] }
  | { error: string };

export type ThreadReport = { failure: string; name: string; stack: string } | { log: LoggedAccess[]; thread: number };

interface Seam {
  setSchedulingHook(hook: unknown, sleepHooks: unknown): void;
}
interface Lockdep {
  forgetHeld(): void;
  assertNoneHeld(): void;
}

const { board, thread, reports } = workerData as ThreadData;
const mine = threadWord(thread);
const stage = new ThreadStage(board, thread);

let loaded: Scenario<unknown>;
let shared: unknown;
let part: Part;
let lockdep: Lockdep;

async function load({ root, module, scenario }: ScenarioPlace): Promise<void> {
  const from = (path: string) => import(pathToFileURL(join(root, path)).href) as Promise<Record<string, unknown>>;
  const scenarios = await from(`test/explorer/scenarios/${module}.js`);
  const seam = (await from('src/shared/access.js')) as unknown as Seam;
  lockdep = (await from('src/shared/sync/lockdep.js')) as unknown as Lockdep;
  seam.setSchedulingHook(stage.before, stage.sleepHooks);
  loaded = scenarios[scenario] as Scenario<unknown>;
  if (loaded === undefined) {
    throw new Error(`there is no scenario ${scenario} in scenarios/${module}.ts`);
  }
}

function textOf(error: unknown): { failure: string; name: string; stack: string } {
  return error instanceof Error
    ? { failure: error.message, name: error.name, stack: error.stack ?? '' }
    : { failure: String(error), name: 'Error', stack: '' };
}

function report(): void {
  if (board[BoardWord.IS_VERBOSE] !== 0) {
    stage.finishLog();
    reports.postMessage({ log: stage.log, thread } satisfies ThreadReport);
    stage.log = [];
  }
}

function stopWith(error: unknown): void {
  reports.postMessage(textOf(error) satisfies ThreadReport);
  board[BoardWord.OUTCOME] = Outcome.threw;
  board[BoardWord.CULPRIT] = thread;
}

/** Plays the part once. The turn is handed on before it returns. */
function play(): void {
  board[mine + ThreadWord.STATE] = ThreadState.begun;
  let next = -1;
  try {
    part.reset?.();
    stage.isActive = true;
    part.run();
    stage.isActive = false;
    lockdep.assertNoneHeld();
    report();
    next = stage.end();
    if (next < 0) {
      if (stage.isOver) {
        part.check?.();
        board[BoardWord.OUTCOME] = Outcome.ended;
      } else {
        board[BoardWord.OUTCOME] = Outcome.stuck;
      }
    }
  } catch (error) {
    stage.isActive = false;
    lockdep.forgetHeld();
    report();
    board[mine + ThreadWord.STATE] = ThreadState.ended;
    if (!(error instanceof Aborted)) {
      stopWith(error);
    }
  }
  giveTurn(board, next < 0 ? BoardWord.EXPLORER_TURN : threadWord(next) + ThreadWord.TURN);
}

function serve(): void {
  for (;;) {
    awaitTurn(board, mine + ThreadWord.TURN, Infinity);
    if (board[BoardWord.ORDER] === OrderCode.release) {
      giveTurn(board, BoardWord.EXPLORER_TURN);
      return;
    }
    play();
  }
}

async function obey(order: ThreadOrder): Promise<ThreadAnswer | undefined> {
  switch (order.kind) {
    case 'build': {
      await load(order);
      return { built: loaded.build(), threads: loaded.threads };
    }
    case 'attach': {
      await load(order);
      shared = order.shared;
      stage.useRegions(order.buffers);
      part = loaded.attach(shared, thread, stage);
      return { attached: true };
    }
    case 'serve':
      serve();
      return undefined;
    case 'names':
      return { names: order.words.map(([region, index]) => loaded.nameOf?.(shared, region, index)) };
  }
}

parentPort!.on('message', async (order: ThreadOrder) => {
  try {
    const answer = await obey(order);
    if (answer !== undefined) {
      parentPort!.postMessage(answer);
    }
  } catch (error) {
    parentPort!.postMessage({ error: textOf(error).stack } satisfies ThreadAnswer);
  }
});

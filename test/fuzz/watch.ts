/** Runs a target in a thread of its own, and ends the thread if an input hangs. */

import { Worker } from 'node:worker_threads';
import { allocateWords } from '../../src/shared/access.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { Random } from './random.ts';
import type { SessionOptions, SessionReport } from './session.ts';
import { inputText } from './target.ts';
import { targetOf } from './targets.ts';
import type { FuzzTask } from './worker.ts';

const LOOK_MS = 100;
const DEADLINE_MS = 100_000;

export interface Watched<Answer> {
  /** The answer of the thread; undefined if the thread hung or died. */
  answer: Answer | undefined;
  /** The number of the input during which the thread hung or died. */
  at: number;
  ending: 'done' | 'hangs' | 'died';
  problem?: string;
}

/** Runs a task in a thread, and ends the thread if an input takes longer than `deadlineMs`. */
export function watched<Answer>(task: Omit<FuzzTask, 'progress'>, deadlineMs?: number): Promise<Watched<Answer>> {
  const progress = allocateWords(2) as Int32Array<SharedArrayBuffer>;
  const { filename, execArgv } = workerEntry('worker', import.meta.url);
  const limitMs = deadlineMs ?? targetOf(task.target).deadlineMs ?? DEADLINE_MS;
  return new Promise((done) => {
    const worker = new Worker(filename, { execArgv, workerData: { ...task, progress } satisfies FuzzTask });
    let answer: Answer | undefined;
    let problem: string | undefined;
    let hangs = false;
    const timer = setInterval(() => {
      const began = Atomics.load(progress, 1);
      if (began !== 0 && ((Date.now() - began) | 0) > limitMs) {
        hangs = true;
        void worker.terminate();
      }
    }, LOOK_MS);
    worker.on('message', (message: Answer) => {
      answer = message;
      Atomics.store(progress, 1, 0);
    });
    worker.on('error', (error) => {
      problem = (error as Error).stack ?? String(error);
    });
    worker.on('exit', () => {
      clearInterval(timer);
      const at = Atomics.load(progress, 0);
      if (hangs) {
        done({ answer: undefined, at, ending: 'hangs', problem: `hangs: no end within ${limitMs} ms` });
      } else if (answer === undefined) {
        done({ answer, at, ending: 'died', problem: `the thread died: ${problem ?? 'without a word'}` });
      } else {
        done({ answer, at, ending: 'done' });
      }
    });
  });
}

/** Runs a target and returns its report. An input that hangs or kills the thread is a finding, and ends the session. */
export async function watchedSession(
  name: string,
  options: SessionOptions,
  deadlineMs?: number,
): Promise<SessionReport> {
  const started = performance.now();
  const { answer, at, ending, problem } = await watched<SessionReport>({ target: name, ...options }, deadlineMs);
  if (ending === 'done') {
    return answer!;
  }
  const target = targetOf(name);
  await target.prepare?.({ shared: options.shared });
  let text = 'null';
  try {
    text = inputText(target.generate(new Random(options.seed, name, at)));
    await target.end?.();
  } catch {
    /* The thread died while it generated the input: the message says so. */
  }
  const found = { target: name, seed: options.seed, number: at, message: problem!, text };
  const generated = at - options.first + 1;
  const ms = performance.now() - started;
  return { target: name, inputs: generated, generated, ms, tally: {}, found: [found], memory: [] };
}

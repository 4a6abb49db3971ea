/**
 * A crew of real threads for tests: each serves the jobs of one module of this folder (see serve.ts), so that a test
 * can set all of them to work at once, or step them one by one.
 *
 * Threads start when the first job is given. A job that throws, or does not come back before the deadline (a lost
 * wake-up, a deadlock), rejects and ends the whole crew; the next job starts a new one.
 */

import { Worker } from 'node:worker_threads';
import { CHECKED } from '../../src/shared/access.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { type Answer, type Jobs, type Order } from './serve.ts';

/** A failure deadline for a busy machine, not a pause: nothing here waits for time to pass. */
const DEADLINE_MS = 300_000;

export interface CrewOptions {
  /** Module of this folder, without extension. */
  jobs: string;
  threads: number;
  /** Start the threads with CT_CHECKED=1; in a checked process they are in any case. */
  checked: boolean;
}

interface Pending {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  deadline: NodeJS.Timeout;
}

export class Crew<J extends Jobs> {
  readonly threads: number;
  readonly #options: CrewOptions;
  #workers: Worker[] = [];
  readonly #pending = new Map<number, Pending>();
  #calls = 0;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.threads = options.threads;
  }

  /** Gives every thread the job; resolves to their results in order of threads. */
  run<K extends keyof J & string>(job: K, data: Parameters<J[K]>[0]): Promise<Awaited<ReturnType<J[K]>>[]> {
    return Promise.all(Array.from({ length: this.threads }, (_, thread) => this.runOn(thread, job, data)));
  }

  /** Gives one thread the job. */
  runOn<K extends keyof J & string>(
    thread: number,
    job: K,
    data: Parameters<J[K]>[0],
  ): Promise<Awaited<ReturnType<J[K]>>> {
    if (this.#workers.length === 0) {
      this.#start();
    }
    const call = this.#calls++;
    const result = new Promise<unknown>((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#abort(new Error(`thread ${thread} is stuck in job ${job}`));
      }, DEADLINE_MS);
      this.#pending.set(call, { resolve, reject, deadline });
    });
    /* A test that fails elsewhere first must not leave an unhandled rejection behind. */
    result.catch(() => {});
    const order: Order = { call, job, thread, data };
    this.#workers[thread]!.postMessage(order);
    return result as Promise<Awaited<ReturnType<J[K]>>>;
  }

  /** Ends all threads, also those that are blocked. */
  async end(): Promise<void> {
    this.#rejectAll(new Error('the crew was ended'));
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #start(): void {
    const { filename, execArgv } = workerEntry(this.#options.jobs, import.meta.url);
    const env = { ...process.env, CT_CHECKED: this.#options.checked || CHECKED ? '1' : '0' };
    for (let thread = 0; thread < this.threads; thread++) {
      const worker = new Worker(filename, { execArgv, env });
      worker.on('message', (answer: Answer) => this.#answered(answer));
      worker.on('error', (error) => this.#abort(error));
      this.#workers.push(worker);
    }
  }

  #answered(answer: Answer): void {
    const pending = this.#pending.get(answer.call);
    if (pending === undefined) {
      return;
    }
    if (answer.error !== undefined) {
      this.#abort(new Error(answer.error));
      return;
    }
    this.#pending.delete(answer.call);
    clearTimeout(pending.deadline);
    pending.resolve(answer.result);
  }

  #abort(error: unknown): void {
    this.#rejectAll(error instanceof Error ? error : new Error(String(error)));
    void this.end();
  }

  #rejectAll(error: Error): void {
    for (const { reject, deadline } of this.#pending.values()) {
      clearTimeout(deadline);
      reject(error);
    }
    this.#pending.clear();
  }
}

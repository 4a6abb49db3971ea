/**
 * The supervisor of one worker. After a death it repairs the table, and restarts the worker in the same participant slot.
 *
 * A thread counts as dead at its 'exit' event, not earlier: from then on it runs no code. Repairing while it still runs would corrupt
 * the table. If the work of a thread ends with an error, the supervisor ends the thread, and the error is the reason of the death.
 */

import { UsageError } from '../../core/errors.ts';
import type { RepairReport } from '../../core/repair/repair.ts';
import { type StartedWorker, type WorkerDeath, workerName, type WorkerRole } from './worker-types.ts';

export interface SupervisorOptions {
  role: WorkerRole;
  index: number;
  participant: number;
  /** Starts the thread. */
  start(): StartedWorker | Promise<StartedWorker>;
  /** The thread is gone. */
  exited(): void;
  /** Whether it was ever up. A worker that was never up is not restarted. */
  hasBeenUp(): boolean;
  /** Repairs the table after the dead thread. Called again until the report is complete: a lock may be in the way. */
  repair(): RepairReport;
  /** Called after the repair: takes unfinished packets back. @returns lost packets */
  takeBack(): number;
  /** A number that grows with the work done. Progress resets the count of deaths in a row. */
  progress(): number;
  /** Restarts in a row, without progress in between, before the worker fails. */
  restarts: number;
  onDeath(death: WorkerDeath): void;
  /** The worker has failed: it is not restarted. */
  onFailure(error: Error): void;
}

/**
 * First and longest pause between two attempts to repair. A repair waits for a lock, which is usually free within microseconds. A worker
 * that hangs may hold it longer. Each attempt blocks the owner for a few milliseconds.
 */
const RETRY_MS = 1;
const MOST_RETRY_MS = 50;

function reasonOf(error: Error | undefined, exitCode: number): string {
  return error === undefined ? `its thread ended with exit code ${exitCode}` : error.message.split('\n')[0]!;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

export class WorkerSupervisor {
  readonly role: WorkerRole;
  readonly index: number;
  readonly participant: number;
  /** Resolves when the worker has ended, or has died and is not restarted. */
  readonly ended: Promise<void>;
  restarts = 0;
  /** Its thread runs, is being restarted, or is not repaired yet. Its slot must not be released. */
  isRunning = false;
  readonly #options: SupervisorOptions;
  #settle: () => void = () => {};
  #current: StartedWorker | undefined;
  #error: Error | undefined;
  #isDone = false;
  #nextAttempt: NodeJS.Timeout | undefined;
  #isEnding = false;
  #deathsInARow = 0;
  #progressBefore = 0;

  constructor(options: SupervisorOptions) {
    this.role = options.role;
    this.index = options.index;
    this.participant = options.participant;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get name(): string {
    return workerName(this);
  }

  /** Starts the worker. Rejects if the start fails. */
  async start(): Promise<void> {
    this.#progressBefore = this.#options.progress();
    this.#error = undefined;
    this.#isDone = false;
    this.isRunning = true;
    let started: StartedWorker | Promise<StartedWorker>;
    try {
      started = this.#options.start();
    } catch (error) {
      this.isRunning = false;
      throw error;
    }
    if (started instanceof Promise) {
      started = await started.catch((error: unknown) => {
        this.isRunning = false;
        throw error;
      });
    }
    this.#watch(started);
    await started.ready;
  }

  #watch(worker: StartedWorker): void {
    this.#current = worker;
    if (this.#isEnding) {
      void worker.end();
    }
    worker.thread.prependListener('error', (error: Error) => {
      this.#error ??= asError(error);
    });
    worker.thread.prependListener('exit', (code: number) => this.#exited(worker, code));
    worker.done?.then(
      () => {
        if (this.#current === worker) {
          this.#isDone = true;
          void worker.end();
        }
      },
      (error: unknown) => {
        /* The end of the thread rejects it, too. Then `#exited` has run before. */
        if (this.#current === worker) {
          this.#error ??= asError(error);
          void worker.end();
        }
      },
    );
  }

  /** From now on the worker is expected to end. It is not restarted. */
  expectEnd(): void {
    this.#isEnding = true;
    if (!this.isRunning) {
      this.#settle();
    }
  }

  /** The worker is dead, and its repair waits for a lock that another thread holds. */
  get isUnrepaired(): boolean {
    return this.#nextAttempt !== undefined;
  }

  /** Ends the attempts to repair. Called when all threads are gone, so that the lock stays taken for ever. */
  abandonRepair(): void {
    if (this.#nextAttempt !== undefined) {
      clearTimeout(this.#nextAttempt);
      this.#nextAttempt = undefined;
      this.#failRepair(new Error('another thread holds a lock that the repair needs'));
    }
  }

  /** Terminates the thread. To the supervisor that is a death. */
  terminate(reason?: string): void {
    if (this.#current === undefined) {
      return;
    }
    if (reason !== undefined) {
      this.#error ??= new Error(reason);
    }
    void this.#current.end();
  }

  #exited(worker: StartedWorker, exitCode: number): void {
    if (this.#current !== worker) {
      return;
    }
    this.#current = undefined;
    void worker.end();
    this.#options.exited();
    if (this.#isDone || (worker.done === undefined && exitCode === 0 && this.#error === undefined)) {
      this.isRunning = false;
      this.#settle();
      return;
    }
    this.#repair({ exitCode, noticedMs: performance.now() });
  }

  /** Tries until the repair is complete. Another dead thread may hold the lock, and its own repair then releases it. */
  #repair(death: { exitCode: number; noticedMs: number }, pauseMs = RETRY_MS): void {
    const options = this.#options;
    this.#nextAttempt = undefined;
    try {
      const repaired = options.repair();
      if (repaired.isComplete) {
        this.#report(death, repaired, options.takeBack());
      } else {
        const again = () => this.#repair(death, Math.min(2 * pauseMs, MOST_RETRY_MS));
        this.#nextAttempt = setTimeout(again, pauseMs);
      }
    } catch (problem) {
      this.#failRepair(problem);
    }
  }

  /** The repair has failed: locks and half-done work stay in the way of other threads. */
  #failRepair(problem: unknown): void {
    const message = `the repair of ${this.name} failed: ${asError(problem).message}`;
    this.#settle();
    this.#options.onFailure(new Error(message, { cause: problem }));
  }

  #report(
    { exitCode, noticedMs }: { exitCode: number; noticedMs: number },
    repaired: RepairReport,
    lost: number,
  ): void {
    const options = this.#options;
    const repairMs = performance.now() - noticedMs;
    this.#deathsInARow = options.progress() === this.#progressBefore ? this.#deathsInARow + 1 : 1;
    const { role, index, participant } = this;
    const error = this.#error;
    const reason = reasonOf(error, exitCode);
    const isExhausted = !options.hasBeenUp() || this.#deathsInARow > options.restarts;
    const isRestarted = !this.#isEnding && !isExhausted;
    this.isRunning = isRestarted;
    if (isRestarted) {
      this.restarts++;
      /* Later: other listeners of the same event must run first. */
      queueMicrotask(() => this.#restart());
    } else {
      this.#settle();
    }
    if (!this.#isEnding && isExhausted) {
      options.onFailure(this.#failure(error, reason));
    }
    options.onDeath({
      role,
      index,
      participant,
      reason,
      error,
      repaired,
      packetsLost: lost,
      repairMs,
      isRestarted,
    });
  }

  #failure(error: Error | undefined, reason: string): Error {
    if (!this.#options.hasBeenUp()) {
      return new Error(`${this.name} did not start: ${reason}`, { cause: error });
    }
    if (this.#options.restarts === 0) {
      return error ?? new Error(`${this.name}: ${reason}`);
    }
    const message = `${this.name} has died ${this.#deathsInARow} times in a row without progress: ${reason}`;
    return new Error(message, { cause: error });
  }

  #restart(): void {
    if (this.#isEnding) {
      this.isRunning = false;
      this.#settle();
      return;
    }
    this.start().catch((error: unknown) => {
      /* If the thread died before it was ready, `#exited` handles it. */
      if (!this.isRunning || error instanceof UsageError) {
        this.#settle();
        this.#options.onFailure(asError(error));
      }
    });
  }
}

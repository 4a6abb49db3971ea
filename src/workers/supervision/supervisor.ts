/**
 * Keeps one worker thread alive. When it has died, what it left behind is repaired, and it is started again with the same
 * participant.
 *
 * A thread is taken for dead at its 'exit' event only: not a line of it runs any more then. Repairing while it still does
 * would be fatal. An error that its work ends with is the reason of its death, and the thread is ended for it.
 */

import { UsageError } from '../../core/errors.ts';
import type { RepairReport } from '../../core/repair/repair.ts';

export type WorkerRole = 'pmd' | 'sweeper' | 'control';

/** A worker that has died. */
export interface WorkerDeath {
  role: WorkerRole;
  /** Number of the PMD; of the others 0. */
  index: number;
  /** Its place at the table, which its replacement gets again. */
  participant: number;
  /** What it died of, in one line. */
  reason: string;
  /** What it threw, if it did. */
  error: Error | undefined;
  /** What was found half-done and set right. */
  repaired: RepairReport;
  /** Packets of the batch that it was at: they came back with no state. */
  packetsLost: number;
  /** From the end of the thread's being noticed to everything being repaired, in ms. */
  repairMs: number;
  /** It is started again. */
  isRestarted: boolean;
}

/** As it is called in messages. */
export function workerName({ role, index }: { role: WorkerRole; index: number }): string {
  return role === 'pmd' ? `PMD ${index}` : role === 'control' ? 'the control thread' : 'the sweeper';
}

/** What is used of a Worker (node:worker_threads). The types of the package reach this file, and do without those of Node. */
export interface WorkerThread {
  once(event: string, listener: (...args: never[]) => void): unknown;
  prependListener(event: string, listener: (...args: never[]) => void): unknown;
  postMessage(message: unknown): void;
  unref(): void;
}

/** One life of a worker. */
export interface WorkerLife {
  readonly thread: WorkerThread;
  /**
   * Resolves when the work has come to its end by itself, rejects with what it threw. Without it the work is done when the
   * thread ends with exit code 0.
   */
  readonly done?: Promise<void>;
  /** Of a worker that may refuse to start: resolves when it is at work, rejects with its reason. */
  readonly ready?: Promise<void>;
  /** Ends the thread, whatever it is doing. Resolves when it is gone. */
  end(): Promise<void>;
}

export interface SupervisorOptions {
  role: WorkerRole;
  index: number;
  participant: number;
  /** Starts the thread. */
  start(): WorkerLife | Promise<WorkerLife>;
  /** The thread is gone. */
  exited(): void;
  /** Was it at work in any of its lives? One that never was is not started again. */
  hasBeenUp(): boolean;
  /** Sets right what the dead thread left at the table, as far as it can; called again until the report is complete. */
  repair(): RepairReport;
  /** Then: takes back what else it was working on. @returns packets that are lost */
  takeBack(): number;
  /** Grows when it has done some of its work: then it may die as often as before. */
  progress(): number;
  /** Deaths in a row, without progress, that are put up with. */
  restarts: number;
  onDeath(death: WorkerDeath): void;
  /** It will not be started again. */
  onFailure(error: Error): void;
}

/**
 * Pauses between two attempts to repair: the first, and the longest, to which they grow. As a rule a lock is held for
 * microseconds; longer by a worker that hangs. An attempt blocks the datapath's owner for a few milliseconds.
 */
const RETRY_MS = 1;
const MOST_RETRY_MS = 50;

function reasonOf(error: Error | undefined, exitCode: number): string {
  return error === undefined ? `its thread was ended (exit code ${exitCode})` : error.message.split('\n')[0]!;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

export class WorkerSupervisor {
  readonly role: WorkerRole;
  readonly index: number;
  readonly participant: number;
  /** Resolves when the worker has come to its end, or is dead and will not be started again. */
  readonly ended: Promise<void>;
  /** How often it was started again. */
  restarts = 0;
  /** Its thread runs, or will again, or what it left behind is not repaired: nobody is to touch what it has. */
  isRunning = false;
  readonly #options: SupervisorOptions;
  #settle: () => void = () => {};
  #life: WorkerLife | undefined;
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

  /** Starts the worker. Rejects with what its start throws. */
  async start(): Promise<void> {
    this.#progressBefore = this.#options.progress();
    this.#error = undefined;
    this.#isDone = false;
    this.isRunning = true;
    let started: WorkerLife | Promise<WorkerLife>;
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

  #watch(life: WorkerLife): void {
    this.#life = life;
    if (this.#isEnding) {
      void life.end();
    }
    life.thread.prependListener('error', (error: Error) => {
      this.#error ??= asError(error);
    });
    life.thread.prependListener('exit', (code: number) => this.#exited(life, code));
    life.done?.then(
      () => {
        if (this.#life === life) {
          this.#isDone = true;
          void life.end();
        }
      },
      (error: unknown) => {
        /* Also rejected because the thread is gone: then the exit was seen first. */
        if (this.#life === life) {
          this.#error ??= asError(error);
          void life.end();
        }
      },
    );
  }

  /** From here on the worker is to come to its end: should it die, it is not started again. */
  expectEnd(): void {
    this.#isEnding = true;
    if (!this.isRunning) {
      this.#settle();
    }
  }

  /** It is dead, and what it left behind is not repaired yet: somebody holds a lock that this takes. */
  get isUnrepaired(): boolean {
    return this.#nextAttempt !== undefined;
  }

  /** Repairs no more. Called when nobody is left who could release the lock that this takes. */
  giveUp(): void {
    if (this.#nextAttempt !== undefined) {
      clearTimeout(this.#nextAttempt);
      this.#nextAttempt = undefined;
      this.#failRepair(new Error('a lock that it takes is held by somebody else'));
    }
  }

  /** Ends the thread, whatever it is doing; then it is as if it had died. */
  terminate(reason?: string): void {
    if (this.#life === undefined) {
      return;
    }
    if (reason !== undefined) {
      this.#error ??= new Error(reason);
    }
    void this.#life.end();
  }

  #exited(life: WorkerLife, exitCode: number): void {
    if (this.#life !== life) {
      return;
    }
    this.#life = undefined;
    void life.end();
    this.#options.exited();
    if (this.#isDone || (life.done === undefined && exitCode === 0 && this.#error === undefined)) {
      this.isRunning = false;
      this.#settle();
      return;
    }
    this.#repair({ exitCode, noticedMs: performance.now() });
  }

  /** What it wants may be held by another thread that has died at the same time, and is repaired after in its turn. */
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

  /** What it left behind is still in the way of others. */
  #failRepair(problem: unknown): void {
    const message = `${this.name} could not be repaired after: ${asError(problem).message}`;
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
      /* When those who listen to the same event are through. */
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
      return new Error(`${this.name} could not be started: ${reason}`, { cause: error });
    }
    if (this.#options.restarts === 0) {
      return error ?? new Error(`${this.name}: ${reason}`);
    }
    const message = `${this.name} has died ${this.#deathsInARow} times in a row without getting on: ${reason}`;
    return new Error(message, { cause: error });
  }

  #restart(): void {
    if (this.#isEnding) {
      this.isRunning = false;
      this.#settle();
      return;
    }
    this.start().catch((error: unknown) => {
      /* One that died before it was ready is a case for `#exited`. */
      if (!this.isRunning || error instanceof UsageError) {
        this.#settle();
        this.#options.onFailure(asError(error));
      }
    });
  }
}

/** What a worker is, what its death says, and how messages call it. */

import type { RepairReport } from '../../core/repair/repair.ts';

export type WorkerRole = 'pmd' | 'sweeper' | 'control';

/** The death of a worker. */
export interface WorkerDeath {
  role: WorkerRole;
  /** Number of the PMD; 0 for other roles. */
  index: number;
  /** Its participant slot. The replacement gets the same one. */
  participant: number;
  /** Reason of the death, in one line. */
  reason: string;
  /** Its error, if it has thrown one. */
  error: Error | undefined;
  /** Unfinished work that was found and repaired. */
  repaired: RepairReport;
  /** Packets of its batch that came back without a verdict. */
  packetsLost: number;
  /** Time from the thread's 'exit' event to the end of the repair, in ms. */
  repairMs: number;
  /** The worker is restarted. */
  isRestarted: boolean;
}

/** The name of a worker in messages. */
export function workerName({ role, index }: { role: WorkerRole; index: number }): string {
  return role === 'pmd' ? `PMD ${index}` : role === 'control' ? 'the control thread' : 'the sweeper';
}

/** The part of Worker (node:worker_threads) that is used. The public types reach this file, and must not need @types/node. */
export interface WorkerThread {
  once(event: string, listener: (...args: never[]) => void): unknown;
  prependListener(event: string, listener: (...args: never[]) => void): unknown;
  postMessage(message: unknown): void;
  unref(): void;
}

/** A started thread of a worker. */
export interface StartedWorker {
  readonly thread: WorkerThread;
  /** Resolves when the work has ended by itself, rejects with its error. Without it, exit code 0 of the thread means a normal end. */
  readonly done?: Promise<void>;
  /** Of a worker that may refuse to start: resolves when it is up, rejects with its reason. */
  readonly ready?: Promise<void>;
  /** Terminates the thread. Resolves when it is gone. */
  end(): Promise<void>;
}

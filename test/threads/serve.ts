/** The thread's side of a crew (crew.ts): does the jobs that it is given, one after another. */

import { parentPort } from 'node:worker_threads';

/** A thread's jobs by name. A job gets its data and the number of its thread. */
export type Jobs = Record<string, (data: never, thread: number) => unknown>;

export interface Order {
  call: number;
  job: string;
  thread: number;
  data: unknown;
}

export interface Answer {
  call: number;
  result?: unknown;
  error?: string;
}

/** Call once at the end of a thread's module. */
export function serve(jobs: Jobs): void {
  const port = parentPort!;
  port.on('message', async ({ call, job, thread, data }: Order) => {
    try {
      const result = await jobs[job]!(data as never, thread);
      port.postMessage({ call, result } satisfies Answer);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      port.postMessage({ call, error: text } satisfies Answer);
    }
  });
}

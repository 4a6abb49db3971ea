/** Processor time of single threads: Linux only, from the scheduler's own figures. */

import { readFileSync, readlinkSync } from 'node:fs';

/** The calling thread's number in the system; undefined where it cannot be told. */
export function ownThreadId(): number | undefined {
  try {
    return Number(/(\d+)$/.exec(readlinkSync('/proc/thread-self'))![1]);
  } catch {
    return undefined;
  }
}

/** Nanoseconds for which a thread of this process has run so far; undefined where the system does not tell. */
export function threadTimeNs(threadId: number | undefined): number | undefined {
  if (threadId === undefined) {
    return undefined;
  }
  try {
    return Number(readFileSync(`/proc/self/task/${threadId}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}

/** Processor time of single threads, from the scheduler's figures. Linux only. */

import { readFileSync, readlinkSync } from 'node:fs';

/** The kernel's id of the calling thread. undefined if the system does not report it. */
export function ownThreadId(): number | undefined {
  try {
    return Number(/(\d+)$/.exec(readlinkSync('/proc/thread-self'))![1]);
  } catch {
    return undefined;
  }
}

/** Processor time of a thread of this process so far, ns. undefined if the system does not report it. */
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

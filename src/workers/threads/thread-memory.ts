/** Checks that the address space suffices for threads, before they start. V8 ends the whole process if it cannot reserve its part. */

import { UsageError } from '../../core/errors.ts';
import { addressSpaceLeft, type ReadText } from '../../core/memory/machine-memory.ts';
import { ErrorCode } from '../../shared/error-codes.ts';

/** Address space that V8 reserves for a thread: its code, its heap and its stack (590 MiB with Node 20 and 24). */
const THREAD_BYTES: number = 600 * 2 ** 20;

/** @throws UsageError if `ulimit -v` leaves too little for so many threads */
export function requireThreadMemory(threads: number, read?: ReadText): void {
  const left = addressSpaceLeft(read);
  if (left === undefined || left.bytes >= threads * THREAD_BYTES) {
    return;
  }
  const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new UsageError(
    `not enough memory: ${threads === 1 ? 'a thread reserves' : `${threads} threads reserve`} ${mib(threads * THREAD_BYTES)}, and ` +
      `${left.what} has ${mib(left.bytes)}: raise that limit, or use fewer threads or a smaller table`,
    { code: ErrorCode.NO_MEMORY },
  );
}

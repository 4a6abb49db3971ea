/** Notices that a live source is silent, so that packets need not wait for the next one for ever. */

import { setTimeout as delay } from 'node:timers/promises';

/** A source is silent after this time without a chunk. */
const SILENCE_MS = 500;

/** Yields the chunks, and undefined when the source is silent while `isWaiting` returns true. */
export async function* withSilences(
  chunks: AsyncIterable<Uint8Array>,
  isWaiting: () => boolean,
): AsyncGenerator<Uint8Array | undefined, void, void> {
  const iterator = chunks[Symbol.asyncIterator]();
  let isPending = false;
  try {
    for (;;) {
      isPending = true;
      const next = iterator.next().finally(() => {
        isPending = false;
      });
      /* It may reject before it is awaited below. Without this, the process would report that. */
      next.catch(() => {});
      if (isWaiting() && (await isSilent(next))) {
        yield undefined;
      }
      const { done, value } = await next;
      if (done === true) {
        return;
      }
      yield value;
    }
  } finally {
    /* While a read is pending, `return` would wait for the source. */
    if (!isPending) {
      await iterator.return?.();
    }
  }
}

async function isSilent(next: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const silence = delay(SILENCE_MS, true, { signal: timer.signal }).catch(() => false);
  return await Promise.race([silence, next.then(() => false)]).finally(() => timer.abort());
}

/** A live source may be silent for long: whoever waits for more of it is told so. */

import { setTimeout as delay } from 'node:timers/promises';

/** So long nothing has to come for a source to be silent. */
const SILENCE_MS = 500;

/**
 * The chunks, and undefined where the source is silent while `isWaiting` says that packets wait for what comes.
 */
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
      /* It may fail while nobody waits for it; it is awaited all the same. */
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
    /* One that waits for its source would only end with that. */
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

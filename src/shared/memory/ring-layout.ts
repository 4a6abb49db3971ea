/**
 * The words of a ring (ring.ts), and the functions that both its ends use.
 *
 *   line 0   HEAD          atomic: the producer writes, the consumer reads. Everything before it is published
 *   line 1   TAIL          atomic: the consumer writes, the producer reads. Everything before it is released
 *   line 2   consumer asleep (atomic), its wake-up count (atomic)
 *   line 3   producer asleep (atomic), its wake-up count (atomic)
 *   line 4   closed (atomic), size of the data in words (immutable)
 *   line 5   CLAIMED       plain: the consumer writes. It works on the slots before this position until it releases them.
 *                          The producer reads it after the consumer has died
 *   then     the data, a power of two of words
 *   then     spare words for the consumer. The ring does not use them
 *
 *          TAIL              CLAIMED                 HEAD                  the producer's next slot
 *           v                  v                      v                     v
 *   --------+------------------+----------------------+---------------------+----------
 *     free  | the consumer     | published, not       | the producer fills  |  free
 *           | works on these   | claimed yet          | these               |
 *   --------+------------------+----------------------+---------------------+----------
 *
 * Positions count words and wrap at 2^32. The first word of a slot is its size in words, a multiple of the cache line. A
 * slot never wraps. If it does not fit at the end of the data, a filler of negative size takes the rest.
 */

import { add, allocateWords, load, notify, store, type Words } from '../access.ts';
import { LINE_WORDS } from './cache-line.ts';

export const HEAD = 0;
export const TAIL = LINE_WORDS;
export const CONSUMER_ASLEEP = 2 * LINE_WORDS;
export const CONSUMER_WAKE: number = CONSUMER_ASLEEP + 1;
export const PRODUCER_ASLEEP = 3 * LINE_WORDS;
export const PRODUCER_WAKE: number = PRODUCER_ASLEEP + 1;
export const CLOSED = 4 * LINE_WORDS;
const DATA_WORDS: number = CLOSED + 1;
export const CLAIMED = 5 * LINE_WORDS;
export const DATA = 6 * LINE_WORDS;

/** Offset in a slot of its size in words. */
export const SLOT_SIZE = 0;

/**
 * Allocates a ring.
 * @param dataWords a power of two. A slot may have at most half of it
 * @param spareWords words after the data, for the consumer's own use
 * @param allocate where the ring shall lie; default: in memory of its own
 * @throws RangeError if dataWords is not a power of two, or less than a cache line
 */
export function allocateRing(
  dataWords: number,
  spareWords = 0,
  allocate: (words: number) => Words = allocateWords,
): Words {
  if (dataWords < LINE_WORDS || (dataWords & (dataWords - 1)) !== 0) {
    throw new RangeError(`the size of a ring must be a power of two of at least ${LINE_WORDS} words, not ${dataWords}`);
  }
  const words = allocate(DATA + dataWords + spareWords);
  words[DATA_WORDS] = dataWords;
  return words;
}

export function dataMask(words: Words): number {
  return words[DATA_WORDS]! - 1;
}

/** The spare words of a ring, as indexes of the first and after the last. */
export function spareOf(words: Words): { start: number; end: number } {
  return { start: DATA + words[DATA_WORDS]!, end: words.length };
}

/** Wakes the producer if it waits for released slots. */
export function wakeWaitingProducer(words: Words): void {
  if (load(words, PRODUCER_ASLEEP) !== 0) {
    add(words, PRODUCER_WAKE, 1);
    notify(words, PRODUCER_WAKE, 1);
  }
}

export function wakeConsumer(words: Words): void {
  add(words, CONSUMER_WAKE, 1);
  notify(words, CONSUMER_WAKE, 1);
}

/** Tells the consumer to stop when the ring is empty. Any thread may call it. */
export function closeRing(words: Words): void {
  store(words, CLOSED, 1);
  wakeConsumer(words);
}

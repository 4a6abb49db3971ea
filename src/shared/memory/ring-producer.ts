/** The producer's end of a ring (ring.ts). */

import { load, store, wait, type Words } from '../access.ts';
import { wholeLines } from './cache-line.ts';
import {
  CLAIMED,
  CONSUMER_ASLEEP,
  closeRing,
  DATA,
  dataMask,
  HEAD,
  PRODUCER_ASLEEP,
  PRODUCER_WAKE,
  SLOT_SIZE,
  TAIL,
  wakeConsumer,
  wakeWaitingProducer,
} from './ring-layout.ts';

/** The producer's end. For one thread only. */
export class RingProducer {
  readonly words: Words;
  readonly #mask: number;
  #head: number;
  /** Everything before this position was released by the consumer and harvested. */
  #harvested: number;
  /** The present wait for released slots. All callers share it, since the consumer wakes one waiter. */
  #waiting: Promise<void> | undefined;

  /** Continues where an earlier producer stopped. Slots that were released to that one are not harvested again. */
  constructor(words: Words) {
    this.words = words;
    this.#mask = dataMask(words);
    this.#head = load(words, HEAD);
    this.#harvested = load(words, TAIL);
  }

  /** The largest slot that always fits into an empty ring, in words. */
  get maxSlotWords(): number {
    return (this.#mask + 1) >>> 1;
  }

  /** Words of the slots that were published and not harvested. */
  get occupiedWords(): number {
    return (this.#head - this.#harvested) | 0;
  }

  /**
   * Reserves a slot of at least `slotWords`. It belongs to the producer until `publish`.
   * @returns its word index; -1 while the ring is full
   */
  reserve(slotWords: number): number {
    const size = wholeLines(slotWords);
    const capacity = this.#mask + 1;
    let free = capacity - this.occupiedWords;
    const untilEnd = capacity - (this.#head & this.#mask);
    if (size > untilEnd) {
      if (free < untilEnd + size) {
        return -1;
      }
      this.words[DATA + (this.#head & this.#mask)] = -untilEnd;
      this.#head = (this.#head + untilEnd) | 0;
      free -= untilEnd;
    }
    if (free < size) {
      return -1;
    }
    const slot = DATA + (this.#head & this.#mask);
    this.words[slot + SLOT_SIZE] = size;
    return slot;
  }

  /** Publishes the last reserved slot to the consumer, with everything that was written into it. */
  publish(): void {
    this.#head = (this.#head + this.words[DATA + (this.#head & this.#mask) + SLOT_SIZE]!) | 0;
    store(this.words, HEAD, this.#head);
    if (load(this.words, CONSUMER_ASLEEP) !== 0) {
      wakeConsumer(this.words);
    }
  }

  /**
   * Harvests the next released slot. Its words stay readable until the next `reserve`.
   * @returns its word index; -1 if there is none
   */
  harvest(): number {
    const slot = this.returned();
    if (slot >= 0) {
      this.take();
    }
    return slot;
  }

  /**
   * The next released slot. It is not harvested: no `reserve` uses its memory before `take`.
   * @returns its word index; -1 if there is none
   */
  returned(): number {
    const tail = load(this.words, TAIL);
    while (this.#harvested !== tail) {
      const slot = DATA + (this.#harvested & this.#mask);
      const size = this.words[slot + SLOT_SIZE]!;
      if (size > 0) {
        return slot;
      }
      this.#harvested = (this.#harvested - size) | 0;
    }
    return -1;
  }

  /** Harvests the slot that `returned` has just named. */
  take(): void {
    this.#harvested = (this.#harvested + this.words[DATA + (this.#harvested & this.#mask) + SLOT_SIZE]!) | 0;
  }

  /** True if the consumer has released everything that was published. */
  get isReleased(): boolean {
    return load(this.words, TAIL) === load(this.words, HEAD);
  }

  /** The oldest slot that was published and not harvested, released or not; -1 if there is none. */
  oldestOutstanding(): number {
    if (this.#harvested === this.#head) {
      return -1;
    }
    const at = this.#harvested & this.#mask;
    const size = this.words[DATA + at + SLOT_SIZE]!;
    if (size > 0) {
      return DATA + at;
    }
    /* A filler. The next slot, if there is one, is at the start of the data. */
    return ((this.#harvested - size) | 0) === this.#head ? -1 : DATA;
  }

  /**
   * Resolves when the consumer has released something since the last harvest, or after `timeoutMs`. A second call during a
   * wait joins that wait, and ends with it.
   */
  waitForReturns(timeoutMs: number): Promise<void> {
    if (load(this.words, TAIL) !== this.#harvested) {
      return Promise.resolve();
    }
    this.#waiting ??= this.#waitForReturns(timeoutMs).finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  async #waitForReturns(timeoutMs: number): Promise<void> {
    const seen = load(this.words, PRODUCER_WAKE);
    store(this.words, PRODUCER_ASLEEP, 1);
    if (load(this.words, TAIL) === this.#harvested) {
      const waiting = Atomics.waitAsync(this.words, PRODUCER_WAKE, seen, timeoutMs);
      if (waiting.async) {
        /* A promise of waitAsync does not keep the process alive; a timer does. */
        const keepAlive = setInterval(() => {}, 1000);
        await waiting.value;
        clearInterval(keepAlive);
      }
    }
    store(this.words, PRODUCER_ASLEEP, 0);
  }

  /** Blocks until the consumer has released something since the last harvest, at most `timeoutMs`. Not for the main thread. */
  blockForReturns(timeoutMs: number): void {
    const seen = load(this.words, PRODUCER_WAKE);
    store(this.words, PRODUCER_ASLEEP, 1);
    if (load(this.words, TAIL) === this.#harvested) {
      wait(this.words, PRODUCER_WAKE, seen, timeoutMs);
    }
    store(this.words, PRODUCER_ASLEEP, 0);
  }

  /** Tells the consumer that the producer will publish nothing more. */
  close(): void {
    closeRing(this.words);
  }

  /**
   * Call after the consumer has died. Calls `visit` for each slot that it had claimed, then releases these slots in its
   * place. Another consumer may take the others.
   * @param everything also visit and release the published slots that it had not claimed
   * @returns the number of visited slots
   */
  takeBack(visit: (slot: number) => void, everything = false): number {
    const { words } = this;
    const end = everything ? load(words, HEAD) : words[CLAIMED]!;
    const tail = load(words, TAIL);
    let count = 0;
    let position = tail;
    /* CLAIMED may lie before TAIL: a consumer that uses `release` does not write it. Then there is nothing to visit. */
    while (((end - position) | 0) > 0) {
      const slot = DATA + (position & this.#mask);
      const size = words[slot + SLOT_SIZE]!;
      position = (position + Math.abs(size)) | 0;
      if (size > 0) {
        visit(slot);
        count++;
      }
    }
    store(words, CONSUMER_ASLEEP, 0);
    if (position !== tail) {
      store(words, TAIL, position);
    }
    /* Also if no slot was visited: the consumer may have died after it released slots, and before it woke the producer. */
    wakeWaitingProducer(words);
    return count;
  }
}

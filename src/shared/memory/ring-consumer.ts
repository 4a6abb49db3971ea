/** The consumer's end of a ring (ring.ts). */

import { load, poke, store, wait, type Words } from '../access.ts';
import {
  CLAIMED,
  CLOSED,
  CONSUMER_ASLEEP,
  CONSUMER_WAKE,
  DATA,
  dataMask,
  HEAD,
  SLOT_SIZE,
  TAIL,
  wakeWaitingProducer,
} from './ring-layout.ts';

/** The consumer's end. For one thread only. */
export class RingConsumer {
  readonly words: Words;
  readonly #mask: number;
  /** Everything before this position was released. */
  #tail: number;
  /** Everything before this position was claimed. */
  #claimed: number;

  constructor(words: Words) {
    this.words = words;
    this.#mask = dataMask(words);
    this.#tail = load(words, TAIL);
    this.#claimed = this.#tail;
  }

  /** Writes the word indexes of at most `max` published slots into `slots`. They stay published. @returns their number */
  poll(slots: Int32Array, max: number): number {
    const head = load(this.words, HEAD);
    let position = this.#tail;
    let count = 0;
    while (position !== head && count < max) {
      const slot = DATA + (position & this.#mask);
      const size = this.words[slot + SLOT_SIZE]!;
      if (size > 0) {
        slots[count++] = slot;
      }
      position = (position + Math.abs(size)) | 0;
    }
    return count;
  }

  /**
   * Claims the first `count` slots of the last poll. If this thread dies before it releases them, the producer takes them
   * back (`RingProducer.takeBack`), and no other consumer sees them.
   */
  claim(count: number): void {
    this.#claimed = this.#after(count);
    /* Plain, and before the first change to a slot: after a death the producer sees every store that came before it. */
    poke(this.words, CLAIMED, this.#claimed);
  }

  /** Releases the slots of the last `claim` to the producer. */
  releaseClaimed(): void {
    this.#releaseTo(this.#claimed);
  }

  /** Releases the first `count` slots of the last poll to the producer. */
  release(count: number): void {
    this.#releaseTo(this.#after(count));
  }

  #releaseTo(position: number): void {
    this.#tail = position;
    store(this.words, TAIL, position);
    this.wakeProducer();
  }

  /** The position after the next `count` slots. */
  #after(count: number): number {
    let position = this.#tail;
    for (let passed = 0; passed < count; ) {
      const size = this.words[DATA + (position & this.#mask) + SLOT_SIZE]!;
      position = (position + Math.abs(size)) | 0;
      if (size > 0) {
        passed++;
      }
    }
    return position;
  }

  /** Wakes the producer if it waits, even if no slot was released. */
  wakeProducer(): void {
    wakeWaitingProducer(this.words);
  }

  /** True if nothing more will be published. */
  isClosed(): boolean {
    return load(this.words, CLOSED) !== 0;
  }

  /** True if no slot is published and none will be. */
  isFinished(): boolean {
    return load(this.words, CLOSED) !== 0 && load(this.words, HEAD) === this.#tail;
  }

  /** Blocks until something is published or the ring is closed. */
  sleep(): void {
    const seen = load(this.words, CONSUMER_WAKE);
    store(this.words, CONSUMER_ASLEEP, 1);
    if (load(this.words, HEAD) === this.#tail && load(this.words, CLOSED) === 0) {
      wait(this.words, CONSUMER_WAKE, seen);
    }
    store(this.words, CONSUMER_ASLEEP, 0);
  }
}

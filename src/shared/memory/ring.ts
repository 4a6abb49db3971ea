/**
 * A ring of variable-sized slots between one producer and one consumer thread. The consumer works in place: what it
 * writes into a slot is the producer's to read once the slot comes back.
 *
 *   line 0   HEAD          atomic: producer writes, consumer reads. Everything before it is published.
 *   line 1   TAIL          atomic: consumer writes, producer reads. Everything before it is given back.
 *   line 2   consumer asleep (atomic), its wake-up count (atomic)
 *   line 3   producer asleep (atomic), its wake-up count (atomic)
 *   line 4   closed (atomic), size of the data in words (immutable)
 *   line 5   CLAIMED       plain, consumer writes: up to here it is working on the slots, until it gives them back. Read by
 *                          the producer when the consumer has died
 *   then     the data, a power of two of words
 *   then     spare words, which the ring does not touch: the consumer's
 *
 *          TAIL              CLAIMED                 HEAD                  the producer's next slot
 *           v                  v                      v                     v
 *   --------+------------------+----------------------+---------------------+----------
 *     free  | the consumer     | published, the       | the producer fills  |  free
 *           | works on these   | consumer comes yet   | these               |
 *   --------+------------------+----------------------+---------------------+----------
 *
 * Positions count words and wrap at 2^32. A slot starts with its own size in words and is a multiple of the cache
 * line; a slot never wraps: when it does not fit at the end of the data, a filler of negative size takes the rest.
 */

import { add, load, notify, poke, store, wait, type Words } from '../access.ts';
import { LINE_WORDS, wholeLines } from './cache-line.ts';

const HEAD = 0;
const TAIL = LINE_WORDS;
const CONSUMER_ASLEEP = 2 * LINE_WORDS;
const CONSUMER_WAKE: number = CONSUMER_ASLEEP + 1;
const PRODUCER_ASLEEP = 3 * LINE_WORDS;
const PRODUCER_WAKE: number = PRODUCER_ASLEEP + 1;
const CLOSED = 4 * LINE_WORDS;
const DATA_WORDS: number = CLOSED + 1;
const CLAIMED = 5 * LINE_WORDS;
const DATA = 6 * LINE_WORDS;

/** Offset inside a slot of its size in words. */
export const SLOT_SIZE = 0;

/**
 * Memory for a ring.
 * @param dataWords a power of two; a slot may be at most half of it
 * @param spareWords behind the data, for the consumer's own use
 */
export function allocateRing(dataWords: number, spareWords = 0): Words {
  if (dataWords < LINE_WORDS || (dataWords & (dataWords - 1)) !== 0) {
    throw new RangeError(`a ring's size must be a power of two of at least ${LINE_WORDS} words, not ${dataWords}`);
  }
  const words = new Int32Array(new SharedArrayBuffer((DATA + dataWords + spareWords) * 4));
  words[DATA_WORDS] = dataWords;
  return words;
}

function dataMask(words: Words): number {
  return words[DATA_WORDS]! - 1;
}

/** Where the spare words of a ring lie. */
export function spareOf(words: Words): { start: number; end: number } {
  return { start: DATA + words[DATA_WORDS]!, end: words.length };
}

/** The producer's end. One thread only. */
export class RingProducer {
  readonly words: Words;
  readonly #mask: number;
  #head: number;
  /** Everything before it was given back and harvested. */
  #harvested: number;
  /** What waits for returns now: the consumer wakes one waiter. */
  #waiting: Promise<void> | undefined;

  /** Takes the ring's end where a producer before it left it; what that one had not harvested yet is not shown to this one. */
  constructor(words: Words) {
    this.words = words;
    this.#mask = dataMask(words);
    this.#head = load(words, HEAD);
    this.#harvested = load(words, TAIL);
  }

  /** The largest slot that always fits once the ring is empty, in words. */
  get maxSlotWords(): number {
    return (this.#mask + 1) >>> 1;
  }

  /** Slots that were published and not yet harvested lie in this many words. */
  get occupiedWords(): number {
    return (this.#head - this.#harvested) | 0;
  }

  /**
   * Room for a slot of at least `slotWords`; returns its word index, or -1 while the ring is full. The slot is the
   * producer's until `publish`.
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

  /** Hands the slot last reserved to the consumer, with everything written into it. */
  publish(): void {
    this.#head = (this.#head + this.words[DATA + (this.#head & this.#mask) + SLOT_SIZE]!) | 0;
    store(this.words, HEAD, this.#head);
    if (load(this.words, CONSUMER_ASLEEP) !== 0) {
      wakeConsumer(this.words);
    }
  }

  /** The next slot that the consumer has given back, as a word index; -1 if there is none. Its words stay readable until the next `reserve`. */
  harvest(): number {
    const slot = this.returned();
    if (slot >= 0) {
      this.take();
    }
    return slot;
  }

  /**
   * The next slot that the consumer has given back, as `harvest`, but it stays the ring's: until `take` no `reserve` gets its
   * memory. -1 if there is none.
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

  /** Everything that was published has been given back by the consumer. */
  get isGivenBack(): boolean {
    return load(this.words, TAIL) === load(this.words, HEAD);
  }

  /** The slot published first of those not harvested yet, given back or not; -1 if there is none. */
  oldestOutstanding(): number {
    if (this.#harvested === this.#head) {
      return -1;
    }
    const at = this.#harvested & this.#mask;
    const size = this.words[DATA + at + SLOT_SIZE]!;
    if (size > 0) {
      return DATA + at;
    }
    /* A filler; what follows it is at the start of the data, if anything does. */
    return ((this.#harvested - size) | 0) === this.#head ? -1 : DATA;
  }

  /**
   * Resolves when the consumer has given something back since the last harvest, or after `timeoutMs`. Whoever waits while another
   * one does waits with it, and no longer.
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
        /* The promise of waitAsync alone does not keep the process alive. */
        const keepAlive = setInterval(() => {}, 1000);
        await waiting.value;
        clearInterval(keepAlive);
      }
    }
    store(this.words, PRODUCER_ASLEEP, 0);
  }

  /** Blocks until the consumer has given something back since the last harvest, or for `timeoutMs`. Not in a main thread. */
  blockForReturns(timeoutMs: number): void {
    const seen = load(this.words, PRODUCER_WAKE);
    store(this.words, PRODUCER_ASLEEP, 1);
    if (load(this.words, TAIL) === this.#harvested) {
      wait(this.words, PRODUCER_WAKE, seen, timeoutMs);
    }
    store(this.words, PRODUCER_ASLEEP, 0);
  }

  /** Tells the consumer that nothing more will come. */
  close(): void {
    closeRing(this.words);
  }

  /**
   * Of a consumer that has died: gives back in its place the slots that it was working on, after they were shown to the
   * visitor. Another consumer may take the rest.
   * @param everything also those that no consumer has taken yet
   * @returns how many
   */
  takeBack(visit: (slot: number) => void, everything = false): number {
    const { words } = this;
    const end = everything ? load(words, HEAD) : words[CLAIMED]!;
    const tail = load(words, TAIL);
    let count = 0;
    let position = tail;
    /* What was claimed by a consumer that says so seldom may lie behind what it has given back. */
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
    /* Also if there is nothing: it may have died between giving slots back and saying so. */
    wakeWaitingProducer(words);
    return count;
  }
}

/** Wakes a producer that waits for returns. */
function wakeWaitingProducer(words: Words): void {
  if (load(words, PRODUCER_ASLEEP) !== 0) {
    add(words, PRODUCER_WAKE, 1);
    notify(words, PRODUCER_WAKE, 1);
  }
}

function wakeConsumer(words: Words): void {
  add(words, CONSUMER_WAKE, 1);
  notify(words, CONSUMER_WAKE, 1);
}

/** Tells the ring's consumer to stop when it has emptied the ring; any thread may call it. */
export function closeRing(words: Words): void {
  store(words, CLOSED, 1);
  wakeConsumer(words);
}

/** The consumer's end. One thread only. */
export class RingConsumer {
  readonly words: Words;
  readonly #mask: number;
  /** Everything before it was given back. */
  #tail: number;
  /** End of the last claim. */
  #claimed: number;

  constructor(words: Words) {
    this.words = words;
    this.#mask = dataMask(words);
    this.#tail = load(words, TAIL);
    this.#claimed = this.#tail;
  }

  /** Writes the word indexes of at most `max` published slots into `slots`; returns how many. They stay published. */
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
   * Says that the first `count` slots of the last poll are being worked on: should this consumer die before it releases
   * them, the producer takes them back (`RingProducer.takeBack`), and no other consumer sees them.
   */
  claim(count: number): void {
    this.#claimed = this.#after(count);
    /* Before the first change to a slot: a thread that dies has done all that stands before in the program. */
    poke(this.words, CLAIMED, this.#claimed);
  }

  /** Gives the slots of the last `claim` back to the producer. */
  releaseClaimed(): void {
    this.#releaseTo(this.#claimed);
  }

  /** Gives the first `count` slots of the last poll back to the producer. */
  release(count: number): void {
    this.#releaseTo(this.#after(count));
  }

  #releaseTo(position: number): void {
    this.#tail = position;
    store(this.words, TAIL, position);
    this.wakeProducer();
  }

  /** The position behind the next `count` slots. */
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

  /** Wakes a producer that waits for returns, also if there are none. */
  wakeProducer(): void {
    wakeWaitingProducer(this.words);
  }

  /** Nothing more will come than is published. */
  isClosed(): boolean {
    return load(this.words, CLOSED) !== 0;
  }

  /** No slot is published and none will come. */
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

/** Jobs of the ring tests: both ends, each on a thread of its own. */

import { type Words } from '../../src/shared/access.ts';
import { RingConsumer, RingProducer, SLOT_SIZE } from '../../src/shared/memory/ring.ts';
import { serve } from './serve.ts';
import { randomSequence } from './steps.ts';

/* What the tests write into a slot, behind its size. */
const NUMBER = SLOT_SIZE + 1;
const LENGTH = SLOT_SIZE + 2;
const PAYLOAD = SLOT_SIZE + 3;

let words: Words;
let producer: RingProducer;
let consumer: RingConsumer;
const slots = new Int32Array(64);

/** Slot `number` of every run has the same size and content. */
function payloadLength(number: number, maxSlotWords: number): number {
  return randomSequence(number)() % (maxSlotWords - PAYLOAD + 1);
}

function fill(slot: number, number: number, length: number): void {
  const random = randomSequence(number);
  words[slot + NUMBER] = number;
  words[slot + LENGTH] = length;
  for (let i = 0; i < length; i++) {
    words[slot + PAYLOAD + i] = random();
  }
}

/** The consumer's side of a slot: checks what came, and answers in place. */
function answer(slot: number, number: number, maxSlotWords: number): void {
  const length = payloadLength(number, maxSlotWords);
  if (words[slot + NUMBER] !== number || words[slot + LENGTH] !== length) {
    throw new Error(`slot ${words[slot + NUMBER]} of ${words[slot + LENGTH]} words came in place of slot ${number}`);
  }
  if (slot + PAYLOAD + length > words.length) {
    throw new Error(`slot ${number} lies beyond the end of the ring`);
  }
  const random = randomSequence(number);
  for (let i = 0; i < length; i++) {
    const word = random();
    if (words[slot + PAYLOAD + i] !== word) {
      throw new Error(`word ${i} of slot ${number} came as ${words[slot + PAYLOAD + i]}, not ${word}`);
    }
    words[slot + PAYLOAD + i] = ~word;
  }
}

function checkAnswer(slot: number, number: number, maxSlotWords: number): void {
  const length = payloadLength(number, maxSlotWords);
  const random = randomSequence(number);
  if (words[slot + NUMBER] !== number) {
    throw new Error(`slot ${words[slot + NUMBER]} came back in place of slot ${number}`);
  }
  for (let i = 0; i < length; i++) {
    if (words[slot + PAYLOAD + i] !== ~random()) {
      throw new Error(`slot ${number} came back without its answer`);
    }
  }
}

const jobs = {
  setUp(shared: { words: Words }): void {
    words = shared.words;
    producer = new RingProducer(words);
    consumer = new RingConsumer(words);
  },

  /** Sends `count` slots, harvests all answers, closes the ring. Returns how often the slots started over. */
  async produce({ count }: { count: number }): Promise<number> {
    const most = producer.maxSlotWords;
    let turns = 0;
    /* Checks all answers that are there, waits if there are none; returns the number of the next one. */
    const harvestFrom = async (first: number): Promise<number> => {
      let number = first;
      for (let slot; (slot = producer.harvest()) !== -1; number++) {
        checkAnswer(slot, number, most);
      }
      if (number === first) {
        await producer.waitForReturns(60_000);
      }
      return number;
    };
    let harvested = 0;
    let lastSlot = 0;
    for (let number = 0; number < count; number++) {
      const length = payloadLength(number, most);
      let slot: number;
      while ((slot = producer.reserve(PAYLOAD + length)) === -1) {
        harvested = await harvestFrom(harvested);
      }
      if (slot < lastSlot) {
        turns++;
      }
      lastSlot = slot;
      fill(slot, number, length);
      producer.publish();
    }
    while (harvested < count) {
      harvested = await harvestFrom(harvested);
    }
    if (producer.occupiedWords !== 0 || producer.harvest() !== -1) {
      throw new Error(`${producer.occupiedWords} words of the ring are still occupied`);
    }
    producer.close();
    return turns;
  },

  /** Answers slots until the ring is closed and empty; returns how many there were. */
  consume({ maxSlotWords }: { maxSlotWords: number }): number {
    const random = randomSequence(1);
    let count = 0;
    for (;;) {
      const got = consumer.poll(slots, 1 + (random() % 8));
      if (got === 0) {
        if (consumer.isFinished()) {
          return count;
        }
        consumer.sleep();
        continue;
      }
      /* Not always all that was polled: what is not released comes again. */
      const done = 1 + (random() % got);
      for (let i = 0; i < done; i++) {
        answer(slots[i]!, count++, maxSlotWords);
      }
      consumer.release(done);
    }
  },

  poll({ max }: { max: number }): number[] {
    return [...slots.subarray(0, consumer.poll(slots, max))];
  },

  release({ count }: { count: number }): void {
    consumer.release(count);
  },

  isFinished(_: null): boolean {
    return consumer.isFinished();
  },

  sleep(_: null): void {
    consumer.sleep();
  },

  /** Sleeps until there is something; returns the numbers of the slots that came, or how the ring ended. */
  sleepUntilWoken(_: null): number[] | 'closed' {
    for (;;) {
      const got = consumer.poll(slots, slots.length);
      if (got > 0) {
        const numbers = [...slots.subarray(0, got)].map((slot) => words[slot + NUMBER]!);
        consumer.release(got);
        return numbers;
      }
      if (consumer.isFinished()) {
        return 'closed';
      }
      consumer.sleep();
    }
  },
};

export type RingJobs = typeof jobs;
serve(jobs);

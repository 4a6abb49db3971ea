/** The ring between one producer and one consumer thread. */

import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { allocateRing, closeRing, RingConsumer, RingProducer, SLOT_SIZE } from '../../../src/shared/memory/ring.ts';
import { Crew } from '../../threads/crew.ts';
import type { RingJobs } from '../../threads/ring-jobs.ts';
import { until } from '../../threads/steps.ts';

const PRODUCER = 0;
const CONSUMER = 1;

/** Offset inside a slot of the number that ring-jobs.ts reports. */
const NUMBER = SLOT_SIZE + 1;

/* From the diagram of ring.ts: set while that end sleeps or is about to; what the consumer sleeps on. */
const CONSUMER_ASLEEP = 2 * LINE_WORDS;
const CONSUMER_WAKE = CONSUMER_ASLEEP + 1;
const PRODUCER_ASLEEP = 3 * LINE_WORDS;
const TAIL = LINE_WORDS;
const CLAIMED = 5 * LINE_WORDS;

/** No timeout: a wake-up that is missing must not look like one that came late. */
const FOR_EVER = Number.POSITIVE_INFINITY;
const TEST_MS = 60_000;

describe.each([{ checked: false }, { checked: true }])(
  'a ring between two threads (checked: $checked)',
  ({ checked }) => {
    const crew = new Crew<RingJobs>({ jobs: 'ring-jobs', threads: 2, checked });

    afterAll(() => crew.end());

    it.each([
      { dataWords: 64, count: 10_000 },
      { dataWords: 1024, count: 10_000 },
      { dataWords: 16_384, count: 2000 },
    ])(
      'brings slots of all sizes whole and in order, and their answers back (ring of $dataWords words)',
      async ({ dataWords, count }) => {
        const words = allocateRing(dataWords);
        await crew.run('setUp', { words });
        const { maxSlotWords } = new RingProducer(words);
        const producing = crew.runOn(PRODUCER, 'produce', { count });
        await until('the producer has filled the ring and waits', () => Atomics.load(words, PRODUCER_ASLEEP) === 1);
        const consuming = crew.runOn(CONSUMER, 'consume', { maxSlotWords });
        expect(await producing).toBeGreaterThan(100);
        expect(await consuming).toBe(count);
      },
    );

    it('wakes a consumer that sleeps, with every slot', async () => {
      const words = allocateRing(256);
      await crew.run('setUp', { words });
      const producer = new RingProducer(words);
      for (let number = 0; number < 200; number++) {
        const woken = crew.runOn(CONSUMER, 'sleepUntilWoken', null);
        await until('the consumer goes to sleep', () => Atomics.load(words, CONSUMER_ASLEEP) === 1);
        const slot = producer.reserve(2);
        words[slot + NUMBER] = number;
        producer.publish();
        expect(await woken).toEqual([number]);
        expect(producer.harvest()).toBe(slot);
        expect(Atomics.load(words, CONSUMER_ASLEEP)).toBe(0);
      }
    });

    it('wakes a consumer that sleeps by closing, and lets a woken one without work sleep on', async () => {
      for (let round = 0; round < 50; round++) {
        const words = allocateRing(256);
        await crew.run('setUp', { words });
        const woken = crew.runOn(CONSUMER, 'sleepUntilWoken', null);
        /* What notify returns proves that it slept; it finds nothing and goes back to sleep. */
        await until('the consumer sleeps', () => Atomics.notify(words, CONSUMER_WAKE) === 1);
        if (round % 2 === 0) {
          new RingProducer(words).close();
        } else {
          closeRing(words);
        }
        expect(await woken).toBe('closed');
      }
    });

    it('does not let a consumer sleep while something is published, nor once it is closed', async () => {
      const words = allocateRing(256);
      await crew.run('setUp', { words });
      const producer = new RingProducer(words);
      words[producer.reserve(2) + NUMBER] = 7;
      producer.publish();
      await crew.runOn(CONSUMER, 'sleep', null);
      producer.close();
      await crew.runOn(CONSUMER, 'sleep', null);
      expect(await crew.runOn(CONSUMER, 'isFinished', null)).toBe(false);
      expect(await crew.runOn(CONSUMER, 'sleepUntilWoken', null)).toEqual([7]);
      expect(await crew.runOn(CONSUMER, 'isFinished', null)).toBe(true);
      await crew.runOn(CONSUMER, 'sleep', null);
      expect(await crew.runOn(CONSUMER, 'sleepUntilWoken', null)).toBe('closed');
    });

    it('lets its producer wait until the consumer gives something back', async () => {
      const words = allocateRing(128);
      await crew.run('setUp', { words });
      const producer = new RingProducer(words);
      for (let round = 0; round < 100; round++) {
        while (producer.reserve(16) !== -1) {
          producer.publish();
        }
        await crew.runOn(CONSUMER, 'poll', { max: 64 });
        let resolved = false;
        const waiting = producer.waitForReturns(FOR_EVER).then(() => {
          resolved = true;
        });
        for (let turn = 0; turn < 3; turn++) {
          await setImmediate();
        }
        expect(resolved).toBe(false);
        const count = 1 + (round % 3);
        await crew.runOn(CONSUMER, 'release', { count });
        await waiting;
        for (let i = 0; i < count; i++) {
          expect(producer.harvest()).not.toBe(-1);
        }
        expect(producer.harvest()).toBe(-1);
      }
    });
  },
);

describe('a ring', () => {
  const DATA_WORDS = 128;
  let words: Words;
  let producer: RingProducer;
  let consumer: RingConsumer;
  const slots = new Int32Array(64);

  beforeEach(() => {
    words = allocateRing(DATA_WORDS);
    producer = new RingProducer(words);
    consumer = new RingConsumer(words);
  });

  const send = (slotWords: number): number => {
    const slot = producer.reserve(slotWords);
    if (slot !== -1) {
      producer.publish();
    }
    return slot;
  };

  const poll = (max = slots.length): number[] => [...slots.subarray(0, consumer.poll(slots, max))];

  const harvestAll = (): number[] => {
    const harvested: number[] = [];
    for (let slot; (slot = producer.harvest()) !== -1; ) {
      harvested.push(slot);
    }
    return harvested;
  };

  it('has a size that is a power of two, of at least a line', () => {
    for (const size of [0, 1, LINE_WORDS - 1, LINE_WORDS / 2, 3 * LINE_WORDS, 1000, -64]) {
      expect(() => allocateRing(size), String(size)).toThrow(RangeError);
    }
    for (const size of [LINE_WORDS, 2 * LINE_WORDS, 1024]) {
      expect(new RingProducer(allocateRing(size)).maxSlotWords).toBe(size / 2);
    }
  });

  it('shows a slot when it is published, not when it is reserved', () => {
    const slot = producer.reserve(20);
    expect(poll()).toEqual([]);
    producer.publish();
    expect(poll()).toEqual([slot]);
  });

  it('gives slots of whole lines, each on its own and inside the ring', () => {
    const first = send(1);
    const second = send(LINE_WORDS + 1);
    const third = send(LINE_WORDS);
    expect([second - first, third - second]).toEqual([LINE_WORDS, 2 * LINE_WORDS]);
    expect(words[second + SLOT_SIZE]).toBe(2 * LINE_WORDS);
    expect(third + LINE_WORDS).toBeLessThanOrEqual(words.length);
    expect(poll()).toEqual([first, second, third]);
  });

  it('polls no more slots than asked for, and shows again what was not released', () => {
    const sent = [send(16), send(16), send(16), send(16)];
    expect(poll(0)).toEqual([]);
    expect(poll(3)).toEqual(sent.slice(0, 3));
    expect(poll(2)).toEqual(sent.slice(0, 2));
    consumer.release(1);
    expect(poll(2)).toEqual(sent.slice(1, 3));
    consumer.release(2);
    expect(poll()).toEqual(sent.slice(3));
  });

  it('is full when no slot fits any more, until one was released and harvested', () => {
    const sent = Array.from({ length: DATA_WORDS / LINE_WORDS }, () => send(LINE_WORDS));
    expect(sent).not.toContain(-1);
    expect(producer.occupiedWords).toBe(DATA_WORDS);
    expect(producer.reserve(1)).toBe(-1);
    expect(poll()).toEqual(sent);
    expect(producer.reserve(1)).toBe(-1);
    consumer.release(1);
    /* The answer in it is still to be read. */
    expect(producer.reserve(1)).toBe(-1);
    expect(producer.harvest()).toBe(sent[0]);
    expect(producer.occupiedWords).toBe(DATA_WORDS - LINE_WORDS);
    expect(producer.reserve(LINE_WORDS + 1)).toBe(-1);
    expect(send(LINE_WORDS)).toBe(sent[0]);
    expect(producer.reserve(1)).toBe(-1);
  });

  it('harvests what the consumer wrote in place, in order, and nothing before it was released', () => {
    const sent = [send(16), send(40), send(16)];
    expect(producer.harvest()).toBe(-1);
    for (const slot of poll()) {
      words[slot + NUMBER] = -slot;
    }
    expect(producer.harvest()).toBe(-1);
    consumer.release(2);
    const harvested = harvestAll();
    expect(harvested).toEqual(sent.slice(0, 2));
    expect(harvested.map((slot) => words[slot + NUMBER])).toEqual(harvested.map((slot) => -slot));
    consumer.release(1);
    expect(harvestAll()).toEqual(sent.slice(2));
    expect(producer.occupiedWords).toBe(0);
  });

  it('puts a slot that does not fit at the end at the start, and nobody sees the filler between', () => {
    const first = send(64);
    const second = send(48);
    expect(poll()).toEqual([first, second]);
    consumer.release(2);
    expect(harvestAll()).toEqual([first, second]);
    /* 16 words are left at the end. */
    const wrapped = send(32);
    expect(wrapped).toBe(first);
    expect(producer.occupiedWords).toBe(16 + 32);
    expect(poll(1)).toEqual([wrapped]);
    consumer.release(1);
    expect(poll()).toEqual([]);
    expect(harvestAll()).toEqual([wrapped]);
    expect(producer.occupiedWords).toBe(0);
    expect(send(16)).toBe(first + 32);
  });

  it('is full when a slot fits neither at the end nor before what is still out', () => {
    const first = send(48);
    const second = send(48);
    /* 32 words are left at the end, none at the start. */
    expect(producer.reserve(48)).toBe(-1);
    expect(producer.occupiedWords).toBe(96);
    consumer.release(1);
    expect(harvestAll()).toEqual([first]);
    const wrapped = send(48);
    expect(wrapped).toBe(first);
    expect(producer.reserve(1)).toBe(-1);
    expect(poll()).toEqual([second, wrapped]);
  });

  it('is full for a slot that does not fit at the end when the filler would leave it no space, but not for a smaller one', () => {
    const sent = [send(32), send(32), send(32)];
    poll();
    consumer.release(1);
    expect(harvestAll()).toEqual(sent.slice(0, 1));
    /* 32 words are free at either end. */
    expect(producer.reserve(48)).toBe(-1);
    expect(producer.occupiedWords).toBe(64);
    const last = send(32);
    expect(last).toBe(sent[2]! + 32);
    expect(send(32)).toBe(sent[0]);
    expect(producer.reserve(1)).toBe(-1);
  });

  it('always takes a slot of half its size once it is empty, wherever it stands', () => {
    for (let lines = 0; lines < 3 * (DATA_WORDS / LINE_WORDS); lines++) {
      expect(send(producer.maxSlotWords)).not.toBe(-1);
      consumer.release(1);
      harvestAll();
      expect(send(1)).not.toBe(-1);
      consumer.release(1);
      harvestAll();
      expect(producer.occupiedWords).toBe(0);
    }
  });

  it('goes on when its positions wrap at 2^32', () => {
    const size = 1 << 22;
    words = allocateRing(2 * size);
    producer = new RingProducer(words);
    consumer = new RingConsumer(words);
    let sentWords = 0;
    for (let round = 0; round < 1100; round++) {
      for (const slotWords of [size, size - 1000 * LINE_WORDS, 100]) {
        let slot = send(slotWords);
        if (slot === -1) {
          consumer.release(consumer.poll(slots, 64));
          harvestAll();
          slot = send(slotWords);
        }
        sentWords += words[slot + SLOT_SIZE]!;
        words[slot + NUMBER] = round;
        const seen = poll();
        if (seen.at(-1) !== slot || words[seen.at(-1)! + NUMBER] !== round) {
          expect.fail(`slot ${slot} of round ${round} was seen as ${seen}`);
        }
      }
    }
    expect(sentWords).toBeGreaterThan(2 ** 32);
    consumer.release(consumer.poll(slots, 64));
    harvestAll();
    expect(producer.occupiedWords).toBe(0);
    producer.close();
    expect(consumer.isFinished()).toBe(true);
  });

  it('is finished when it is closed and emptied', () => {
    send(16);
    expect(consumer.isFinished()).toBe(false);
    producer.close();
    expect(consumer.isFinished()).toBe(false);
    expect(poll()).toHaveLength(1);
    expect(consumer.isFinished()).toBe(false);
    consumer.release(1);
    expect(consumer.isFinished()).toBe(true);
  });

  it('gives a new consumer what the last one did not release', () => {
    const sent = [send(16), send(16)];
    poll();
    consumer.release(1);
    consumer = new RingConsumer(words);
    expect(poll()).toEqual(sent.slice(1));
  });

  it(
    'does not let its producer wait when something came back since the last harvest',
    async () => {
      send(16);
      consumer.release(consumer.poll(slots, 1));
      await producer.waitForReturns(FOR_EVER);
      expect(harvestAll()).toHaveLength(1);
    },
    TEST_MS,
  );

  it('lets its producer wait no longer than it wants to', async () => {
    send(16);
    await producer.waitForReturns(10);
    expect(producer.harvest()).toBe(-1);
    await producer.waitForReturns(0);
  });

  it('takes back what a consumer that died had claimed, and leaves the rest to the next', () => {
    const sent = [send(16), send(32), send(16)];
    poll();
    consumer.claim(2);
    const back: number[] = [];
    expect(producer.takeBack((slot) => back.push(slot))).toBe(2);
    expect(back).toEqual(sent.slice(0, 2));
    expect(harvestAll()).toEqual(sent.slice(0, 2));
    consumer = new RingConsumer(words);
    expect(poll()).toEqual(sent.slice(2));
    expect(producer.takeBack(() => expect.fail('nothing is claimed any more'))).toBe(0);
    consumer.claim(1);
    consumer.releaseClaimed();
    expect(producer.takeBack(() => expect.fail('it was released'))).toBe(0);
    expect(harvestAll()).toEqual(sent.slice(2));
  });

  it(
    'wakes its producer after a consumer that died between its release and its notify',
    async () => {
      const sent = [send(16), send(16)];
      poll();
      consumer.claim(2);
      const waiting = producer.waitForReturns(FOR_EVER);
      Atomics.store(words, TAIL, words[CLAIMED]!);
      expect(producer.takeBack(() => expect.fail('it was released'))).toBe(0);
      await waiting;
      expect(harvestAll()).toEqual(sent);
    },
    TEST_MS,
  );

  it('takes everything back when there will be no other consumer', () => {
    const sent = [send(16), send(32), send(16)];
    poll();
    consumer.claim(1);
    expect(producer.takeBack(() => {}, true)).toBe(3);
    expect(harvestAll()).toEqual(sent);
    expect(producer.isReleased).toBe(true);
  });

  it('lets a new producer go on behind what the last one has published', () => {
    const first = send(16);
    producer = new RingProducer(words);
    const second = send(16);
    expect(poll()).toEqual([first, second]);
    consumer.release(2);
    expect(harvestAll()).toEqual([first, second]);
  });
});

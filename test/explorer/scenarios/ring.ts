/** The ring: a producer and a consumer that sleep when it is full or empty, and closing it. */

import { peek, store, type Words } from '../../../src/shared/access.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../../src/shared/memory/ring.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';

/** Two slots of a line each. */
const DATA_WORDS = 32;
const SLOT_WORDS = 16;
/** Longer than any test. A thread that waits so long was not woken. */
const FOREVER_MS = 1e6;

interface Shared {
  words: Words;
}

/** @param values that go through the ring */
function passing(values: number, options: { closes: boolean }): Scenario<Shared> {
  return scenario<Shared>({
    threads: 2,
    build() {
      const words = allocateRing(DATA_WORDS);
      return { shared: { words }, regions: [{ name: 'ring', words, ranges: [[0, words.length]] }] };
    },
    attach({ words }, thread) {
      let producer = new RingProducer(words);
      let consumer = new RingConsumer(words);
      const slots = new Int32Array(4);
      let received: number[] = [];
      const produce = () => {
        for (let value = 1; value <= values; value++) {
          let slot = producer.reserve(SLOT_WORDS);
          while (slot < 0) {
            if (producer.harvest() < 0) {
              producer.blockForReturns(FOREVER_MS);
            }
            slot = producer.reserve(SLOT_WORDS);
          }
          store(words, slot + 1, value);
          producer.publish();
        }
        if (options.closes) {
          producer.close();
        }
      };
      const consume = () => {
        while (options.closes ? !consumer.isFinished() : received.length < values) {
          const count = consumer.poll(slots, 1);
          if (count === 0) {
            consumer.sleep();
            continue;
          }
          received.push(peek(words, slots[0]! + 1));
          consumer.release(count);
        }
        if (received.join() !== Array.from({ length: values }, (_, i) => i + 1).join()) {
          violate('lost value', `${values} values were sent in order, and came as ${received.join()}`);
        }
      };
      return {
        reset() {
          producer = new RingProducer(words);
          consumer = new RingConsumer(words);
          received = [];
        },
        run: thread === 0 ? produce : consume,
      };
    },
    nameOf(_shared, _region, index) {
      const names: Record<number, string> = {
        0: 'HEAD',
        16: 'TAIL',
        32: 'CONSUMER_ASLEEP',
        33: 'CONSUMER_WAKE',
        48: 'PRODUCER_ASLEEP',
        49: 'PRODUCER_WAKE',
        64: 'CLOSED',
      };
      return names[index] ?? `data ${index - 80}`;
    },
  });
}

export const one = passing(1, { closes: true });
/** Nobody closes it: nothing but what is published wakes the consumer. */
export const open = passing(2, { closes: false });
/** More than fit. */
export const three = passing(3, { closes: true });

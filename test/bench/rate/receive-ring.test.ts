/** The receive ring drops what arrives while it is full, and hands out the rest in order. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReceiveRing } from '../../../bench/rate/receive-ring.ts';

/** Takes packets one by one until none waits. */
function drain(ring: ReceiveRing): number[] {
  const numbers: number[] = [];
  while (ring.take(1) === 1) {
    numbers.push(ring.first);
  }
  return numbers;
}

it('packets come out in the order of their numbers, in batches of at most the given size', () => {
  const ring = new ReceiveRing(8);
  ring.arriveUntil(5);
  expect([ring.take(3), ring.first]).toEqual([3, 0]);
  expect([ring.take(3), ring.first]).toEqual([2, 3]);
  expect(ring.take(3)).toBe(0);
  expect(ring.dropped).toBe(0);
});

it('a full ring drops the newest packets, not those that wait', () => {
  const ring = new ReceiveRing(4);
  ring.arriveUntil(6);
  expect(ring.dropped).toBe(2);
  ring.take(2);
  ring.arriveUntil(9);
  expect(ring.dropped).toBe(3);
  expect(drain(ring)).toEqual([2, 3, 6, 7]);
});

it('a batch never holds packets from both sides of a gap', () => {
  const ring = new ReceiveRing(4);
  ring.arriveUntil(5);
  ring.take(1);
  ring.arriveUntil(6);
  expect([ring.take(32), ring.first]).toEqual([3, 1]);
  expect([ring.take(32), ring.first]).toEqual([1, 5]);
});

it('every packet is taken, dropped or still waits, whatever the order of arrivals and polls', () => {
  const steps = fc.array(fc.record({ arrive: fc.nat(20), take: fc.nat(10) }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), steps, (capacity, all) => {
      const ring = new ReceiveRing(capacity);
      /* A plain model: an array of waiting numbers. */
      const waiting: number[] = [];
      const taken: number[] = [];
      let due = 0;
      for (const { arrive, take } of all) {
        for (let i = 0; i < arrive; i++, due++) {
          if (waiting.length < capacity) {
            waiting.push(due);
          }
        }
        ring.arriveUntil(due);
        const count = ring.take(take);
        for (let i = 0; i < count; i++) {
          taken.push(ring.first + i);
        }
        expect(waiting.splice(0, count)).toEqual(taken.slice(taken.length - count));
      }
      expect(ring.offered).toBe(due);
      expect(ring.dropped).toBe(due - taken.length - waiting.length);
      expect(drain(ring)).toEqual(waiting);
    }),
  );
});

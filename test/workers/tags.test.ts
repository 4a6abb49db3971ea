/** A tag may be any value. It comes back with its packet; the datapath then forgets it. */

import { describe, expect, it } from 'vitest';
import { Tags } from '../../src/workers/datapath/tags.ts';
import { flow, startDatapath } from '../support/datapaths.ts';
import { udp } from '../support/frames.ts';

const VALUES = [
  0,
  1,
  0x7fffffff,
  0x80000000,
  -1,
  -0,
  1.5,
  Number.NaN,
  5n,
  '',
  'text',
  null,
  false,
  Symbol('s'),
  {},
  [],
];

describe('tags', () => {
  it('of every type come back unchanged', async () => {
    const datapath = await startDatapath();
    const back: unknown[] = [];
    datapath.on('verdict', ({ tag }) => back.push(tag));
    for (const [i, tag] of VALUES.entries()) {
      await datapath.push(udp(flow(i)), { timeMs: 0, tag });
    }
    await datapath.push(udp(flow(99)), { timeMs: 0 });
    await datapath.drain();
    expect(back).toHaveLength(VALUES.length + 1);
    VALUES.forEach((tag, i) => expect(Object.is(back[i], tag)).toBe(true));
    expect(back.at(-1)).toBeUndefined();
  });

  it('are forgotten when their packets have come back', () => {
    const tags = new Tags<unknown>();
    const numbers = ['a', 5, undefined, 'b'].map((tag) => tags.numberOf(tag));
    expect(tags.size).toBe(2);
    numbers.forEach((number) => tags.release(number));
    tags.endRound();
    expect(tags.size).toBe(0);
  });

  it('of held fragments stay until they come back, and the tag of the releasing packet one round longer', () => {
    const tags = new Tags<string>();
    const [held, releasing] = [tags.numberOf('held'), tags.numberOf('releasing')];
    tags.hold(held);
    tags.endRound();
    tags.release(releasing);
    tags.endRound();
    expect([tags.at(held), tags.at(releasing)]).toEqual(['held', 'releasing']);
    tags.release(held);
    tags.endRound();
    expect([tags.at(held), tags.at(releasing)]).toEqual(['held', undefined]);
    tags.endRound();
    expect(tags.size).toBe(0);
  });

  it('of the oldest held fragments are forgotten beyond the limit of 10,000', () => {
    const tags = new Tags<string>();
    for (let i = 0; i < 25_000; i++) {
      tags.hold(tags.numberOf(`fragment ${i}`));
    }
    expect(tags.size).toBe(10_000);
  });

  it('of packets with a wrong timestamp are forgotten', async () => {
    const datapath = await startDatapath();
    const wrong = () => datapath.push(udp(flow(1)), { timeMs: Number.NaN, tag: 'a' });
    expect(wrong).toThrow(/^timeMs must be/);
    expect(() => datapath.offer(udp(flow(1)), { timeMs: Number.NaN, tag: 'a' })).toThrow(/^timeMs must be/);
    await datapath.drain();
  });
});

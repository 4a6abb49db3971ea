/** A tag is anything, comes back with its packet, and is then forgotten. */

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
  it('of every kind come back as they were', async () => {
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

  it('are kept no longer than their packets are under way', () => {
    const tags = new Tags<unknown>();
    const numbers = ['a', 5, undefined, 'b'].map((tag) => tags.numberOf(tag));
    expect(tags.size).toBe(2);
    numbers.forEach((number) => tags.release(number));
    tags.endRound();
    expect(tags.size).toBe(0);
  });

  it('of held fragments are kept until these come back, and that of the packet that released them one round longer', () => {
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

  it('of fragments that never come back are forgotten when more were held after them than can be', () => {
    const tags = new Tags<string>();
    for (let i = 0; i < 25_000; i++) {
      tags.hold(tags.numberOf(`fragment ${i}`));
    }
    expect(tags.size).toBe(10_000);
  });

  it('of packets that were not taken are forgotten', async () => {
    const datapath = await startDatapath();
    const wrong = () => datapath.push(udp(flow(1)), { timeMs: Number.NaN, tag: 'a' });
    expect(wrong).toThrow(/^timeMs must be/);
    expect(() => datapath.offer(udp(flow(1)), { timeMs: Number.NaN, tag: 'a' })).toThrow(/^timeMs must be/);
    await datapath.drain();
  });
});

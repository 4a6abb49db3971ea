/** The search finds the highest rate without loss of a server whose capacity is known. */

import { describe, expect, it } from 'vitest';
import { findHighestRate, type SearchOptions } from '../../../bench/rate/search.ts';

const OPTIONS: SearchOptions = { startPps: 1e6, leastPps: 1000, mostPps: 1e9, precision: 1.03, tries: 3 };

/** A server that loses packets above its capacity, and in trials that the machine disturbs. */
function server(capacityPps: number, isDisturbed: (trial: number) => boolean = () => false) {
  const offered: number[] = [];
  const offer = async (pps: number): Promise<boolean> => {
    offered.push(pps);
    return pps <= capacityPps && !isDisturbed(offered.length - 1);
  };
  return { offer, offered };
}

describe('the search for the highest rate', () => {
  it.each([1500, 40_000, 999_999, 1_000_000, 3_141_592, 250_000_000])(
    'finds a capacity of %d packets a second to three percent, from below',
    async (capacity) => {
      const { highestPps, lossyPps } = await findHighestRate(server(capacity).offer, OPTIONS);
      expect(highestPps).toBeLessThanOrEqual(capacity);
      expect(lossyPps).toBeGreaterThan(capacity);
      expect(lossyPps! / highestPps!).toBeLessThanOrEqual(1.03);
    },
  );

  it('tries a rate with loss again, so that single disturbed trials change nothing', async () => {
    const isDisturbed = (trial: number) => trial % 3 === 0;
    const { highestPps } = await findHighestRate(server(3e6, isDisturbed).offer, OPTIONS);
    expect(highestPps).toEqual((await findHighestRate(server(3e6).offer, OPTIONS)).highestPps);
  });

  it('gives up a rate after the given number of tries', async () => {
    const { offer, offered } = server(1.5e6);
    await findHighestRate(offer, { ...OPTIONS, precision: 2, tries: 3 });
    expect(offered).toEqual([1e6, 2e6, 2e6, 2e6]);
  });

  it('finds no rate if the lowest one loses packets, and no loss if the highest one does not', async () => {
    expect(await findHighestRate(server(0).offer, OPTIONS)).toMatchObject({ highestPps: undefined });
    expect(await findHighestRate(server(1e12).offer, OPTIONS)).toEqual({ highestPps: 1e9, lossyPps: undefined });
  });
});

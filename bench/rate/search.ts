/**
 * The search for the highest rate without loss: doubling until packets are lost, then bisection.
 *
 * A rate with loss is tried again, because a pause that the system makes loses packets at any rate. So one try without loss
 * suffices. Source: ETSI GS NFV-TST 009, "binary search with loss verification".
 */

export interface SearchOptions {
  /** Packets a second of the first trial. */
  startPps: number;
  /** No lower and no higher rate is tried. */
  leastPps: number;
  mostPps: number;
  /** It ends when the lowest rate with loss is at most this many times the highest without. */
  precision: number;
  /** Tries of a rate with loss. */
  tries: number;
}

export interface RateSearch {
  /** Highest rate without loss. undefined if every rate lost packets. */
  highestPps: number | undefined;
  /** Lowest rate at which all tries lost packets. undefined if none did. */
  lossyPps: number | undefined;
}

/** @param offer offers a rate once. @returns whether nothing was lost */
export async function findHighestRate(
  offer: (pps: number) => Promise<boolean>,
  { startPps, leastPps, mostPps, precision, tries }: SearchOptions,
): Promise<RateSearch> {
  const holds = async (pps: number): Promise<boolean> => {
    for (let attempt = 0; attempt < tries; attempt++) {
      if (await offer(pps)) {
        return true;
      }
    }
    return false;
  };
  let highestPps: number | undefined;
  let lossyPps: number | undefined;
  let next: number | undefined = startPps;
  while (next !== undefined) {
    const pps: number = next;
    if (await holds(pps)) {
      highestPps = pps;
      next = lossyPps === undefined && pps < mostPps ? Math.min(mostPps, pps * 2) : undefined;
    } else {
      lossyPps = pps;
      next = highestPps === undefined && pps > leastPps ? Math.max(leastPps, pps / 2) : undefined;
    }
  }
  while (highestPps !== undefined && lossyPps !== undefined && lossyPps > highestPps * precision) {
    const pps: number = Math.sqrt(highestPps * lossyPps);
    if (await holds(pps)) {
      highestPps = pps;
    } else {
      lossyPps = pps;
    }
  }
  return { highestPps, lossyPps };
}

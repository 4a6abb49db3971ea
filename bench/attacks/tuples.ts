/** Random tuples in the form of packet words. */

import { swapHalf, swapWord } from '../../src/core/packet/layout.ts';
import type { TupleTable } from '../workloads/tuples.ts';

/** Three words for each tuple, as in a packet: source, destination, ports. */
export type TupleWords = Int32Array;

export function randomWord(random: () => number): number {
  return Math.floor(random() * 0x100000000) | 0;
}

/** Tuples of random addresses and ports, or of random clients and one server. */
export function randomTuples(
  { random }: { random: () => number },
  count: number,
  server?: { dst: number; dport: number },
): TupleTable {
  const words = new Int32Array(count * 3);
  for (let i = 0; i < count; i++) {
    words[i * 3] = randomWord(random);
    words[i * 3 + 1] = server === undefined ? randomWord(random) : swapWord(server.dst);
    const ports = randomWord(random);
    words[i * 3 + 2] = server === undefined ? ports : (ports & 0xffff) | (swapHalf(server.dport) << 16);
  }
  return { first: 0, words };
}

/**
 * Tuples of connections by number: random ones, and patterns that defeat a weak hash. All tuples of a pattern differ. They are
 * computed before the measurement, so that every pattern costs the sender the same.
 */

import { swapWord } from '../../src/core/packet/layout.ts';

/** Source, destination and ports (source in the low half) as in a packet, for each connection from `first` on. */
export interface TupleTable {
  first: number;
  words: Int32Array;
}

interface Tuple {
  /** Addresses in host order. */
  src: number;
  dst: number;
  sport: number;
  dport: number;
}

const BASE = 0x0a000000;
const SERVER = 0x0a800001;

function reverseBits(value: number): number {
  let from = value;
  let reversed = 0;
  for (let bit = 0; bit < 32; bit++) {
    reversed = (reversed << 1) | (from & 1);
    from >>>= 1;
  }
  return reversed;
}

/** A permutation of the 32-bit numbers that looks random: the finalizer of MurmurHash3. */
function scramble(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The tuple of a connection, by name of the pattern. */
export const PATTERNS: Record<string, (id: number) => Tuple> = {
  random: (id) => ({
    src: scramble(id),
    dst: scramble(id ^ 0x5bd1e995),
    sport: 1 + ((scramble(id + 0x1000) >>> 0) % 65535),
    dport: 1 + ((scramble(id + 0x2000) >>> 0) % 65535),
  }),
  /** Consecutive client addresses. */
  'sequential-addresses': (id) => ({ src: BASE + id, dst: SERVER, sport: 1000, dport: 80 }),
  /** One client, one server, consecutive ports. */
  'sequential-ports': (id) => ({ src: BASE, dst: SERVER, sport: 1 + (id >>> 15), dport: 1 + (id & 0x7fff) }),
  /** All addresses have the same low 12 bits. */
  'same-low-bits': (id) => ({ src: id << 12, dst: SERVER, sport: 1000 + (id >>> 20), dport: 80 }),
  /** Client addresses 65536 apart. */
  'stride-64k': (id) => ({ src: (id << 16) | (id >>> 16), dst: SERVER, sport: 1000, dport: 80 }),
  /** The number with its bits reversed: from one to the next mostly high bits change. */
  'high-bits': (id) => ({ src: reverseBits(id), dst: SERVER, sport: 1000, dport: 80 }),
  /** Source XOR destination is constant. */
  'constant-xor': (id) => ({ src: BASE + id, dst: (BASE + id) ^ 0x01020304, sport: 1000, dport: 80 }),
  /** Source plus destination is constant. */
  'constant-sum': (id) => ({ src: BASE + id, dst: (SERVER - id) | 0, sport: 1000, dport: 80 }),
  /** Both ports are equal, and both addresses differ in one bit. */
  'equal-ends': (id) => {
    const src = BASE + Math.floor(id / 65535);
    const port = 1 + (id % 65535);
    return { src, dst: src ^ 0x800000, sport: port, dport: port };
  },
};

/** @throws Error if there is no such pattern */
export function tuplesOf(pattern: string, first: number, count: number): TupleTable {
  const tupleOf = PATTERNS[pattern];
  if (tupleOf === undefined) {
    throw new Error(`there is no pattern ${pattern}`);
  }
  const words = new Int32Array(count * 3);
  const swapHalf = (half: number) => ((half & 0xff) << 8) | ((half >>> 8) & 0xff);
  for (let i = 0; i < count; i++) {
    const { src, dst, sport, dport } = tupleOf(first + i);
    words[i * 3] = swapWord(src);
    words[i * 3 + 1] = swapWord(dst);
    words[i * 3 + 2] = swapHalf(sport) | (swapHalf(dport) << 16);
  }
  return { first, words };
}

/**
 * Tuples of connections, by number: random ones, and patterns in which a weak hash finds little to go by. All of a pattern
 * are different. They are worked out before anything is measured, so that every pattern costs the sender the same.
 */

import { swapWord } from '../../src/core/packet/layout.ts';

/** Source, destination and ports (source in the low half) as they stand in a packet, for each connection from `first` on. */
export interface TupleTable {
  first: number;
  words: Int32Array;
}

interface Tuple {
  /** Host order. */
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

/** A permutation of 32-bit numbers without a pattern: the finalizer of MurmurHash3. */
function scramble(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** What varies from connection to connection, by the pattern's name. */
export const PATTERNS: Record<string, (id: number) => Tuple> = {
  random: (id) => ({
    src: scramble(id),
    dst: scramble(id ^ 0x5bd1e995),
    sport: 1 + ((scramble(id + 0x1000) >>> 0) % 65535),
    dport: 1 + ((scramble(id + 0x2000) >>> 0) % 65535),
  }),
  /** Clients one after the other. */
  'sequential-addresses': (id) => ({ src: BASE + id, dst: SERVER, sport: 1000, dport: 80 }),
  /** One client, one server, ports one after the other. */
  'sequential-ports': (id) => ({ src: BASE, dst: SERVER, sport: 1 + (id >>> 15), dport: 1 + (id & 0x7fff) }),
  /** The low 12 bits of all addresses are the same. */
  'same-low-bits': (id) => ({ src: id << 12, dst: SERVER, sport: 1000 + (id >>> 20), dport: 80 }),
  /** Addresses 65536 apart. */
  'stride-64k': (id) => ({ src: (id << 16) | (id >>> 16), dst: SERVER, sport: 1000, dport: 80 }),
  /** The number backwards: only high bits change from one to the next. */
  'high-bits': (id) => ({ src: reverseBits(id), dst: SERVER, sport: 1000, dport: 80 }),
  /** Source xor destination is the same everywhere. */
  'constant-xor': (id) => ({ src: BASE + id, dst: (BASE + id) ^ 0x01020304, sport: 1000, dport: 80 }),
  /** Source plus destination is the same everywhere. */
  'constant-sum': (id) => ({ src: BASE + id, dst: (SERVER - id) | 0, sport: 1000, dport: 80 }),
  /** Both ports are the same, and both addresses but for one bit. */
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

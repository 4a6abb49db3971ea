/**
 * What a rise of a counter is worth. A counter alone is no slowdown: one more plain read is cheap, one more line to wait for is not.
 * So each kind of counter has a price in instructions, and a phase has a cost: the sum over its counters.
 */

import type { Gate } from '../../count/gate.ts';

/** Counters of one kind, with equal prices. */
interface Kind {
  name: string;
  has: RegExp;
  /** Instructions that one is worth. */
  price: number;
  /** The same, beyond the instructions that valgrind counts. */
  beyondInstructions: number;
}

/**
 * In JavaScript an atomic operation is a call of about 100 instructions, and an access about 6 with its checks of bounds (docs/measuring.md).
 * A locked instruction takes about 20 cycles, in which the packet path executes 80 instructions. A line that is not in the first-level
 * cache takes about 14 cycles from the second level and 300 from memory.
 */
const KINDS: readonly Kind[] = [
  { name: 'atomic loads', has: /^operations\.load$/, price: 100, beyondInstructions: 0 },
  {
    name: 'atomic writes',
    has: /^operations\.(store|compareExchange|exchange|add|or|wait|notify)$/,
    price: 180,
    beyondInstructions: 80,
  },
  {
    name: 'plain accesses',
    has: /^(operations\.(read|write|peek|poke)|packet\.(reads|writes))$/,
    price: 6,
    beyondInstructions: 0,
  },
  { name: 'lines', has: /^lines\./, price: 4, beyondInstructions: 4 },
  { name: 'lines left to wait for', has: /^misses\./, price: 300, beyondInstructions: 300 },
  { name: 'bytes allocated', has: /^bytes$/, price: 5, beyondInstructions: 0 },
];

/** Instructions of a packet that no counter sees, where valgrind has not counted: parsing, hashing, comparing. */
const UNSEEN_INSTRUCTIONS = 1000;

/** The counters of a phase. */
export interface PricedCounts {
  packets: number;
  gate: Gate;
  /** Of one packet. Only where both builds have them. */
  instructions?: number;
}

/** One kind of counter, for one packet. */
export interface KindOfPacket {
  name: string;
  /** Of one packet. */
  count: number;
  price: number;
}

export function kindsOf({ packets, gate, instructions }: PricedCounts): KindOfPacket[] {
  const isMeasured = instructions !== undefined;
  const kinds = KINDS.map(({ name, has, price, beyondInstructions }) => {
    const counts = Object.entries(gate).filter(([counter]) => has.test(counter));
    const count = counts.reduce((sum, [, each]) => sum + each, 0) / packets;
    return { name, count, price: isMeasured ? beyondInstructions : price };
  });
  return [...kinds, ...(isMeasured ? [{ name: 'instructions', count: instructions, price: 1 }] : [])];
}

export interface CostChange {
  /** Changes in percent of the cost before: all kinds that rose, and all that fell. */
  risePercent: number;
  fallPercent: number;
  /** The kinds that changed, the most expensive change first. */
  kinds: { name: string; before: number; after: number; percent: number }[];
}

/** How the cost of a packet changed. */
export function costChange(before: PricedCounts, after: PricedCounts): CostChange {
  const [old, now] = [kindsOf(before), kindsOf(after)];
  const unseen = before.instructions === undefined ? UNSEEN_INSTRUCTIONS : 0;
  const cost = unseen + old.reduce((sum, { count, price }) => sum + count * price, 0);
  const kinds = old
    .map(({ name, count, price }, i) => {
      const { count: later } = now[i]!;
      return { name, before: count, after: later, percent: (100 * price * (later - count)) / cost };
    })
    .filter((kind) => kind.before !== kind.after)
    .toSorted((a, b) => Math.abs(b.percent) - Math.abs(a.percent));
  const sumOf = (sign: 1 | -1) => kinds.reduce((sum, { percent }) => sum + Math.max(0, sign * percent), 0);
  return { risePercent: sumOf(1), fallPercent: sumOf(-1), kinds };
}

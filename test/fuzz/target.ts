/** What a target of the fuzzer is, and what it finds. */

import type { Random } from './random.ts';

/** Something is not as promised. Whatever else `run` throws is a finding, too. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** What inputs led to: shows whether the fuzzer gets anywhere. */
export class Tally {
  readonly counts: Record<string, number> = {};

  add(what: string, count = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + count;
  }
}

export interface Target<Input = unknown> {
  name: string;
  /** One line: what is made up, and what is held against it. */
  about: string;
  /** Share of the time of a run, against that of others. */
  weight: number;
  /** One input may take so long; default 10,000 ms. */
  deadlineMs?: number;
  /** Once, before the first input. */
  prepare?: (options: { shared: boolean }) => void | Promise<void>;
  generate: (random: Random) => Input;
  /**
   * Lets the code under test have it.
   * @returns how many inputs that was: of a sequence of packets, the packets
   * @throws Finding or anything else when it is not as promised
   */
  run: (input: Input, tally: Tally) => number | Promise<number>;
  /** Smaller inputs that may fail as well, the smallest first. */
  shrink?: (input: Input) => Iterable<Input>;
  /** After the last input. */
  end?: () => void | Promise<void>;
}

/** An input as text that a file can hold: JSON, with bytes as { "$hex": "..." }. */
export function inputText(input: unknown): string {
  return JSON.stringify(input, (_key, value: unknown) => {
    if (value instanceof Uint8Array) {
      return { $hex: Buffer.from(value).toString('hex') };
    }
    if (typeof value === 'number' && !Number.isFinite(value)) {
      return { $number: String(value) };
    }
    if (typeof value === 'bigint') {
      return { $bigint: String(value) };
    }
    return value === undefined ? { $undefined: true } : value;
  });
}

/** What `inputText` wrote. */
export function inputOf(text: string): unknown {
  const restored = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      return value.map(restored);
    }
    if (typeof value !== 'object' || value === null) {
      return value;
    }
    const fields = value as Record<string, unknown>;
    if (typeof fields['$hex'] === 'string') {
      return Uint8Array.from(Buffer.from(fields['$hex'], 'hex'));
    }
    if (typeof fields['$number'] === 'string') {
      return Number(fields['$number']);
    }
    if (typeof fields['$bigint'] === 'string') {
      return BigInt(fields['$bigint']);
    }
    if (fields['$undefined'] === true) {
      return undefined;
    }
    return Object.fromEntries(Object.entries(fields).map(([name, member]) => [name, restored(member)]));
  };
  return restored(JSON.parse(text));
}

/** Lists that differ from this one by less and less: halves, quarters, ..., single items left out. */
export function* withoutParts<Item>(items: readonly Item[]): Generator<Item[], void, void> {
  for (let size = items.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < items.length; at += size) {
      yield [...items.slice(0, at), ...items.slice(at + size)];
    }
  }
}

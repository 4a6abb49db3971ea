/** The interface of a target of the fuzzer, and of its findings. */

import type { Random } from './random.ts';

/** The code under test broke a promise. Any other error of `run` is a finding too. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** Counts the results of inputs. They show whether the fuzzer reaches interesting states. */
export class Tally {
  readonly counts: Record<string, number> = {};

  add(what: string, count = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + count;
  }
}

export interface Target<Input = unknown> {
  name: string;
  /** One line for the help: the inputs, and what must hold for them. */
  about: string;
  /** The share of this target in the time of a run, relative to the others. */
  weight: number;
  /** An input that takes longer hangs. The default is in watch.ts. */
  deadlineMs?: number;
  /** Called once, before the first input. */
  prepare?: (options: { shared: boolean }) => void | Promise<void>;
  generate: (random: Random) => Input;
  /**
   * Runs the code under test with an input.
   * @returns the number of inputs to count: for a sequence, its packets
   * @throws Finding, or any other error, if the code under test breaks a promise
   */
  run: (input: Input, tally: Tally) => number | Promise<number>;
  /** Smaller inputs that may fail too, the smallest first. */
  shrink?: (input: Input) => Iterable<Input>;
  /** Called after the last input. */
  end?: () => void | Promise<void>;
}

/** An input as JSON text for a file, with bytes as { "$hex": "..." }. */
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

/** Reads the text of `inputText`. */
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

/** Lists without a part of this one: first without a half, then without a quarter, at last without a single item. */
export function* withoutParts<Item>(items: readonly Item[]): Generator<Item[], void, void> {
  for (let size = items.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < items.length; at += size) {
      yield [...items.slice(0, at), ...items.slice(at + size)];
    }
  }
}

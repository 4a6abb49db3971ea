/** Seeded random numbers, which are the same on every machine and with every version of Node. */

/** A small fast generator (sfc32 by Chris Doty-Humphrey), seeded by seed, target and number of the input. */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /**
   * @param seed of the run
   * @param stream the name of the target
   * @param number the number of the input
   */
  constructor(seed: number, stream = '', number = 0) {
    let hash = 0x811c9dc5;
    for (let i = 0; i < stream.length; i++) {
      hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    }
    this.#a = seed | 0;
    this.#b = hash;
    this.#c = number | 0;
    for (let i = 0; i < 12; i++) {
      this.next();
    }
  }

  /** A whole number of 32 bits. */
  next(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result;
    this.#c |= 0;
    return result >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * limit);
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  byte(): number {
    return this.next() & 0xff;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      bytes[i] = this.next();
    }
    return bytes;
  }

  /** A whole number of up to `bits` bits, often one at a limit where programs fail. */
  edge(bits: number): number {
    const top = 2 ** bits;
    switch (this.below(6)) {
      case 0:
        return this.below(4);
      case 1:
        return top - 1 - this.below(4);
      case 2:
        return 2 ** this.below(bits);
      case 3:
        return Math.max(0, 2 ** this.below(bits) - 1);
      default:
        return Math.floor((this.next() / 0x1_0000_0000) * top);
    }
  }
}

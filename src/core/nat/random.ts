/** A thread's random numbers for translated ports (Marsaglia's xorshift). */

export class PortRandom {
  /** Never 0. */
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** The next number: 32 bits, unsigned. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }
}

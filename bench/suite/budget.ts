/** A time that all of a benchmark must fit into, whatever the machine. */

export class Budget {
  readonly #nowMs: () => number;
  readonly #startMs: number;
  readonly #ms: number;

  /** @param nowMs the clock; tests have their own */
  constructor(seconds: number, nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#ms = seconds * 1000;
  }

  /** Negative when it is used up. */
  get leftMs(): number {
    return this.#startMs + this.#ms - this.#nowMs();
  }

  /** Does it, and tells how long it took. */
  async timed<Answer>(work: () => Promise<Answer>): Promise<{ answer: Answer; ms: number }> {
    const fromMs = this.#nowMs();
    const answer = await work();
    return { answer, ms: this.#nowMs() - fromMs };
  }
}

/** The time limit of a whole benchmark, on any machine. */

export class Budget {
  readonly #nowMs: () => number;
  readonly #startMs: number;
  readonly #ms: number;

  /** @param nowMs the clock. Tests pass their own. */
  constructor(seconds: number, nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#ms = seconds * 1000;
  }

  /** The time left. Negative when it is used up. */
  get leftMs(): number {
    return this.#startMs + this.#ms - this.#nowMs();
  }

  /** Does the work and measures its duration. */
  async timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
    const fromMs = this.#nowMs();
    const result = await work();
    return { result, ms: this.#nowMs() - fromMs };
  }
}

/**
 * Random numbers with Zipf's distribution: rank k of 1 to n comes with a probability proportional to 1 / k^exponent.
 *
 * Source: W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM
 * Transactions on Modeling and Computer Simulation 6(3), 1996. It takes about one try per number, and no table of n entries.
 */

/** log(1 + x) / x, also near 0. */
function log1pOver(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x / 2;
}

/** (exp(x) - 1) / x, also near 0. */
function expm1Over(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x / 2;
}

export class Zipf {
  readonly #ranks: number;
  readonly #exponent: number;
  readonly #random: () => number;
  readonly #from: number;
  readonly #to: number;
  readonly #sure: number;

  /** @param random uniform from 0 to before 1 */
  constructor(ranks: number, exponent: number, random: () => number) {
    this.#ranks = ranks;
    this.#exponent = exponent;
    this.#random = random;
    this.#from = this.#integral(1.5) - 1;
    this.#to = this.#integral(ranks + 0.5);
    this.#sure = 2 - this.#inverse(this.#integral(2.5) - this.#density(2));
  }

  #density(x: number): number {
    return Math.exp(-this.#exponent * Math.log(x));
  }

  /** The integral of the density. */
  #integral(x: number): number {
    const log = Math.log(x);
    return expm1Over((1 - this.#exponent) * log) * log;
  }

  #inverse(x: number): number {
    return Math.exp(log1pOver(Math.max(-1, x * (1 - this.#exponent))) * x);
  }

  /** A rank from 1. */
  next(): number {
    for (;;) {
      const u = this.#to + this.#random() * (this.#from - this.#to);
      const x = this.#inverse(u);
      const rank = Math.min(this.#ranks, Math.max(1, Math.floor(x + 0.5)));
      if (rank - x <= this.#sure || u >= this.#integral(rank + 0.5) - this.#density(rank)) {
        return rank;
      }
    }
  }
}

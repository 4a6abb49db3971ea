/**
 * Which commit made it slow: what the pairs so far say. Each pair compares a commit with the good one. Before the slow commit its
 * figure is about 0, in ln(B/A), and from then on about `effect`. Every commit begins as likely as any other, and Bayes' rule
 * weighs them by all pairs. So a wrong step is not final: what speaks against it later takes the search back.
 *
 * The noise is taken as Student's t with three degrees of freedom, so one outlier decides nothing. Its scale comes from the pairs.
 */

import { median } from '../../statistics/statistics.ts';

/** A commit is taken as fast or slow if its pairs say so with odds of this many to one. */
const STEP_ODDS = Math.log(99);
/** Odds that a commit gets whose pairs remain undecided. */
const SETTLED_ODDS = Math.log(20);
/** A head-to-head that finds nothing counts against its suspects with these odds. */
const CLEARED_ODDS = Math.log(1000);
/** Odds of what no measurement could change: a commit runs the same code as another one. */
const KNOWN_ODDS = Math.log(1e12);
/** Probability of the suspects from which a head-to-head decides. */
const SUSPECTED = 0.95;
/** Least scale of the noise: as a part of the effect, and in ln(B/A). */
const LEAST_SCALE_PART = 0.1;
const LEAST_SCALE = 0.002;
/** Of normal noise, the scale is this many times the median distance. */
const SCALE_OF_MEDIAN = 1.4826;

/** Commits that no measurement can tell apart: from the one after `parent` to `last`. All but the last could not be measured. */
export interface Suspects {
  parent: number;
  last: number;
  probability: number;
}

export class Beliefs {
  readonly #effect: number;
  /** Number of the bad commit. The good one has the number 0. */
  readonly #last: number;
  readonly #pairs = new Map<number, number[]>();
  readonly #unmeasurable = new Set<number>();
  /** By commit: ln of the odds that do not come from pairs. */
  readonly #odds: number[];

  /** @param first pairs of the bad commit */
  constructor(last: number, effect: number, first: readonly number[]) {
    this.#last = last;
    this.#effect = effect;
    this.#odds = Array.from({ length: last + 1 }, () => 0);
    this.#pairs.set(last, [...first]);
  }

  add(commit: number, logRatio: number): void {
    this.#pairs.set(commit, [...(this.#pairs.get(commit) ?? []), logRatio]);
  }

  pairsOf(commit: number): readonly number[] {
    return this.#pairs.get(commit) ?? [];
  }

  skip(commit: number): void {
    this.#unmeasurable.add(commit);
  }

  /** ln of the odds that the commit is slow, by its own pairs. */
  #oddsOf(commit: number): number {
    const scale = this.#scale();
    const density = (distance: number) => -2 * Math.log1p((distance / scale) ** 2 / 3);
    return this.pairsOf(commit).reduce((sum, value) => sum + density(value - this.#effect) - density(value), 0);
  }

  /** Whether the pairs of the commit tell if it is slow. */
  isClear(commit: number): boolean {
    return Math.abs(this.#oddsOf(commit)) >= STEP_ODDS;
  }

  isSlow(commit: number): boolean {
    return this.#oddsOf(commit) > 0;
  }

  /** No more pairs of this commit will come: it counts as what its pairs point to. */
  settle(commit: number): void {
    const isSlow = this.isSlow(commit);
    for (let each = 1; each <= this.#last; each++) {
      this.#odds[each]! += each <= commit === isSlow ? SETTLED_ODDS : 0;
    }
  }

  /** The commit runs the same code as the good one, or as the bad one. */
  know(commit: number, isSlow: boolean): void {
    for (let each = 1; each <= this.#last; each++) {
      this.#odds[each]! -= each <= commit === isSlow ? 0 : KNOWN_ODDS;
    }
  }

  /** A head-to-head has shown that none of these is slow. */
  clear({ parent, last }: Suspects): void {
    for (let each = parent + 1; each <= last; each++) {
      this.#odds[each]! -= CLEARED_ODDS;
    }
  }

  /** All suspects in order of the commits, with their probabilities. */
  suspects(): Suspects[] {
    const odds = [...this.#odds];
    for (const commit of this.#pairs.keys()) {
      const own = this.#oddsOf(commit);
      for (let each = 1; each <= commit; each++) {
        odds[each]! += own;
      }
    }
    const most = Math.max(...odds.slice(1));
    const weights = odds.map((value, commit) => (commit === 0 ? 0 : Math.exp(value - most)));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const groups: Suspects[] = [];
    let group: Suspects = { parent: 0, last: 0, probability: 0 };
    for (let commit = 1; commit <= this.#last; commit++) {
      group.probability += weights[commit]! / sum;
      if (!this.#unmeasurable.has(commit)) {
        groups.push({ ...group, last: commit });
        group = { parent: commit, last: 0, probability: 0 };
      }
    }
    return groups;
  }

  /** What to do next: measure this commit, or compare these suspects with the commit before them. */
  next(): number | Suspects {
    const groups = this.suspects();
    const likeliest = groups.reduce((best, group) => (group.probability > best.probability ? group : best));
    if (likeliest.probability >= SUSPECTED || groups.length === 1) {
      return likeliest;
    }
    /* The measurement that tells most has half of the probability before it. */
    let before = 0;
    let [middle, distance] = [0, 1];
    for (const { last, probability } of groups.slice(0, -1)) {
      before += probability;
      if (Math.abs(before - 0.5) < distance) {
        [middle, distance] = [last, Math.abs(before - 0.5)];
      }
    }
    return middle;
  }

  #scale(): number {
    const distances = [...this.#pairs.values()]
      .filter(({ length }) => length > 1)
      .flatMap((values) => {
        const middle = median(values);
        /* Few values lie nearer to their own middle than to the true one. */
        const spread = Math.sqrt(values.length / (values.length - 1));
        return values.map((value) => Math.abs(value - middle) * spread);
      });
    const measured = distances.length === 0 ? 0 : SCALE_OF_MEDIAN * median(distances);
    return Math.max(measured, LEAST_SCALE_PART * Math.abs(this.#effect), LEAST_SCALE);
  }
}

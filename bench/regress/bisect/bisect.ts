/**
 * `regress bisect`: which commit made it slow. It measures the commit that tells most, with two pairs where the slowdown is large and
 * with more where it is close (bisect-beliefs.ts). The answer is not believed before a head-to-head of the commit and its parent, with
 * pairs of its own, shows the slowdown by the rules of every verdict. If it does not, the search goes back.
 */

import { seededRandom } from '../../statistics/statistics.ts';
import { Beliefs, type Suspects } from './bisect-beliefs.ts';
import { SampleError, type Order } from '../samples/cases.ts';
import type { Commit } from '../builds/git.ts';
import { planLooks } from '../verdict/looks.ts';
import { estimatePairs, hodgesLehmann } from '../verdict/pair-statistics.ts';
import { judge, percentOf, type Figure, type FigureVerdict } from '../verdict/verdict.ts';

/** A commit cannot be built or measured. The message is one line. */
export class UnmeasurableError extends SampleError {}

/** Two commits that are ready to be measured. */
export interface Comparison {
  /** Takes a pair. @returns ln(head/base) of the figure. @throws UnmeasurableError */
  pair(order: Order): Promise<number>;
  remove(): void;
}

export interface BisectOptions {
  /** The good commit, and all later ones up to the bad one. */
  commits: readonly Commit[];
  /** The figure that regressed, and its pairs of the bad commit against the good one. */
  figure: Figure;
  first: readonly number[];
  /** Builds a commit, by its number. @throws UnmeasurableError */
  prepare(commit: number): Promise<void>;
  /** A text for the code of a commit that is prepared. Equal texts: equal code. undefined: not to be told */
  codeOf?(commit: number): Promise<string | undefined>;
  /** Both are prepared. @throws UnmeasurableError */
  compare(base: number, head: number): Promise<Comparison>;
  seed: number;
  isOver(): boolean;
  say(line: string): void;
}

export interface SkippedCommit extends Commit {
  why: string;
}

export interface BisectAnswer {
  /** The slow commit. Absent: it is not to be told. */
  found?: Commit;
  /** `found`, or all commits that it may be, oldest first. */
  suspects: Commit[];
  /** The commit before the suspects. */
  parent: Commit;
  /** The suspects against the commit before them. Absent if no head-to-head was made. */
  change?: FigureVerdict;
  /** Why the commit is not to be told. */
  why?: string;
  skipped: SkippedCommit[];
  /** Pairs taken by the search, without those of the bad commit against the good one. */
  pairs: number;
}

const FEWEST_PAIRS = 2;
/** More pairs of one commit than these tell nothing new. */
const MOST_PAIRS = 16;
/** So many head-to-heads may fail. */
const MOST_RETURNS = 3;
/** A commit that makes up less than this part of the slowdown is not its cause. One with more than the second part may be. */
const PART_OF_CAUSE = { tolerate: 1 / 8, alarm: 1 / 4 };

export async function bisect(options: BisectOptions): Promise<BisectAnswer> {
  const search = new Search(options);
  return search.run();
}

class Search {
  readonly #options: BisectOptions;
  readonly #beliefs: Beliefs;
  readonly #effect: number;
  readonly #random: () => number;
  readonly #skipped: SkippedCommit[] = [];
  #pairs = 0;

  constructor(options: BisectOptions) {
    this.#options = options;
    this.#effect = hodgesLehmann(options.first);
    this.#beliefs = new Beliefs(options.commits.length - 1, this.#effect, options.first);
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<BisectAnswer> {
    for (let returns = 0; !this.#options.isOver(); ) {
      const next = this.#beliefs.next();
      if (typeof next === 'number') {
        await this.#measure(next);
        continue;
      }
      const change = await this.#headToHead(next);
      if (change === 'same code') {
        this.#say(next.last, 'runs the same code as the commit before it: going back');
        this.#beliefs.clear(next);
        if (++returns > MOST_RETURNS) {
          return this.#answer(next, undefined, 'no single commit shows the slowdown');
        }
        continue;
      }
      if (change === undefined) {
        continue;
      }
      if (change.verdict === 'regressed') {
        return this.#answer(next, change);
      }
      if (change.verdict === 'inconclusive' || ++returns > MOST_RETURNS) {
        const why =
          change.verdict === 'inconclusive'
            ? 'the likeliest commit against the one before it is inconclusive'
            : 'no single commit shows the slowdown: several may share it, or the machine is too busy';
        return { ...this.#answer(next, change, why) };
      }
      this.#say(next.last, `is as fast as the commit before it (${percentText(change.changePercent)}): going back`);
      this.#beliefs.clear(next);
    }
    return this.#unfinished();
  }

  /** Takes pairs of a commit against the good one until they tell whether it is slow. */
  async #measure(commit: number): Promise<void> {
    let comparison: Comparison | undefined;
    try {
      if (!(await this.#prepare(0, commit)) || (await this.#isKnown(commit))) {
        return;
      }
      comparison = await this.#options.compare(0, commit);
      const beliefs = this.#beliefs;
      const count = () => beliefs.pairsOf(commit).length;
      const isDone = () => count() >= FEWEST_PAIRS && (beliefs.isClear(commit) || count() >= MOST_PAIRS);
      do {
        beliefs.add(commit, await this.#pair(comparison));
      } while (!isDone() && !this.#options.isOver());
      if (!beliefs.isClear(commit) && count() >= MOST_PAIRS) {
        beliefs.settle(commit);
      }
      const change = percentText(percentOf(hodgesLehmann(beliefs.pairsOf(commit))));
      this.#say(commit, `is ${beliefs.isSlow(commit) ? 'slow' : 'fast'} (${change}, ${count()} pairs)`);
    } catch (error) {
      this.#skip(commit, error);
    } finally {
      comparison?.remove();
    }
  }

  /** @returns undefined if one of the two cannot be measured */
  async #headToHead({ parent, last }: Suspects): Promise<FigureVerdict | 'same code' | undefined> {
    const { figure } = this.#options;
    const cause: Figure = {
      ...figure,
      tolerate: Math.max(figure.tolerate, percentOf(this.#effect * PART_OF_CAUSE.tolerate)),
      alarm: Math.max(figure.alarm, percentOf(this.#effect * PART_OF_CAUSE.alarm)),
    };
    const { looks } = planLooks(1);
    const logRatios: number[] = [];
    const verdict = (isEnd: boolean) => judge([{ figure: cause, logRatios, family: 1 }], isEnd)[0]!;
    let comparison: Comparison | undefined;
    try {
      if (!(await this.#prepare(parent, last))) {
        return undefined;
      }
      if (await this.#isSameCode(parent, last)) {
        return 'same code';
      }
      comparison = await this.#options.compare(parent, last);
      for (const { pairs } of looks) {
        while (logRatios.length < pairs && !(this.#options.isOver() && logRatios.length >= FEWEST_PAIRS)) {
          logRatios.push(await this.#pair(comparison));
        }
        if (verdict(false).verdict !== 'inconclusive' || this.#options.isOver()) {
          break;
        }
      }
    } catch (error) {
      /* The suspects, unless these are the bad commit alone: it has been measured before. */
      this.#skip(last === this.#options.commits.length - 1 ? parent : last, error);
      return undefined;
    } finally {
      comparison?.remove();
    }
    return withInterval(verdict(true), logRatios);
  }

  /** @returns false if one of the two cannot be built */
  async #prepare(base: number, head: number): Promise<boolean> {
    for (const commit of [base, head]) {
      try {
        await this.#options.prepare(commit);
      } catch (error) {
        this.#skip(commit, error);
        return false;
      }
    }
    return true;
  }

  /** Whether it runs the code of the good commit or of the bad one: then no pairs are needed. */
  async #isKnown(commit: number): Promise<boolean> {
    const last = this.#options.commits.length - 1;
    for (const known of [0, last]) {
      if (await this.#isSameCode(known, commit)) {
        this.#beliefs.know(commit, known === last);
        this.#say(commit, `runs the same code as the ${known === last ? 'bad' : 'good'} commit`);
        return true;
      }
    }
    return false;
  }

  /** Both are prepared. */
  async #isSameCode(a: number, b: number): Promise<boolean> {
    const [codeA, codeB] = [await this.#options.codeOf?.(a), await this.#options.codeOf?.(b)];
    return codeA !== undefined && codeA === codeB;
  }

  #pair(comparison: Comparison): Promise<number> {
    this.#pairs++;
    return comparison.pair(this.#random() < 0.5 ? 'ab' : 'ba');
  }

  #skip(commit: number, error: unknown): void {
    if (!(error instanceof UnmeasurableError) || commit === 0) {
      throw error;
    }
    this.#beliefs.skip(commit);
    this.#skipped.push({ ...this.#options.commits[commit]!, why: error.message });
    this.#say(commit, `is skipped: ${error.message}`);
  }

  #say(commit: number, what: string): void {
    const { commits, say } = this.#options;
    say(`commit ${commit} of ${commits.length - 1}, ${nameOf(commits[commit]!)}, ${what}`);
  }

  #answer({ parent, last }: Suspects, change?: FigureVerdict, why?: string): BisectAnswer {
    const { commits } = this.#options;
    const suspects = commits.slice(parent + 1, last + 1);
    const reason =
      why ?? (suspects.length === 1 ? undefined : 'the commits in between cannot be measured: it may be any of them');
    return {
      ...(reason === undefined ? { found: suspects[0]! } : { why: reason }),
      suspects,
      parent: commits[parent]!,
      ...(change === undefined ? {} : { change }),
      skipped: this.#skipped,
      pairs: this.#pairs,
    };
  }

  /** The time is over: the likeliest commits, those of 95 %. */
  #unfinished(): BisectAnswer {
    const likely = this.#beliefs.suspects().toSorted((a, b) => b.probability - a.probability);
    const kept: Suspects[] = [];
    for (let sum = 0; sum < 0.95; sum += kept.at(-1)!.probability) {
      kept.push(likely[kept.length]!);
    }
    const parent = Math.min(...kept.map((each) => each.parent));
    const last = Math.max(...kept.map((each) => each.last));
    return this.#answer({ parent, last, probability: 1 }, undefined, 'the time is over: give more with --seconds');
  }
}

/** A huge slowdown is called without an interval: the pairs of the first look give one. */
function withInterval(verdict: FigureVerdict, logRatios: readonly number[]): FigureVerdict {
  const look = planLooks(1).looks[0]!;
  if (verdict.intervalPercent.low !== null || logRatios.length < look.pairs) {
    return verdict;
  }
  const { estimate, low, high } = estimatePairs(logRatios.slice(0, look.pairs), look);
  return {
    ...verdict,
    pairs: look.pairs,
    changePercent: percentOf(estimate),
    intervalPercent: { low: percentOf(low), high: percentOf(high) },
  };
}

export function nameOf({ id, title }: Commit): string {
  return `${id.slice(0, 10)} "${title}"`;
}

export function percentText(percent: number): string {
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)}\u00a0%`;
}

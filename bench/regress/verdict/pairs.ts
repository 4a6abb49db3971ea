/**
 * The sequence of a verdict: rounds of pairs of B and A, until the verdict is certain or the time is over. The cases take turns
 * within a round, so that a drift of the machine affects all alike. A case whose figures are all fine leaves its time to the
 * others. A regression ends the sequence.
 */

import { seededRandom } from '../../statistics/statistics.ts';
import { ratiosOfRound, type Order, type PairSampler, type RawPair } from '../samples/cases.ts';
import { scalingReference, type Gates, type RegressCase, type RegressConfig } from '../config.ts';
import { type AcceptedSlowdown, markFigures } from './accepted.ts';
import { planLooks, type LookPlan } from './looks.ts';
import { judge, type FigurePairs, type FigureVerdict } from './verdict.ts';

export interface SequenceOptions {
  config: RegressConfig;
  sample: PairSampler;
  /** Seed of the order within pairs and of the cases within rounds. */
  seed: number;
  /** Number of shards of the whole comparison. Their figures share the tolerated errors. */
  shards?: number;
  nowMs?: () => number;
  /**
   * Called after a first look, which can call only what is huge.
   * @param spareMs time until the end, without the time of the fewest pairs
   * @param slowestFirst names of the cases, the largest slowdown so far first
   * @returns whether the verdict is certain
   */
  afterFirstLook?: (spareMs: number, slowestFirst: readonly string[]) => Promise<boolean>;
  /** Slowdowns that are accepted do not end the sequence. */
  accepted?: readonly AcceptedSlowdown[];
  onProgress?: (text: string) => void;
}

/** Times as slow as this are called after the first few pairs (verdict.ts). */
const HUGE_FACTOR = 2;

/** By case: the number of figures that share the tolerated errors. */
export type Families = Record<string, number>;

export interface Sequence {
  /** All pairs in the order of measurement. */
  pairs: RawPair[];
  families: Families;
}

/** Takes pairs, and judges them as it goes. */
class PairTaker {
  readonly pairs: RawPair[] = [];
  families: Families = {};
  /** Known after the first round, which shows how many figures there are. */
  plan: LookPlan = { hugePairs: Number.POSITIVE_INFINITY, looks: [] };
  readonly #options: SequenceOptions;
  readonly #random: () => number;
  #round = 0;

  constructor(options: SequenceOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  get rounds(): number {
    return this.#round;
  }

  /** Takes a pair of each of these cases, in random order. @returns whether a figure has regressed */
  async takeRound(among: readonly RegressCase[]): Promise<boolean> {
    for (const each of this.#hugeFirst(shuffled(among, this.#random))) {
      this.#options.onProgress?.(`round ${this.#round + 1}: ${each.name}`);
      const order: Order = this.#random() < 0.5 ? 'ab' : 'ba';
      this.pairs.push({ case: each.name, round: this.#round, order, ...(await this.#options.sample(each, order)) });
      if (
        this.isLook(this.#round + 1) &&
        this.verdicts().some(({ verdict, accepted }) => verdict === 'regressed' && accepted === undefined)
      ) {
        return true;
      }
    }
    this.#round++;
    if (this.#round === 1) {
      this.families = this.#familiesOf();
      this.plan = planLooks(Math.max(1, ...Object.values(this.families)));
    }
    return false;
  }

  /** The largest of the case's ratios of times in its pairs so far, each as the mean of the pairs' logarithms. */
  #slowdownOf({ name }: RegressCase): number {
    const pairs = this.pairs.filter((each) => each.case === name);
    const times = Object.keys(pairs[0]?.a.timesMs ?? {});
    const means = times.map(
      (time) => pairs.reduce((sum, { a, b }) => sum + Math.log(b.timesMs[time]! / a.timesMs[time]!), 0) / pairs.length,
    );
    return Math.exp(Math.max(0, ...means));
  }

  /** Names of all cases, the slowest first. */
  slowestFirst(): string[] {
    const { cases } = this.#options.config;
    return cases.toSorted((a, b) => this.#slowdownOf(b) - this.#slowdownOf(a)).map(({ name }) => name);
  }

  /** In the second round: cases whose first pair was hugely slower come first, so that they are called soon. */
  #hugeFirst(cases: RegressCase[]): RegressCase[] {
    const hugeness = (each: RegressCase): number => Math.max(HUGE_FACTOR, this.#slowdownOf(each));
    return this.#round === 1 ? cases.toSorted((a, b) => hugeness(b) - hugeness(a)) : cases;
  }

  /** Whether figures with this many pairs are judged: at no other number do verdicts change. */
  isLook(pairs: number): boolean {
    const { hugePairs, looks } = this.plan;
    return pairs === hugePairs || looks.some((look) => look.pairs === pairs);
  }

  verdicts(): FigureVerdict[] {
    const { config, accepted = [] } = this.#options;
    return markFigures(judge(pairsByFigure(config, this.pairs, this.families), false), accepted);
  }

  #familiesOf(): Families {
    const { config, shards = 1 } = this.#options;
    const figures = pairsByFigure(config, this.pairs).length;
    return Object.fromEntries(config.cases.map(({ name }) => [name, figures * shards]));
  }
}

/** The cases that still need pairs: their own figures are open, or those of a case whose scaling refers to them. */
function openCases(config: RegressConfig, verdicts: readonly FigureVerdict[]): RegressCase[] {
  const isOpen = ({ name }: RegressCase): boolean =>
    verdicts.some((figure) => figure.case === name && figure.verdict === 'inconclusive');
  return config.cases.filter(
    (each) =>
      isOpen(each) ||
      config.cases.some((other) => isOpen(other) && scalingReference(config, other)?.name === each.name),
  );
}

/** Measures. @throws SampleError */
export async function takePairs(options: SequenceOptions): Promise<Sequence> {
  const { config, nowMs = () => performance.now(), afterFirstLook } = options;
  const startMs = nowMs();
  const endMs = startMs + config.budgetSeconds * 1000;
  const taker = new PairTaker(options);
  let open: RegressCase[] = config.cases;
  let isOver = await taker.takeRound(open);
  const { looks, hugePairs } = taker.plan;
  let besidesMs = 0;
  const fewest = looks[0]!.pairs;
  const most = Math.max(fewest, Math.min(config.maxPairs, looks.at(-1)!.pairs));
  while (!isOver && taker.rounds < most && open.length > 0) {
    if (taker.rounds === hugePairs && afterFirstLook !== undefined) {
      const beforeMs = nowMs();
      const restMs = (fewest - taker.rounds) * ((beforeMs - startMs) / taker.rounds);
      isOver = await afterFirstLook(endMs - beforeMs - restMs, taker.slowestFirst());
      besidesMs = nowMs() - beforeMs;
      if (isOver) {
        break;
      }
    }
    const roundMs = (nowMs() - startMs - besidesMs) / taker.rounds;
    if (taker.rounds >= fewest && nowMs() + roundMs > endMs) {
      break;
    }
    isOver = await taker.takeRound(open);
    open = taker.isLook(taker.rounds) ? openCases(config, taker.verdicts()) : open;
  }
  return { pairs: taker.pairs, families: taker.families };
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}

/** ln(B/A) of each figure, from raw pairs. @param families default: all figures are one family */
export function pairsByFigure(config: RegressConfig, all: readonly RawPair[], families: Families = {}): FigurePairs[] {
  const figures = new Map<string, FigurePairs>();
  const rounds = new Map<number, RawPair[]>();
  for (const pair of all) {
    rounds.set(pair.round, [...(rounds.get(pair.round) ?? []), pair]);
  }
  for (const round of rounds.values()) {
    for (const { figure, logRatio } of ratiosOfRound(config, round)) {
      const key = `${figure.case}\n${figure.gate}\n${figure.name}`;
      const pairs = figures.get(key) ?? { figure, logRatios: [], family: 0 };
      pairs.logRatios.push(logRatio);
      figures.set(key, pairs);
    }
  }
  for (const pairs of figures.values()) {
    pairs.family = families[pairs.figure.case] ?? figures.size;
  }
  return [...figures.values()];
}

/** Gates without a figure: the builds do not report it. */
export function missingGates(config: RegressConfig, figures: readonly FigurePairs[]): string[] {
  return config.cases.flatMap((each) =>
    (Object.keys(each.gates) as (keyof Gates)[])
      .filter((gate) => !figures.some(({ figure }) => figure.case === each.name && figure.gate === gate))
      .map((gate) => `${gate} of ${each.name}: the samples of these builds do not report it`),
  );
}

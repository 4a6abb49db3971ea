/**
 * The sequence of a verdict: pairs of A and A, then pairs of B and A, then fresh pairs for suspects. A large slowdown ends the
 * second part early. The cases take turns within a round, so that a drift of the machine affects all alike.
 */

import { seededRandom } from '../statistics/statistics.ts';
import { ratiosOfRound, type CaseSample, type RawPair, type Sampler } from './cases.ts';
import { scalingReference, type Gates, type RegressCase, type RegressConfig } from './config.ts';
import {
  deviationOf,
  estimatePairs,
  FEWEST_PAIRS,
  fewestPairsAmong,
  isLarge,
  pairsFor,
  smallestEffect,
} from './pair-statistics.ts';
import { limitOf, percentOf, suspectsOf, type FigurePairs } from './verdict.ts';

export interface SequenceOptions {
  config: RegressConfig;
  sample: Sampler;
  /** Seed of the order within pairs and of the cases within rounds. */
  seed: number;
  /** Number of pairs of A and A. */
  samePairs?: number;
  nowMs?: () => number;
  onProgress?: (text: string) => void;
  /** Gets a line about the findings so far. */
  onNote?: (text: string) => void;
}

/** Share of the time after the pairs of A and A that the first pairs get. The rest is for suspects. */
const FIRST_SHARE = 0.6;

/** Takes pairs within the time, and keeps them. */
class PairTaker {
  readonly all: RawPair[] = [];
  readonly #options: SequenceOptions;
  readonly #random: () => number;
  #round = 0;

  constructor(options: SequenceOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** Takes a pair of each of these cases, in random order. @param left rounds left in this phase, with this one */
  async takeRound(phase: RawPair['phase'], among: readonly RegressCase[], left: number): Promise<void> {
    for (const each of shuffled(among, this.#random)) {
      this.#options.onProgress?.(`${PHASE_NAMES[phase]}, ${left} rounds left: ${each.name}`);
      this.all.push({ case: each.name, phase, round: this.#round, ...(await this.#takePair(phase, each)) });
    }
    this.#round++;
  }

  async #takePair(phase: RawPair['phase'], each: RegressCase): Promise<Pick<RawPair, 'order' | 'a' | 'b'>> {
    const order = this.#random() < 0.5 ? 'ab' : 'ba';
    const second = phase === 'same' ? 'a' : 'b';
    const samples: Partial<Record<'a' | 'b', CaseSample>> = {};
    for (const which of order) {
      samples[which as 'a' | 'b'] = await this.#options.sample(which === 'a' ? 'a' : second, each);
    }
    return { order, a: samples.a!, b: samples.b! };
  }
}

/** The pairs that the noisiest figure needs, judged by A against A. Looking at B here would bias the verdict. */
function pairsNeeded({ aimPercent, maxPairs }: RegressConfig, same: readonly FigurePairs[]): number {
  return Math.max(
    FEWEST_PAIRS,
    ...same.map(({ figure, same: values }) => {
      const limit = limitOf(figure);
      const effect = Math.max(Math.log1p(aimPercent / 100), 2 * limit);
      return pairsFor(deviationOf(estimatePairs(values)), effect, limit, maxPairs);
    }),
  );
}

/** Takes pairs of B and A until there are enough, or a large slowdown is certain. @returns the figures to confirm */
async function takeFirst(
  taker: PairTaker,
  config: RegressConfig,
  count: number,
): Promise<{ taken: number; suspects: FigurePairs[]; isEnough: boolean }> {
  let taken = 0;
  let suspects: FigurePairs[] = [];
  let isEnough = false;
  while (taken < count && !isEnough) {
    await taker.takeRound('first', config.cases, count - taken);
    taken++;
    const figures = pairsByFigure(config, taker.all);
    if (taken === count || figures.some((pairs) => isLargeIn(pairs))) {
      suspects = suspectsOf(figures);
      isEnough = suspects.some((pairs) => isLargeIn(pairs));
    }
  }
  return { taken, suspects, isEnough };
}

/** Measures. @returns all pairs in the order of measurement. @throws SampleError */
export async function takePairs(options: SequenceOptions): Promise<RawPair[]> {
  const { config, samePairs = FEWEST_PAIRS, nowMs = () => performance.now(), onNote } = options;
  const { aimPercent, budgetSeconds, cases } = config;
  const endMs = nowMs() + budgetSeconds * 1000;
  const taker = new PairTaker(options);

  const startMs = nowMs();
  for (let i = 0; i < samePairs; i++) {
    await taker.takeRound('same', cases, samePairs - i);
  }
  const roundMs = (nowMs() - startMs) / samePairs;
  const same = pairsByFigure(config, taker.all);
  const needed = pairsNeeded(config, same);
  const affordable = Math.floor(((endMs - nowMs()) * FIRST_SHARE) / roundMs);
  const count = Math.max(FEWEST_PAIRS, Math.min(needed, affordable));
  onNote?.(
    `A against A, ${samePairs} pairs of ${(roundMs / 1000).toFixed(1)} s. The smallest slowdown that ${count} pairs ` +
      `detect on this machine today: ${same.map((pairs) => effectText(pairs, count)).join('; ')}` +
      (needed > count
        ? ` (${needed} pairs are needed to detect ${aimPercent} %, but there is only time for ${count})`
        : ''),
  );

  const { taken, suspects, isEnough } = await takeFirst(taker, config, count);
  if (suspects.length === 0) {
    return taker.all;
  }
  const names = new Set(suspects.map(({ figure }) => figure.case));
  const again = cases.filter((each) => names.has(each.name) || isReferenceOf(config, each, names));
  /* First and fresh pairs together must be enough for significance among all figures. */
  const fewest = Math.max(FEWEST_PAIRS, fewestPairsAmong(same.length) - taken);
  const affordableAgain = Math.floor((endMs - nowMs()) / (roundMs * (again.length / cases.length)));
  const fresh = isEnough ? fewest : Math.max(fewest, Math.min(count, affordableAgain));
  const suspected = suspects.map(({ figure }) => `${figure.case} ${figure.gate} ${figure.name}`).join('; ');
  onNote?.(`suspected: ${suspected}; taking ${fresh} fresh pairs`);
  for (let i = 0; i < fresh; i++) {
    await taker.takeRound('confirming', again, fresh - i);
  }
  return taker.all;
}

const PHASE_NAMES = { same: 'A against A', first: 'B against A', confirming: 'B against A, fresh pairs' } as const;

function isLargeIn({ figure, first, same }: FigurePairs): boolean {
  return isLarge(first, same, limitOf(figure));
}

function effectText({ figure, same }: FigurePairs, count: number): string {
  const effect = smallestEffect(deviationOf(estimatePairs(same)), count, limitOf(figure));
  return `${figure.case} ${figure.gate} ${figure.name} ${percentOf(effect).toFixed(1)} %`;
}

function isReferenceOf(config: RegressConfig, each: RegressCase, names: ReadonlySet<string>): boolean {
  return config.cases.some((other) => names.has(other.name) && scalingReference(config, other)?.name === each.name);
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}

/** ln(B/A) of each figure, from raw pairs. */
export function pairsByFigure(config: RegressConfig, all: readonly RawPair[]): FigurePairs[] {
  const figures = new Map<string, FigurePairs>();
  for (const number of new Set(all.map(({ round }) => round))) {
    const round = all.filter((pair) => pair.round === number);
    for (const { figure, logRatio } of ratiosOfRound(config, round)) {
      const key = `${figure.case}\n${figure.gate}\n${figure.name}`;
      const pairs = figures.get(key) ?? { figure, same: [], first: [], confirming: [] };
      pairs[round[0]!.phase].push(logRatio);
      figures.set(key, pairs);
    }
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

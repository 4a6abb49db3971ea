/**
 * The sequence of a verdict: A against A, then B against A, then fresh pairs for suspects. A large slowdown is not looked
 * at any longer than its verdict needs. Cases take turns within a round, so that what the machine does meets all alike.
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
  /** Of the order within pairs and of cases within rounds. */
  seed: number;
  /** Pairs of A against A. */
  samePairs?: number;
  nowMs?: () => number;
  onProgress?: (text: string) => void;
  /** A line about what was found so far. */
  onNote?: (text: string) => void;
}

/** Of what is left after A against A, the share for the first pairs; the rest waits for suspects. */
const FIRST_SHARE = 0.6;

/** The pairs taken so far, and how more are taken. */
class PairTaker {
  readonly all: RawPair[] = [];
  readonly #options: SequenceOptions;
  readonly #random: () => number;
  #round = 0;

  constructor(options: SequenceOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** A pair of each of these cases, in random order. @param left rounds of this phase, this one included */
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

/** As many pairs as the noisiest figure needs, as A against A shows it; never by what B is like. */
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

/** B against A, until the pairs are taken or a large slowdown is sure. @returns what is to be confirmed */
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

/** Measures. @returns all pairs, in the order in which they were taken. @throws SampleError */
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
    `A against A, ${samePairs} pairs of ${(roundMs / 1000).toFixed(1)} s. With ${count} pairs the smallest slowdown that ` +
      `this machine shows today: ${same.map((pairs) => effectText(pairs, count)).join('; ')}` +
      (needed > count ? ` (${needed} pairs were needed to show ${aimPercent} %, the time allows ${count})` : ''),
  );

  const { taken, suspects, isEnough } = await takeFirst(taker, config, count);
  if (suspects.length === 0) {
    return taker.all;
  }
  const names = new Set(suspects.map(({ figure }) => figure.case));
  const again = cases.filter((each) => names.has(each.name) || isReferenceOf(config, each, names));
  /* Both stages together must be able to hold among all figures. */
  const fewest = Math.max(FEWEST_PAIRS, fewestPairsAmong(same.length) - taken);
  const affordableAgain = Math.floor((endMs - nowMs()) / (roundMs * (again.length / cases.length)));
  const fresh = isEnough ? fewest : Math.max(fewest, Math.min(count, affordableAgain));
  const suspected = suspects.map(({ figure }) => `${figure.case} ${figure.gate} ${figure.name}`).join('; ');
  onNote?.(`suspected: ${suspected}; ${fresh} fresh pairs`);
  for (let i = 0; i < fresh; i++) {
    await taker.takeRound('confirming', again, fresh - i);
  }
  return taker.all;
}

const PHASE_NAMES = { same: 'A against A', first: 'B against A', confirming: 'B against A once more' } as const;

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

/** The pairs of each figure, ln(B/A), from raw pairs. */
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

/** Gates that no figure of the pairs belongs to: the builds' samples do not tell. */
export function missingGates(config: RegressConfig, figures: readonly FigurePairs[]): string[] {
  return config.cases.flatMap((each) =>
    (Object.keys(each.gates) as (keyof Gates)[])
      .filter((gate) => !figures.some(({ figure }) => figure.case === each.name && figure.gate === gate))
      .map((gate) => `${gate} of ${each.name}: the samples of these builds do not tell of it`),
  );
}

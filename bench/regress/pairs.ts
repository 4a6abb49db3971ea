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

/** Measures. @returns all pairs, in the order in which they were taken. @throws SampleError */
export async function takePairs(options: SequenceOptions): Promise<RawPair[]> {
  const { config, samePairs = FEWEST_PAIRS, nowMs = () => performance.now(), onNote } = options;
  const { aimPercent, maxPairs, budgetSeconds, cases } = config;
  const endMs = nowMs() + budgetSeconds * 1000;
  const random = seededRandom(options.seed);
  const all: RawPair[] = [];
  let round = 0;

  const startMs = nowMs();
  for (let i = 0; i < samePairs; i++) {
    await takeRound('same', cases, samePairs - i);
  }
  const roundMs = (nowMs() - startMs) / samePairs;

  /* As many as the noisiest figure needs, as A against A shows it; never by what B is like. */
  const same = pairsByFigure(config, all);
  const needed = Math.max(
    FEWEST_PAIRS,
    ...same.map(({ figure, same: values }) => {
      const limit = limitOf(figure);
      const effect = Math.max(Math.log1p(aimPercent / 100), 2 * limit);
      return pairsFor(deviationOf(estimatePairs(values)), effect, limit, maxPairs);
    }),
  );
  const affordable = Math.floor(((endMs - nowMs()) * FIRST_SHARE) / roundMs);
  const count = Math.max(FEWEST_PAIRS, Math.min(needed, affordable));
  onNote?.(
    `A against A, ${samePairs} pairs of ${(roundMs / 1000).toFixed(1)} s. With ${count} pairs the smallest slowdown that ` +
      `this machine shows today: ${same.map((pairs) => effectText(pairs, count)).join('; ')}` +
      (needed > count ? ` (${needed} pairs were needed to show ${aimPercent} %, the time allows ${count})` : ''),
  );

  let taken = 0;
  let suspects: FigurePairs[] = [];
  let isEnough = false;
  while (taken < count && !isEnough) {
    await takeRound('first', cases, count - taken);
    taken++;
    const figures = pairsByFigure(config, all);
    if (taken === count || figures.some((pairs) => isLargeIn(pairs))) {
      suspects = suspectsOf(figures);
      isEnough = suspects.some((pairs) => isLargeIn(pairs));
    }
  }
  if (suspects.length > 0) {
    const names = new Set(suspects.map(({ figure }) => figure.case));
    const again = cases.filter((each) => names.has(each.name) || isReferenceOf(config, each, names));
    /* Both stages together must be able to hold among all figures. */
    const fewest = Math.max(FEWEST_PAIRS, fewestPairsAmong(same.length) - taken);
    const fresh = isEnough
      ? fewest
      : Math.max(fewest, Math.min(count, Math.floor((endMs - nowMs()) / (roundMs * (again.length / cases.length)))));
    onNote?.(
      `suspected: ${suspects.map(({ figure }) => `${figure.case} ${figure.gate} ${figure.name}`).join('; ')}; ` +
        `${fresh} fresh pairs`,
    );
    for (let i = 0; i < fresh; i++) {
      await takeRound('confirming', again, fresh - i);
    }
  }
  return all;

  async function takeRound(phase: RawPair['phase'], among: readonly RegressCase[], left: number): Promise<void> {
    for (const each of shuffled(among, random)) {
      options.onProgress?.(`${PHASE_NAMES[phase]}, ${left} rounds left: ${each.name}`);
      all.push({ case: each.name, phase, round, ...(await takePair(phase, each)) });
    }
    round++;
  }

  async function takePair(phase: RawPair['phase'], each: RegressCase): Promise<Pick<RawPair, 'order' | 'a' | 'b'>> {
    const order = random() < 0.5 ? 'ab' : 'ba';
    const second = phase === 'same' ? 'a' : 'b';
    const samples: Partial<Record<'a' | 'b', CaseSample>> = {};
    for (const which of order) {
      samples[which as 'a' | 'b'] = await options.sample(which === 'a' ? 'a' : second, each);
    }
    return { order, a: samples.a!, b: samples.b! };
  }
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

/** Checks of the pairs of another project: which figures both states have, and whether the pairs fit into the time limit. */

import { SampleError, type PairSampler, type RawPair, type SamplePair } from '../samples/cases.ts';
import { planLooks } from '../verdict/looks.ts';
import type { State } from '../run.ts';

type BothStates = readonly [base: State, head: State];

/** Refuses states without a common figure. So a figure that is printed is never compared with a run time. */
export function withCommonFigures(sample: PairSampler, [base, head]: BothStates): PairSampler {
  return async (each, order) => {
    const pair = await sample(each, order);
    const [a, b] = [namesOf(pair.a), namesOf(pair.b)];
    if (!a.some((name) => b.includes(name))) {
      throw new SampleError(
        `${each.name}: both states must have a figure of the same name: ${base.label} has ${a.join(', ')}, ${head.label} has ${b.join(', ')}`,
      );
    }
    return pair;
  };
}

const namesOf = ({ timesMs }: SamplePair['a']): string[] => Object.keys(timesMs);

/** The line about a case or a figure that only one state has: it cannot be judged. */
export function onlyIn(what: string, label: string): string {
  return `${what}: only ${label}${HAS_IT}`;
}

/** Whether a line is such a line. The others follow from the pairs. */
export function isOfOneState(line: string): boolean {
  return line.endsWith(HAS_IT);
}

const HAS_IT = ' has it';

/** A line for each figure that only one of the states has. */
export function lonelyFigures(pairs: readonly RawPair[], [base, head]: BothStates): string[] {
  const only = (name: string, own: SamplePair['a'], other: SamplePair['a'], { label }: State): string[] =>
    namesOf(own)
      .filter((figure) => !(figure in other.timesMs))
      .map((figure) => onlyIn(`${figure} of ${name}`, label));
  return [...new Set(pairs.flatMap(({ case: name, a, b }) => [...only(name, a, b, base), ...only(name, b, a, head)]))];
}

export interface EstimateOptions {
  /** Number of cases: so many pairs are the first round. */
  cases: number;
  seconds: number;
  say: (line: string) => void;
  nowMs?: () => number;
}

/** After the first round: says so if the fewest pairs of a verdict take longer than the time limit. They are taken all the same. */
export function withEstimate(
  sample: PairSampler,
  { cases, seconds, say, nowMs = () => performance.now() }: EstimateOptions,
): PairSampler {
  const startMs = nowMs();
  let pairs = 0;
  let figures = 0;
  return async (each, order) => {
    const pair = await sample(each, order);
    figures += namesOf(pair.a).filter((name) => name in pair.b.timesMs).length;
    if (++pairs === cases) {
      const { pairs: fewest } = planLooks(Math.max(1, figures)).looks[0]!;
      const needed = Math.round(((nowMs() - startMs) / 1000) * fewest);
      if (needed > seconds) {
        say(
          `a round takes ${Math.round(needed / fewest)} s, and a verdict on ${figures} figure${figures === 1 ? '' : 's'} needs ${fewest} rounds: about ${needed} s, ` +
            `more than --seconds ${seconds}. Measure fewer or shorter cases to be faster`,
        );
      }
    }
    return pair;
  };
}

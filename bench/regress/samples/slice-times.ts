/** The times of the slices of two builds, and the figures from them. */

import type { SlicedPhase, SlicedWorkload } from '../../samples/slices.ts';

/**
 * 'processor': processor time of the process. It leaves out what other processes take. 'wall': for systems whose processor time
 * is too coarse for a slice.
 */
export type SliceClock = 'processor' | 'wall';

/**
 * The part of the slices that is left out at each end. A slice during which the machine did something else tells nothing. Garbage
 * collection and other work of a build that comes in more than one slice of ten still counts.
 */
const TRIMMED = 0.1;

/** Times of one slice by both builds, in µs. */
interface SlicePairTimes {
  processor: [number, number];
  wall: [number, number];
}

/** Both clocks, in µs. */
export interface SliceClocks {
  processor(): number;
  wall(): number;
}

const CLOCKS: SliceClocks = {
  processor: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  wall: () => performance.now() * 1000,
};

export class SliceTimes {
  readonly #clocks: SliceClocks;
  readonly #phases: readonly SlicedPhase[];
  /** By phase. */
  readonly #taken: SlicePairTimes[][];
  #open: SlicePairTimes | undefined;

  constructor(phases: readonly SlicedPhase[], clocks: SliceClocks = CLOCKS) {
    this.#clocks = clocks;
    this.#phases = phases;
    this.#taken = phases.map(() => []);
  }

  /** Runs a slice and records its times. Both builds run a slice before the next one. @param which 0 or 1: the build */
  run(build: Pick<SlicedWorkload, 'run'>, which: number, phase: number, slice: number): void {
    const times: SlicePairTimes = this.#open ?? { processor: [0, 0], wall: [0, 0] };
    const processorBefore = this.#clocks.processor();
    const wallBefore = this.#clocks.wall();
    build.run(phase, slice);
    times.wall[which] = this.#clocks.wall() - wallBefore;
    times.processor[which] = this.#clocks.processor() - processorBefore;
    if (this.#open === undefined) {
      this.#open = times;
    } else {
      this.#taken[phase]!.push(times);
      this.#open = undefined;
    }
  }

  /** Times of all slices of a phase, in ms, by build. Their ratio is the middle of the ratios of single slices. */
  results(): { timesMs: Record<string, number>[]; clock: SliceClock } {
    const isFine = this.#taken.flat().every(({ processor }) => processor[0] > 0 && processor[1] > 0);
    const clock: SliceClock = isFine ? 'processor' : 'wall';
    const timesMs: Record<string, number>[] = [{}, {}];
    for (const [phase, { result, slices }] of this.#phases.entries()) {
      if (result !== undefined) {
        const pairs = this.#taken[phase]!.map((times) => times[clock]);
        const first = Math.exp(trimmedMean(pairs.map(([a]) => Math.log(a)))) * (slices / 1000);
        const ratio = Math.exp(trimmedMean(pairs.map(([a, b]) => Math.log(b / a))));
        timesMs[0]![result] = first;
        timesMs[1]![result] = first * ratio;
      }
    }
    return { timesMs, clock };
  }
}

/** The mean of the values without the smallest and the largest tenth. */
export function trimmedMean(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length * TRIMMED);
  const kept = sorted.slice(cut, sorted.length - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

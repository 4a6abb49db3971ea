/** Which engine is fastest, and how does each scale? Sentences, with no conclusion where the runs allow none. */

import { medianRatio, type Ratio } from '../../statistics/statistics.ts';
import { type EngineAnalysis, type MeasuredPoint, unique, type WorkloadAnalysis } from '../analysis.ts';
import { FEWEST_RUNS } from '../first-look.ts';
import { rate } from '../format.ts';

/** What a conclusion depends on besides the figures. */
export interface Circumstances {
  cores: number;
  /** Other programs disturbed the measurement, so there are no conclusions. */
  isBusy: boolean;
}

export interface Contestant {
  engine: string;
  point: MeasuredPoint;
}

export const threadsText = (threads: number): string => `${threads} thread${threads === 1 ? '' : 's'}`;

/** The greatest number of threads that had a core each. If all had to share, the least. */
export function comparedThreads({ threads }: WorkloadAnalysis, cores: number): number {
  return threads.findLast((count) => count <= cores) ?? threads[0]!;
}

/** The engines that were measured on this number of threads, the fastest first. */
export function contestants({ engines }: WorkloadAnalysis, threads: number): Contestant[] {
  return engines
    .flatMap(({ engine, points }) => {
      const point = points.find((each) => each.threads === threads);
      return point === undefined ? [] : [{ engine, point }];
    })
    .toSorted((a, b) => b.point.rate - a.point.rate);
}

const range = ({ low, high }: Ratio, digits = 2): string => `${low.toFixed(digits)} to ${high.toFixed(digits)}`;

/** How many times the rate of `b` is the rate of `a`? They may have had different numbers of packets. */
function rateRatio(a: MeasuredPoint, b: MeasuredPoint): Ratio {
  const { ratio, low, high } = medianRatio(b.result.runsMs, a.result.runsMs);
  const scale = a.result.packets / b.result.packets;
  return { ratio: ratio * scale, low: low * scale, high: high * scale };
}

/** Why nothing may be concluded from these points. Empty if something may. */
function noConclusion(points: readonly MeasuredPoint[], { isBusy }: Circumstances): string {
  if (isBusy) {
    return 'No conclusion, because the machine was not quiet.';
  }
  return points.some(({ result }) => result.runsMs.length < FEWEST_RUNS)
    ? `No conclusion, because there are fewer than ${FEWEST_RUNS} runs.`
    : '';
}

function fastestOn(workload: WorkloadAnalysis, threads: number, circumstances: Circumstances): string {
  const [first, second] = contestants(workload, threads);
  const where = `On ${threadsText(threads)}`;
  if (first === undefined) {
    return '';
  }
  if (second === undefined) {
    return `${where} ${first.engine} does ${rate(first.point.rate)}. No other engine was measured.`;
  }
  const doubt = noConclusion([first.point, second.point], circumstances);
  if (doubt !== '') {
    return doubt;
  }
  const ahead = rateRatio(first.point, second.point);
  return ahead.low > 1
    ? `${where} ${first.engine} is the fastest: ${range(ahead)} times the rate of ${second.engine}, the next one.`
    : `${where} ${first.engine} and ${second.engine} show no difference (${range(ahead)} times).`;
}

/** The fastest engine of a workload, and by how much: on the compared number of threads, and on one thread. */
export function fastestSentences(workload: WorkloadAnalysis, circumstances: Circumstances): string {
  const threads = comparedThreads(workload, circumstances.cores);
  const counts = threads > 1 && workload.threads.includes(1) ? [threads, 1] : [threads];
  return unique(counts.map((count) => fastestOn(workload, count, circumstances))).join(' ');
}

function scalingOf({ engine, points }: EngineAnalysis, threads: number): string[] {
  const speedUp = points.find((each) => each.threads === threads)?.speedUp;
  return speedUp === undefined || threads === 1 ? [] : [`${engine} ${speedUp.ratio.toFixed(2)} (${range(speedUp)})`];
}

/** Speed-ups on the greatest number of threads that had a core each. */
export function scalingSentence(workload: WorkloadAnalysis, circumstances: Circumstances): string {
  const threads = comparedThreads(workload, circumstances.cores);
  const gains = workload.engines.flatMap((engine) => scalingOf(engine, threads));
  if (gains.length === 0) {
    return 'No conclusion: this needs one thread, and more threads with a core each (--threads 1,2).';
  }
  const points = workload.engines.flatMap((engine) => engine.points.filter((each) => each.threads === threads));
  const doubt = noConclusion(points, circumstances);
  if (doubt !== '') {
    return doubt;
  }
  const bounds = points.flatMap(({ controlSpeedUp }) => (controlSpeedUp === undefined ? [] : [controlSpeedUp]));
  const bound = bounds.length === 0 ? '' : ` With a table for each thread it is ${Math.max(...bounds).toFixed(2)}.`;
  return `Times the rate of one thread, on ${threadsText(threads)}: ${gains.join('; ')}.${bound}`;
}

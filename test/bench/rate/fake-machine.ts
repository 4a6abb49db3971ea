/** `bench rate` on a simulated machine, whose capacity is known. */

import { benchRate, type RateBenchOptions } from '../../../bench/rate/rate.ts';
import type { RateSample, RateSampleOptions } from '../../../bench/rate/rate-options.ts';
import type { TakeSample } from '../../../bench/samples/samples.ts';

const OPTIONS: RateBenchOptions = {
  engine: ['ct-bucket'],
  threads: [1],
  runs: 1,
  seconds: 2,
  batch: 32,
  buckets: 1024,
  ring: 4096,
  quick: false,
};

interface Machine {
  capacityPps: number;
  senderPps?: number;
  longestPauseMs?: number;
  error?: string;
}

/** A tracker that drops what is above its capacity. Its latency in µs is the percentage of its load. */
function fakeMachine({ capacityPps, senderPps = 60e6, longestPauseMs = 0.1, error }: Machine) {
  const taken: RateSampleOptions[] = [];
  const take: TakeSample = async <Sample>(_module: string, options: unknown): Promise<Sample> => {
    const { pps, seconds, histogram } = options as RateSampleOptions;
    taken.push(options as RateSampleOptions);
    const offered = pps * seconds;
    const judged = Math.min(offered, capacityPps * seconds);
    const load = (100 * pps) / capacityPps;
    return {
      offered,
      judged,
      dropped: offered - judged,
      refused: 0,
      latencyUs: { p50: load, p99: 2 * load, p999: 3 * load, max: 4 * load },
      ...(histogram ? { latencyNs: [[1000, judged]] } : {}),
      senderPps,
      longestPauseMs,
      ...(error === undefined ? {} : { error }),
    } as unknown as RateSample as Sample;
  };
  return { take, taken };
}

export async function resultOn(machine: Machine, options: Partial<RateBenchOptions> = {}) {
  const { take, taken } = fakeMachine(machine);
  const results = await benchRate(['mobile'], { ...OPTIONS, ...options }, take);
  return { results, taken, result: results.rate[0]! };
}

/**
 * `ct-bucket bench rate`: which load a table carries without loss, and how long its packets wait. For each profile, number of flows,
 * engine and number of threads: a search for the highest rate, then the latencies at shares of it. Each trial is a fresh process.
 */

import type { EngineName } from '../../src/core/engines/engine.ts';
import { UsageError } from '../../src/core/errors.ts';
import { counted } from '../../src/host/terminal.ts';
import { machineFingerprint } from '../machine/machine.ts';
import { mega } from '../report/format.ts';
import type { BenchResult, RateFigures, ResultsFile } from '../report/results-file.ts';
import { showProgress, takeSample, type TakeSample } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';
import { VoidRunError } from '../suite/workload-bench.ts';
import { packetsPerFlow, profileOf, type RateProfileName } from './profiles.ts';
import type { RateSample, RateSampleOptions } from './rate-options.ts';
import { findHighestRate } from './search.ts';

export interface RateBenchOptions {
  engine: readonly EngineName[];
  threads: readonly number[];
  /** Numbers of flows. Default: that of the profile. */
  connections?: readonly number[];
  /** Offer this many packets a second, and do not search. */
  rate?: number;
  runs: number;
  seconds: number;
  batch: number;
  buckets: number;
  ring: number;
  /** Short trials and a coarse search: it shows that everything works, not how fast it is. */
  quick: boolean;
}

/** Shares of the highest rate at which latencies are measured. */
export const LOAD_SHARES = [0.1, 0.5, 0.9] as const;

/** One rate in one run. */
export interface RateTrial extends RateSample {
  pps: number;
}

/** One combination of profile, flows, engine and threads. */
export interface RateResult extends RateFigures {
  profile: RateProfileName;
  engine: EngineName;
  /** All trials of the searches, in order. */
  trials: RateTrial[];
  atShares: { share: number; samples: RateTrial[] }[];
  /** Trials at the rate that the profile or --rate asks for: until one loses nothing. One list for each run. */
  wanted?: { pps: number; runs: RateTrial[][] };
}

/** `results` has the highest rates, as times of PACKETS packets. */
export interface RateResults extends ResultsFile {
  benchmark: 'rate';
  options: RateBenchOptions & Record<string, unknown>;
  rate: RateResult[];
}

/** Packets whose time at the highest rate stands for that rate, where other benchmarks have times. */
const PACKETS = 1_000_000;
/** Tries of a rate with loss. */
const TRIES = 3;
const SEARCH = { leastPps: 1000, mostPps: 200_000_000, precision: 1.03, tries: TRIES };
const QUICK_SEARCH = { ...SEARCH, leastPps: 100_000, precision: 2, tries: 1 };
const START_PPS = 1_000_000;
const QUICK_FLOWS = 10_000;
export const QUICK_SECONDS = 0.05;

/** Whether a trial lost nothing: no packet, and no connection that the table had to refuse. */
export function isLossless({ dropped, refused }: Pick<RateSample, 'dropped' | 'refused'>): boolean {
  return dropped === 0 && refused === 0;
}

/** @throws VoidRunError if the accounting of a trial is wrong; UsageError for options that do not fit together */
export async function benchRate(
  names: readonly RateProfileName[],
  options: RateBenchOptions,
  take: TakeSample = takeSample,
): Promise<RateResults> {
  const rate = planned(names, options);
  for (let run = 0; run < options.runs; run++) {
    for (const result of rate) {
      await measureOnce(result, options, { run, take });
    }
  }
  showProgress('');
  for (const result of rate) {
    summarise(result);
  }
  const results = rate.flatMap((result) => highestRateOf(result, (options.connections?.length ?? 1) > 1));
  return { benchmark: 'rate', machine: machineFingerprint(), options: { ...options }, results, rate };
}

function planned(names: readonly RateProfileName[], options: RateBenchOptions): RateResult[] {
  const { engine: engines, threads, connections, quick, rate } = options;
  return names.flatMap((profile) =>
    (connections ?? [quick ? QUICK_FLOWS : profileOf(profile).flows]).flatMap((flows) =>
      engines.flatMap((engine) =>
        threads.map((count): RateResult => {
          if (flows < count) {
            throw new UsageError(`--connections ${flows} is less than --threads ${count}: each thread needs a flow`);
          }
          if (engine === 'shards' && count > 1) {
            throw new UsageError(
              'bench rate has --engine shards with --threads 1 only: its packets are not steered to the threads',
            );
          }
          const wantedPps = rate ?? (quick ? undefined : profileOf(profile).wantedPps);
          return {
            profile,
            engine,
            threads: count,
            flows,
            highestPps: [],
            trials: [],
            atShares: rate === undefined ? LOAD_SHARES.map((share) => ({ share, samples: [] })) : [],
            ...(wantedPps === undefined ? {} : { wanted: { pps: wantedPps, runs: [] } }),
          };
        }),
      ),
    ),
  );
}

interface Context {
  run: number;
  take: TakeSample;
}

interface Offer extends Context {
  pps: number;
  /** Keep all latencies. */
  histogram: boolean;
}

async function measureOnce(result: RateResult, options: RateBenchOptions, context: Context): Promise<void> {
  const offer = (pps: number, histogram = true) => offerOnce(result, options, { ...context, pps, histogram });
  if (options.rate === undefined) {
    const search = options.quick ? QUICK_SEARCH : SEARCH;
    const { highestPps } = await findHighestRate(
      async (pps) => {
        const trial = await offer(pps, false);
        result.trials.push(trial);
        return isLossless(trial);
      },
      { ...search, startPps: START_PPS },
    );
    result.highestPps.push(highestPps ?? null);
    for (const { share, samples } of highestPps === undefined ? [] : result.atShares) {
      samples.push(await offer(share * highestPps!));
    }
  }
  if (result.wanted !== undefined) {
    const trials: RateTrial[] = [];
    while (trials.length < (options.quick ? 1 : TRIES) && !trials.some(isLossless)) {
      trials.push(await offer(result.wanted.pps));
    }
    result.wanted.runs.push(trials);
  }
}

async function offerOnce(
  { profile, engine, threads, flows }: RateResult,
  options: RateBenchOptions,
  { run, take, pps, histogram }: Offer,
): Promise<RateTrial> {
  const { runs, quick, batch, buckets, ring } = options;
  const seconds = quick ? QUICK_SECONDS : options.seconds;
  const what = `${profile}, ${engine}, ${counted(threads, 'thread')}`;
  showProgress(`run ${run + 1} of ${runs}: ${what}: ${mega(pps)} million packets a second`);
  const sample = await take<RateSample>('rate/rate-sample.js', {
    shape: profileOf(profile).shape,
    engine,
    threads,
    flows,
    pps,
    seconds,
    settleSeconds: seconds / 4,
    rehearsalSeconds: quick ? 0.2 : 1.6,
    batchSize: batch,
    buckets,
    ring,
    histogram,
  } satisfies RateSampleOptions);
  if (sample.error !== undefined) {
    throw new VoidRunError(`${what}: ${sample.error}`);
  }
  return { pps, ...sample };
}

/** The highest rate, as other benchmarks write their times. Empty: there is none. */
function highestRateOf(
  { profile, engine, threads, flows, highestPps, medianHighestPps }: RateResult,
  hasSizes: boolean,
): BenchResult[] {
  if (medianHighestPps === undefined) {
    return [];
  }
  const msAt = (pps: number) => (PACKETS * 1000) / pps;
  return [
    {
      workload: `rate-${profile}${hasSizes ? `-${flows}` : ''}`,
      engine,
      threads,
      connections: flows,
      packets: PACKETS,
      medianMs: msAt(medianHighestPps),
      runsMs: highestPps.filter((pps) => pps !== null).map(msAt),
    },
  ];
}

function summarise(result: RateResult): void {
  const found = result.highestPps.filter((pps) => pps !== null);
  if (found.length === 0) {
    return;
  }
  result.medianHighestPps = median(found);
  const packets = packetsPerFlow(profileOf(result.profile));
  if (packets !== undefined) {
    result.medianConnectionsPerS = result.medianHighestPps / packets;
  }
}

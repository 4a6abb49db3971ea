/** The results of `bench rate` as text: tables and sentences. */

import { counted, thousands } from '../../src/host/terminal.ts';
import { doubtsAbout } from '../machine/probe-rules.ts';
import { mega, percent, short } from '../report/format.ts';
import { searchTables } from '../report/rate-tables.ts';
import { textTable } from '../report/table-text.ts';
import { median } from '../statistics/statistics.ts';
import { packetsPerFlow, profileOf } from './profiles.ts';
import { isLossless, QUICK_SECONDS, type RateResult, type RateResults, type RateTrial } from './rate.ts';

/** If the sender takes more than this share of the time, it is the limit. */
const SENDER_LIMIT = 0.5;

/** The time that a full receive ring of a thread holds, ms. */
function ringMs(ring: number, threads: number, pps: number): number {
  return (ring * threads * 1000) / pps;
}

function nameOf({ profile, engine, threads, flows }: RateResult): string {
  return `${profile}, ${engine}, ${counted(threads, 'thread')}, ${thousands(flows)} flows`;
}

function latencyText(samples: readonly RateTrial[]): string {
  if (samples.length === 0) {
    return '–';
  }
  const us = (value: (trial: RateTrial) => number) => short(median(samples.map(value)));
  return [us((each) => each.latencyUs.p50), us((each) => each.latencyUs.p99), us((each) => each.latencyUs.p999)].join(
    ' / ',
  );
}

function lostShare({ dropped, offered }: RateTrial): number {
  return dropped / offered;
}

/** What the trial with the least loss lost. */
function lossText(trial: RateTrial): string {
  const refused = trial.refused === 0 ? '' : `, and the table refused ${thousands(trial.refused)} connections`;
  return `lost ${percent(lostShare(trial))} of the packets${refused}`;
}

/** The answer to "is this load carried?", as a sentence. A busy machine can show that it is, but not that it is not. */
export function answerOf(result: RateResult, isQuiet = true): string | undefined {
  const { wanted, threads, medianHighestPps } = result;
  if (wanted === undefined) {
    return undefined;
  }
  const packets = packetsPerFlow(profileOf(result.profile));
  const churn =
    packets === undefined ? '' : ` with ${thousands(wanted.pps / packets)} connections created and removed a second`;
  const who = threads === 1 ? 'one PMD' : `${threads} PMDs`;
  const load = `${mega(wanted.pps)} million packets a second${churn}`;
  const right = wanted.runs.map((trials) => trials.find(isLossless)).filter((trial) => trial !== undefined);
  const runs = wanted.runs.length;
  if (right.length === runs) {
    return `${nameOf(result)}: ${who} can track ${load}: nothing was lost. Latency (p50 / p99 / p99.9): ${latencyText(right)} µs.`;
  }
  const best = wanted.runs.flat().reduce((a, b) => (lostShare(b) < lostShare(a) ? b : a));
  const instead =
    medianHighestPps === undefined ? '' : ` Without loss: ${mega(medianHighestPps)} million packets a second.`;
  if (right.length > 0) {
    return `${nameOf(result)}: ${who} tracked ${load} without loss in ${right.length} of ${runs} runs.${instead}`;
  }
  return isQuiet
    ? `${nameOf(result)}: ${who} cannot track ${load}: the best trial ${lossText(best)}.${instead}`
    : `${nameOf(result)}: can ${who} track ${load}? INCONCLUSIVE: the best trial ${lossText(best)}, but the machine was not quiet.`;
}

/** What kept the rate from being higher, as a sentence. undefined without a search that found one. */
export function limitOf(result: RateResult): string | undefined {
  const { medianHighestPps, trials } = result;
  if (medianHighestPps === undefined) {
    return trials.length === 0 ? undefined : `${nameOf(result)}: every rate lost packets, so there is no highest one.`;
  }
  /* The best of them: the machine may have disturbed a short dry run. */
  const senderPps = Math.max(...trials.map((trial) => trial.senderPps));
  const share = medianHighestPps / senderPps;
  const alone = `building the packets takes ${percent(share)} of the time (alone: ${mega(senderPps)} million a second)`;
  return share > SENDER_LIMIT
    ? `${nameOf(result)}: THE SENDER, NOT THE TRACKER, WAS THE LIMIT: ${alone}.`
    : `${nameOf(result)}: the tracker was the limit; ${alone}.`;
}

/** How many trials the machine spoilt, as a sentence. undefined if none. */
export function pausesOf(result: RateResult, ring: number): string | undefined {
  const all = [...result.trials, ...(result.wanted?.runs.flat() ?? [])];
  const lossy = all.filter((trial) => !isLossless(trial));
  const paused = lossy.filter((trial) => trial.longestPauseMs > ringMs(ring, result.threads, trial.pps));
  if (paused.length === 0) {
    return undefined;
  }
  const longest = Math.max(...paused.map((trial) => trial.longestPauseMs));
  return (
    `${nameOf(result)}: in ${paused.length} of ${lossy.length} trials with loss a thread paused for longer than its receive ring ` +
    `holds (up to ${short(longest)} ms): the machine lost these packets, not the tracker.`
  );
}

export function rateText({ rate: results, machine, options }: RateResults): string {
  const { ring, seconds, quick, runs, batch } = options;
  const threads = Math.max(...options.threads);
  const isCrowded = threads + 1 > machine.cores;
  const isQuiet = doubtsAbout(machine).length === 0;
  const sentences = results.flatMap((result) => [
    answerOf(result, isQuiet),
    isQuiet ? limitOf(result) : undefined,
    pausesOf(result, ring),
  ]);
  return [
    `Highest rate without loss, and latency from a packet's due time to its verdict (p50 / p99 / p99.9) at shares of it.`,
    `${counted(runs, 'run')}; trials of ${quick ? QUICK_SECONDS : seconds} s, each in a fresh process, with a sweeper beside. Batches of up to ${batch}, ` +
      `receive rings of ${ring} packets.`,
    ...(quick ? ['QUICK: this shows that everything works. Its figures mean nothing.'] : []),
    ...(isCrowded
      ? [`MORE THREADS THAN CORES: ${counted(threads, 'PMD')} and the sweeper share ${counted(machine.cores, 'core')}.`]
      : []),
    ...searchTables(results).map((table) => textTable(table)),
    ...sentences.filter((sentence) => sentence !== undefined),
  ].join('\n');
}

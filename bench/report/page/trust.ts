/** May the reader believe the figures? One check for each reason to doubt them. */

import type { WorkloadAnalysis } from '../analysis.ts';
import { BUSY_SHARE, FEWEST_RUNS, WIDE_SPREAD } from '../first-look.ts';
import { percent, short } from '../format.ts';
import { busyText } from '../machine-state.ts';
import type { BenchResult, ResultsFile } from '../results-file.ts';

export interface Check {
  /** `no`: draw no conclusion. `care`: conclude with care. */
  state: 'fine' | 'care' | 'no';
  text: string;
}

/** With fewer runs, an interval ends at the samples themselves. */
const RUNS_FOR_INTERVAL = 5;
/** Percent of the processors' time that other guests of the host had. */
const MUCH_STEAL = 2;

function loadCheck({ machine }: ResultsFile): Check {
  const { loadAverage1m, cores, machineCores = cores } = machine;
  const busy = busyText(machine);
  if (busy !== undefined) {
    return { state: 'no', text: busy };
  }
  const load = `The load was ${short(loadAverage1m)} on ${machineCores} cores when this began`;
  return loadAverage1m > BUSY_SHARE * machineCores
    ? { state: 'care', text: `${load}: other programs were running. An idle machine may be faster.` }
    : { state: 'fine', text: `${load}: the machine was quiet.` };
}

function stealCheck({ machine: { stealPercent } }: ResultsFile): Check[] {
  return stealPercent === undefined || stealPercent < MUCH_STEAL
    ? []
    : [
        {
          state: 'care',
          text: `Since its start this virtual machine waited ${short(stealPercent)} % of the time for the host (steal time).`,
        },
      ];
}

function runsCheck(results: readonly BenchResult[]): Check {
  const runs = Math.min(...results.map(({ runsMs }) => runsMs.length));
  const times = runs === 1 ? 'once' : runs === 2 ? 'twice' : `${runs} times`;
  if (runs < FEWEST_RUNS) {
    return { state: 'no', text: `Each figure was measured ${times}. That does not tell a difference from chance.` };
  }
  return runs < RUNS_FOR_INTERVAL
    ? {
        state: 'care',
        text: `Each figure was measured ${times}. With fewer than ${RUNS_FOR_INTERVAL} runs the intervals are too narrow.`,
      }
    : { state: 'fine', text: `Each figure was measured ${times} or more.` };
}

function spreadOf({ runsMs, medianMs }: BenchResult): number {
  return (Math.max(...runsMs) - Math.min(...runsMs)) / medianMs;
}

const nameOf = ({ workload, engine, threads }: BenchResult): string =>
  `${workload}, ${engine}, ${threads} thread${threads === 1 ? '' : 's'}`;

function spreadCheck(results: readonly BenchResult[]): Check {
  const worst = results.reduce((a, b) => (spreadOf(b) > spreadOf(a) ? b : a));
  const spread = spreadOf(worst);
  return spread > WIDE_SPREAD
    ? {
        state: 'care',
        text: `Equal runs lie up to ${percent(spread)} apart (${nameOf(worst)}). Smaller differences may be chance.`,
      }
    : { state: 'fine', text: `Equal runs lie at most ${percent(spread)} apart (${nameOf(worst)}).` };
}

function coresCheck({ machine: { cores } }: ResultsFile, workloads: readonly WorkloadAnalysis[]): Check[] {
  const crowded = workloads.flatMap(({ threads }) => threads.filter((count) => count > cores));
  return crowded.length === 0
    ? []
    : [
        {
          state: 'care',
          text: `${cores} core${cores === 1 ? '' : 's'} served up to ${Math.max(...crowded)} threads: such points measure the scheduler as well. The answers above do without them.`,
        },
      ];
}

export function trustChecks(results: ResultsFile, workloads: readonly WorkloadAnalysis[]): Check[] {
  const repeated =
    results.results.length === 0
      ? []
      : [
          runsCheck(results.results),
          ...(results.results.some(({ runsMs }) => runsMs.length > 1) ? [spreadCheck(results.results)] : []),
        ];
  return [loadCheck(results), ...stealCheck(results), ...repeated, ...coresCheck(results, workloads)];
}

/** The answer in a sentence. */
export function trustSentence(checks: readonly Check[]): string {
  if (checks.some(({ state }) => state === 'no')) {
    return 'No. Do not draw conclusions from this page.';
  }
  return checks.some(({ state }) => state === 'care')
    ? 'With care. Large differences are real, small ones may be chance.'
    : 'Yes, as far as the intervals reach.';
}

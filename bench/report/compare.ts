/** Compares two results files: the ratio of medians with its interval, for each figure. */

import Table from 'cli-table3';
import { UsageError } from '../../src/core/errors.ts';
import { counted } from '../../src/host/terminal.ts';
import { machineDifferences } from '../machine/machine.ts';
import { stateDifferences } from '../machine/probe-rules.ts';
import { groups, mega, short } from './format.ts';
import type { BenchResult, RateFigures, ResultsFile } from './results-file.ts';
import { readResultsFile } from './results-reader.ts';
import { median, medianRatio, type Ratio } from '../statistics/statistics.ts';

export type Verdict = 'differs' | 'no difference seen' | 'too few runs' | 'none: machine states differ';

export interface Comparison extends Ratio {
  workload: string;
  engine: string;
  threads: number;
  medianMsA: number;
  medianMsB: number;
  verdict: Verdict;
}

export interface ComparedFiles {
  comparisons: Comparison[];
  /** Why the machine was not in one quiet state for both files. Then there are no verdicts, unless forced. Empty: it was. */
  states: string[];
  /** Figures that were left out, and other differences. */
  notes: string[];
}

/** With fewer runs, the interval ends at the samples themselves, and two medians of equal figures often differ. */
const RUNS_FOR_VERDICT = 3;
const RUNS_FOR_INTERVAL = 5;

/**
 * Compares B with A. A ratio above 1 means that B takes longer.
 *
 * If the machine was busy, or in another state, the ratios have no verdict unless `force` is set.
 * @throws UsageError unless both are of one machine, or `force` is set
 */
export function compareResults(a: ResultsFile, b: ResultsFile, force = false): ComparedFiles {
  const differences = machineDifferences(a.machine, b.machine);
  if (differences.length > 0 && !force) {
    throw new UsageError(
      `the files come from different machines: ${differences.join(', ')}. Use --force to compare them anyway`,
    );
  }
  const states = stateDifferences(a.machine, b.machine);
  const isJudged = states.length === 0 || force;
  const notes = [
    ...(differences.length > 0 ? [`different machines: ${differences.join(', ')}`] : []),
    ...probeNotes(a, b),
    ...softwareNotes(a, b),
    ...optionNotes(a.options, b.options),
  ];
  const inB = new Map(timesIn(b).map((result) => [keyOf(result), result]));
  const comparisons: Comparison[] = [];
  for (const first of timesIn(a)) {
    const second = inB.get(keyOf(first));
    inB.delete(keyOf(first));
    if (second === undefined) {
      notes.push(`only in A: ${keyOf(first)}`);
    } else if (first.connections !== second.connections || first.packets !== second.packets) {
      notes.push(
        `not the same work, left out: ${keyOf(first)} (${first.connections} and ${second.connections} connections, ` +
          `${first.packets} and ${second.packets} packets)`,
      );
    } else {
      const comparison = compared(first, second);
      comparisons.push(isJudged ? comparison : { ...comparison, verdict: 'none: machine states differ' });
    }
  }
  notes.push(...[...inB.keys()].map((key) => `only in B: ${key}`));
  if (comparisons.some((comparison) => fewestRuns(a, b, comparison) < RUNS_FOR_INTERVAL)) {
    notes.push(`fewer than ${RUNS_FOR_INTERVAL} runs: the intervals are too narrow`);
  }
  return { comparisons, states, notes };
}

/** All times of a file. Those of `bench rate` include its latencies, as the time of one packet. */
function timesIn({ results, rate = [] }: ResultsFile): BenchResult[] {
  return [...results, ...rate.flatMap(latenciesOf)];
}

function latenciesOf({ profile, engine, threads, flows, atShares, wanted }: RateFigures): BenchResult[] {
  const loads = [
    ...atShares.map(({ share, samples }) => ({ name: `at ${share * 100} %`, samples })),
    ...(wanted === undefined ? [] : [{ name: `at ${mega(wanted.pps)} Mpps`, samples: wanted.runs.flat() }]),
  ];
  return loads
    .filter(({ samples }) => samples.length > 0)
    .flatMap(({ name, samples }) =>
      (['p50', 'p99', 'p999'] as const).map((quantile): BenchResult => {
        const runsMs = samples.map(({ latencyUs }) => latencyUs[quantile] / 1000);
        const workload = `${profile}, ${groups(flows)} flows, latency ${quantile === 'p999' ? 'p99.9' : quantile} ${name}`;
        return { workload, engine, threads, connections: flows, packets: 1, medianMs: median(runsMs), runsMs };
      }),
    );
}

function keyOf({ workload, engine, threads }: Pick<BenchResult, 'workload' | 'engine' | 'threads'>): string {
  return `${workload}, ${engine}, ${counted(threads, 'thread')}`;
}

function fewestRuns(a: ResultsFile, b: ResultsFile, comparison: Comparison): number {
  const key = keyOf(comparison);
  return Math.min(
    ...[...timesIn(a), ...timesIn(b)].filter((result) => keyOf(result) === key).map((result) => result.runsMs.length),
  );
}

function compared(a: BenchResult, b: BenchResult): Comparison {
  const ratio = medianRatio(b.runsMs, a.runsMs);
  const isFew = Math.min(a.runsMs.length, b.runsMs.length) < RUNS_FOR_VERDICT;
  const differs = ratio.low > 1 || ratio.high < 1;
  const { workload, engine, threads } = a;
  return {
    workload,
    engine,
    threads,
    medianMsA: a.medianMs,
    medianMsB: b.medianMs,
    ...ratio,
    verdict: isFew ? 'too few runs' : differs ? 'differs' : 'no difference seen',
  };
}

/** If only one file has a probe, the state of the machine is unknown for the other one. */
function probeNotes(a: ResultsFile, b: ResultsFile): string[] {
  const hasProbes = [a, b].map(({ machine }) => machine.probe !== undefined);
  return hasProbes[0] === hasProbes[1]
    ? []
    : [`${hasProbes[0] ? 'B' : 'A'} has no probe of the machine, so its state is unknown`];
}

function softwareNotes(a: ResultsFile, b: ResultsFile): string[] {
  return (['kernel', 'node', 'v8', 'nodeOptions'] as const)
    .filter((name) => a.machine[name] !== b.machine[name])
    .map((name) => `${name}: ${a.machine[name] || 'none'} and ${b.machine[name] || 'none'}`);
}

/** Options that do not change the measured work. */
const QUIET_OPTIONS = new Set(['json', 'csv', 'html', 'markdown', 'runs', 'threads', 'waitQuiet']);

function optionNotes(a: Record<string, unknown> = {}, b: Record<string, unknown> = {}): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => !QUIET_OPTIONS.has(name) && JSON.stringify(a[name]) !== JSON.stringify(b[name]))
    .map((name) => `option ${name}: ${JSON.stringify(a[name])} and ${JSON.stringify(b[name])}`);
}

function msText(ms: number): string {
  return ms < 1 ? short(ms) : ms.toFixed(1);
}

export function comparisonText({ comparisons, states, notes }: ComparedFiles): string {
  const head = ['workload', 'engine', 'threads', 'A ms', 'B ms', 'B / A', '95 % interval', ''];
  const table = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (column >= 2 && column <= 6 ? ('right' as const) : ('left' as const))),
  });
  for (const { workload, engine, threads, medianMsA, medianMsB, ratio, low, high, verdict } of comparisons) {
    const interval = verdict === 'too few runs' ? '' : `${low.toFixed(3)} to ${high.toFixed(3)}`;
    table.push([
      workload,
      engine,
      String(threads),
      msText(medianMsA),
      msText(medianMsB),
      ratio.toFixed(3),
      interval,
      verdict,
    ]);
  }
  const isJudged = comparisons.some(({ verdict }) => verdict !== 'none: machine states differ');
  return [
    ...states.map((state) => `NOT COMPARABLE: ${state}`),
    ...(states.length === 0
      ? []
      : [
          isJudged
            ? 'The verdicts were forced.'
            : 'So there are no verdicts: measure both in one quiet state (--wait-quiet), or use --force.',
        ]),
    'Ratio of medians. Above 1, B takes longer.',
    ...(comparisons.length > 0 ? [table.toString()] : ['The files have no result in common.']),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}

export interface CompareOptions {
  /** Compare even if the machines or their states differ. */
  force?: boolean;
  json?: boolean;
}

/** `ct-bucket bench compare A.json B.json`: prints the comparison. @throws UsageError */
export function compareFiles(files: readonly string[], options: CompareOptions = {}): void {
  const [fileA, fileB] = files;
  if (fileA === undefined || fileB === undefined || files.length !== 2) {
    throw new UsageError('compare needs two results files');
  }
  const outcome = compareResults(readResultsFile(fileA), readResultsFile(fileB), options.force);
  console.log(options.json === true ? JSON.stringify(outcome) : `A: ${fileA}\nB: ${fileB}\n${comparisonText(outcome)}`);
}

/** Makes the data of a section from result files: medians, intervals, command, date, machine. The raw samples stay behind. */

import { readFileSync } from 'node:fs';
import { UsageError } from '../../src/core/errors.ts';
import type { MachineFingerprint } from '../../bench/machine/machine.ts';
import { doubtsAbout } from '../../bench/machine/probe-rules.ts';
import { machineLine } from '../../bench/machine/probe-text.ts';
import type { AgingSample } from '../../bench/aging/aging-sample.ts';
import type { AgingResult, BenchResult, ResultsFile } from '../../bench/report/results-file.ts';
import type { StudyResults } from '../../bench/studies/study.ts';
import { median, medianInterval, medianRatio } from '../../bench/statistics/statistics.ts';
import { type Extract, type Figure, type Measure, type Source } from './data.ts';

type Key = Omit<Figure, 'measure' | 'runs' | 'value' | 'low' | 'high'>;
/** A file of `bench ... --json`, of any command. */
type AnyResults = Partial<Omit<ResultsFile, 'machine'>> &
  Partial<StudyResults> & { machine?: MachineFingerprint; command?: string; finishedAt?: string };

export interface ExtractOptions {
  /** For files that do not tell. */
  command?: string;
  date?: string;
}

/** With fewer runs an interval says nothing. */
const FEWEST_RUNS = 3;
const OURS = 'ct-bucket';

function short(value: number): number {
  return Number(value.toPrecision(4));
}

function figure(key: Key, measure: Measure, samples: readonly number[]): Figure[] {
  if (samples.length === 0) {
    return [];
  }
  const { low, high } = medianInterval(samples);
  const bounds = samples.length < FEWEST_RUNS ? {} : { low: short(low), high: short(high) };
  return [{ ...key, measure, runs: samples.length, value: short(median(samples)), ...bounds }];
}

function ratioFigure(key: Key, measure: Measure, above: readonly number[], below: readonly number[]): Figure {
  const { ratio, low, high } = medianRatio(above, below);
  const runs = Math.min(above.length, below.length);
  const bounds = runs < FEWEST_RUNS ? {} : { low: short(low), high: short(high) };
  return { ...key, measure, runs, value: short(ratio), ...bounds };
}

/** Folders of the machine that measured are nobody's business: `/home/me/peer {threads}` becomes `./peer {threads}`. */
export function publicCommand(command: string): string {
  return command
    .replaceAll(/ --(?:json|csv|html|markdown|wait-quiet)[ =]\S+/g, '')
    .replaceAll(/(?<=^|[\s'"=])\/(?:[\w.+-]+\/)+(?=[\w.+-])/g, './');
}

function sourceOf(path: string, results: AnyResults, options: ExtractOptions): Source {
  const { machine } = results;
  const command = results.command ?? options.command;
  const date = results.finishedAt?.slice(0, 10) ?? options.date;
  if (command === undefined || date === undefined) {
    throw new UsageError(`${path} does not tell its command and date: give --command and --date`);
  }
  if (!/^\d{4}-\d\d-\d\d$/.test(date)) {
    throw new UsageError(`the date ${date} is not of the form YYYY-MM-DD`);
  }
  if (machine === undefined) {
    throw new UsageError(`${path} is not a file of benchmark results: it has no machine`);
  }
  const { cpu, cores, node, kernel } = machine;
  const state = machineLine(machine);
  return {
    command: publicCommand(command),
    date,
    machine: {
      name: `${cpu}, ${cores} core${cores === 1 ? '' : 's'}, Node ${node}, kernel ${kernel}`,
      cores,
      ...(state === undefined ? {} : { state }),
      doubts: doubtsAbout(machine),
    },
  };
}

/** TCP connections side by side are part of what was measured. */
function whatOf({ workload, connections }: BenchResult, { window }: { window?: unknown }): string {
  return typeof window === 'number' && window < connections ? `${workload}, ${window} side by side` : workload;
}

function isFlush({ workload }: BenchResult): boolean {
  return workload.startsWith('zones-flush-');
}

function benchFigures(source: number, results: readonly BenchResult[], options: Record<string, unknown>): Figure[] {
  const alike = (a: BenchResult) => (b: BenchResult) => a.workload === b.workload && a.connections === b.connections;
  return results.flatMap((result): Figure[] => {
    /* A workload may open several connections with the same tuple, one after another. */
    const { engine, threads, connections, lives = connections, packets, runsMs } = result;
    const key: Key = { source, what: whatOf(result, options), engine, threads, connections };
    const same = results.filter(alike(result));
    const alone = same.find((other) => other.engine === engine && other.threads === 1);
    const ours = same.find((other) => other.engine === OURS && other.threads === threads);
    return [
      ...figure(
        key,
        'packetNs',
        runsMs.map((ms) => (ms * 1e6) / packets),
      ),
      /* A flush opens none. */
      ...figure(key, 'millionConnectionsPerS', isFlush(result) ? [] : runsMs.map((ms) => lives / ms / 1000)),
      ...(alone === undefined || threads === 1 ? [] : [ratioFigure(key, 'speedUp', alone.runsMs, runsMs)]),
      ...(ours === undefined || engine === OURS ? [] : [ratioFigure(key, 'timesOfOurs', runsMs, ours.runsMs)]),
    ];
  });
}

function agingFigures(source: number, results: readonly AgingResult[], threads: number): Figure[] {
  return results.flatMap(({ engine, buckets, connections, samples = [], bytesPerConnection }): Figure[] => {
    const key: Key = { source, what: 'aging', engine, threads, connections, buckets };
    const all = samples as AgingSample[];
    const of = (measure: Measure, valueOf: (sample: AgingSample) => number | undefined) =>
      figure(
        key,
        measure,
        all.map(valueOf).filter((value) => value !== undefined),
      );
    return [
      ...of('lagP50Ms', ({ lagMs }) => lagMs.p50),
      ...of('lagP99Ms', ({ lagMs }) => lagMs.p99),
      ...of('sweeperCpuPercent', ({ sweeperCpuPercent }) => sweeperCpuPercent),
      ...of('removalNs', ({ nsPerRemoved }) => nsPerRemoved),
      /* The benchmark leaves it out for few connections: their memory is not new. In JSON that is null. */
      ...(Number.isFinite(bytesPerConnection) ? of('bytesPerConnection', (sample) => sample.bytesPerConnection) : []),
      ...of('batchTailTimes', ({ latencyUs }) => latencyUs.with.p999 / latencyUs.without.p999),
    ];
  });
}

function studyFigures(source: number, { rows, options }: Pick<StudyResults, 'rows' | 'options'>): Figure[] {
  const first = rows[0]?.choice;
  return rows.flatMap(({ choice, result, threads, packets, runsMs }): Figure[] => {
    const key: Key = { source, what: result, engine: choice, threads, connections: options.connections };
    const reference = rows.find((row) => row.choice === first && row.result === result && row.threads === threads);
    return [
      ...figure(
        key,
        'packetNs',
        runsMs.map((ms) => (ms * 1e6) / packets),
      ),
      ...(reference === undefined || choice === first
        ? []
        : [ratioFigure(key, 'timesOfFirst', runsMs, reference.runsMs)]),
    ];
  });
}

/** `bench study runtime` names a runtime and a packet path as the engine: "Node 24, module". A path is compared with itself. */
function runtimeRows(results: readonly BenchResult[]): StudyResults['rows'] {
  return results.map(({ engine, workload, threads, packets, runsMs }) => {
    const [choice = engine, path = ''] = engine.split(', ');
    return { choice, result: `${workload}, ${path}`, threads, packets, runsMs };
  });
}

function figuresOf(source: number, file: AnyResults): Figure[] {
  const isRuntimes = file.benchmark === 'study runtime';
  const { results = [], aging = [] } = file;
  const rows = isRuntimes ? runtimeRows(results) : file.rows;
  const options = (file.options ?? {}) as Record<string, unknown>;
  const threads = typeof options['threads'] === 'number' ? options['threads'] : 1;
  return [
    ...(isRuntimes ? [] : benchFigures(source, results, options)),
    ...agingFigures(source, aging, threads),
    ...(rows === undefined ? [] : studyFigures(source, { rows, options: file.options as StudyResults['options'] })),
  ];
}

/** What a figure is of. Two files that measured the same leave the figure of the first. */
function identity({ measure, what, engine, threads, connections, buckets }: Figure): string {
  return [measure, what, engine, threads, connections, buckets].join(' ');
}

function parse(path: string): AnyResults {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as AnyResults;
  } catch (error) {
    throw new UsageError(`${path} cannot be read as JSON: ${(error as Error).message}`);
  }
}

/**
 * @param isWanted figures that the section shows
 * @throws UsageError
 */
export function extract(
  paths: readonly string[],
  isWanted: (figure: Figure) => boolean,
  options: ExtractOptions = {},
): Extract {
  const files = paths.map((path) => ({ path, results: parse(path) }));
  const sources = files.map(({ path, results }) => sourceOf(path, results, options));
  const seen = new Set<string>();
  const figures = files
    .flatMap(({ results }, source) => figuresOf(source, results))
    .filter(isWanted)
    .filter((each) => !seen.has(identity(each)) && seen.add(identity(each)));
  const empty = files.findIndex((_, source) => !figures.some((each) => each.source === source));
  if (empty >= 0) {
    throw new UsageError(`${files[empty]!.path} has no figure for this section that an earlier file does not have`);
  }
  return { sources, figures };
}

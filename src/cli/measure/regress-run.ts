/** The work of `ct-bucket regress` (bench/regress/). */

import { existsSync } from 'node:fs';
import Table from 'cli-table3';
import { machineFingerprint } from '../../../bench/machine/machine.ts';
import { watched, type WatchOptions } from '../../../bench/machine/watch.ts';
import { ACCEPTED_FILE } from '../../../bench/regress/verdict/accepted.ts';
import { measuring } from '../../../bench/regress/builds/build-cache.ts';
import { defaultPlaces, findBuild, noteUncommitted } from '../../../bench/regress/builds/builds.ts';
import { SampleError } from '../../../bench/regress/samples/cases.ts';
import { changePoints } from '../../../bench/regress/report/change-points.ts';
import { chosenCases, readConfig } from '../../../bench/regress/config.ts';
import { comparableEntries, shardStates } from '../../../bench/regress/report/machine-states.ts';
import type { Plant } from '../../../bench/regress/selftest/plant-names.ts';
import { acceptedFor } from '../../../bench/regress/verdict/lineage.ts';
import type { CounterMode } from '../../../bench/regress/counters/counter-modes.ts';
import { runProject } from '../../../bench/regress/projects/project.ts';
import { fingerprintOf, mergeResults, readHistory, readResult } from '../../../bench/regress/report/result-file.ts';
import { runRegress } from '../../../bench/regress/run.ts';
import { runSelftest, runSelftestBisections } from '../../../bench/regress/selftest/selftest.ts';
import type { Shard } from '../../../bench/regress/shard.ts';
import { showProgress } from '../../host/terminal.ts';
import { UsageError } from '../../core/errors.ts';
import { ExitCode } from '../exit-code.ts';
import { type RegressOutputPaths, RegressOutputs } from './regress-outputs.ts';
import {
  isOfProject,
  projectSettings,
  refuseIncompleteStates,
  type ProjectRunOptions,
  refuseProjectOptions,
  subjectOf,
} from './regress-project.ts';

export interface RegressOptions extends RegressOutputPaths, WatchOptions, ProjectRunOptions {
  base?: string;
  head: string;
  config: string;
  quick: boolean;
  shard?: Shard;
  seed?: number;
  advisory: boolean;
  counters?: CounterMode;
  accepted?: string;
}

export interface SelftestCommandOptions extends WatchOptions {
  verdicts?: number;
  bisections?: number;
  commits?: number;
  slowdowns?: number[];
  busy?: number;
  plant: Plant;
  counters?: CounterMode;
  config: string;
  out: string;
  resume: boolean;
}

export function say(line: string): void {
  showProgress('');
  console.log(line);
}

/** If a sample fails, there is no verdict: exit code 2. */
export async function measured(action: () => Promise<number>): Promise<number> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof SampleError) {
      showProgress('');
      console.error(`ct-bucket: ${error.message}`);
      return ExitCode.usage;
    }
    throw error;
  }
}

async function withRegressOutputs(
  paths: RegressOutputPaths,
  work: (outputs: RegressOutputs) => number | Promise<number>,
): Promise<number> {
  const outputs = new RegressOutputs(paths);
  try {
    return await work(outputs);
  } finally {
    outputs.close();
  }
}

export async function runCommand(options: RegressOptions): Promise<void> {
  refuseIncompleteStates(options);
  if (isOfProject(options)) {
    return runOnProject(options);
  }
  refuseProjectOptions(options, options.config);
  process.exitCode = await withRegressOutputs(options, async (outputs) => {
    const whole = readConfig(options.config);
    const config = chosenCases(whole, options.quick, options.shard);
    const baseLabel = baseLabelOf(options);
    outputs.begin();
    const base = await findBuild(baseLabel, defaultPlaces(), say);
    const head = await findBuild(options.head, defaultPlaces(), say);
    noteUncommitted([base, head], defaultPlaces(), say);
    const cases = whole.cases.map(({ name }) => name);
    const accepted = acceptedFor(options.accepted ?? ACCEPTED_FILE, base, head, cases);
    return measured(async () => {
      const work = () =>
        runRegress({
          base,
          head,
          config,
          counters: options.counters ?? 'all',
          accepted,
          seed: options.seed ?? Date.now() % 0x7fffffff,
          ...(options.shard === undefined ? {} : { shard: options.shard }),
          say,
        });
      const result = await measuring(say, () => watched(options, work));
      const code = outputs.finish(result);
      return options.advisory ? ExitCode.ok : code;
    });
  });
}

async function runOnProject(options: RegressOptions): Promise<void> {
  const { base, head, cases, seconds = 55, advisory, seed = Date.now() % 0x7fffffff } = options;
  process.exitCode = await withRegressOutputs(options, (outputs) => {
    outputs.begin();
    return measured(async () => {
      const work = () =>
        runProject({
          ...projectSettings(options, seconds),
          ...subjectOf(options),
          ...(base === undefined ? {} : { base: baseLabelOf(options) }),
          ...(options.accepted === undefined ? {} : { accepted: options.accepted }),
          head,
          ...(cases === undefined ? {} : { cases }),
          seed,
          say,
        });
      const code = outputs.finish(await measuring(say, () => watched(options, work)));
      return advisory ? ExitCode.ok : code;
    });
  });
}

/** The base to measure. Of an earlier verdict, its head is measured again: times of another day are not comparable. */
function baseLabelOf({ base = '', advisory }: RegressOptions): string {
  if (!base.endsWith('.json') || !existsSync(base)) {
    return base;
  }
  const earlier = readResult(base);
  const [then, now] = [fingerprintOf(earlier.machine), fingerprintOf(machineFingerprint())];
  if (then !== now && !advisory) {
    throw new UsageError(
      `${base} was measured on another machine (${then}; this is ${now}): give --advisory, or a commit`,
    );
  }
  if (earlier.head.commit === undefined) {
    throw new UsageError(`${base} measured a folder, ${earlier.head.label}: give the folder, or a commit`);
  }
  return earlier.head.commit;
}

export async function mergeCommand(files: readonly string[], options: RegressOutputPaths): Promise<void> {
  process.exitCode = await withRegressOutputs(options, (outputs) => {
    const results = files.map(readResult);
    const states = shardStates(results);
    const result = { ...mergeResults(results), ...(states.length === 0 ? {} : { states }) };
    outputs.begin();
    return outputs.finish(result);
  });
}

const VERDICTS = { verdicts: 20, slowdowns: [0, 3, 5, 10, 900] };
const BISECTIONS = { commits: 32, slowdowns: [10] };

export async function selftestCommand(options: SelftestCommandOptions): Promise<void> {
  const { bisections, busy = 0, commits, counters, plant, slowdowns = [], verdicts } = options;
  if (bisections === undefined && commits !== undefined) {
    throw new UsageError('--commits is for --bisections: give both');
  }
  if (bisections !== undefined && plant === 'lock-hold') {
    throw new UsageError('--plant lock-hold is not for --bisections: give idle or instructions');
  }
  if (bisections !== undefined && slowdowns.includes(0)) {
    throw new UsageError('--slowdowns 0 is not for --bisections: there is no slow commit to find');
  }
  const config = readConfig(options.config);
  const work = () =>
    bisections === undefined
      ? runSelftest({
          ...options,
          ...VERDICTS,
          ...(verdicts === undefined ? {} : { verdicts }),
          ...(slowdowns.length === 0 ? {} : { slowdowns }),
          counters: counters ?? 'all',
          busy,
          config,
          say,
        })
      : runSelftestBisections({
          ...options,
          ...BISECTIONS,
          bisections,
          ...(commits === undefined ? {} : { commits }),
          ...(slowdowns.length === 0 ? {} : { slowdowns }),
          config,
          say,
        });
  process.exitCode = await measured(() =>
    measuring(say, async () => ((await work()) ? ExitCode.ok : ExitCode.checkFailed)),
  );
}

export function showHistory(file: string): void {
  const entries = readHistory(file);
  const machines = [...new Set(entries.map(({ machine }) => machine))];
  const notes: string[] = [];
  const table = new Table({
    head: ['machine', 'figure', 'entries', 'changed at', 'before', 'after', 'change', 'p'],
    style: { head: [], border: [] },
  });
  for (const machine of machines) {
    const { entries: own, note } = comparableEntries(entries.filter((entry) => entry.machine === machine));
    notes.push(...(note === undefined ? [] : [`${machine}: ${note}`]));
    for (const figure of new Set(own.flatMap(({ timesMs }) => Object.keys(timesMs)))) {
      const series = own.filter(({ timesMs }) => figure in timesMs);
      const points = changePoints(series.map(({ timesMs }) => timesMs[figure]!));
      if (points.length === 0) {
        table.push([machine, figure, series.length, 'no change', '', '', '', '']);
      }
      for (const { at, before, after, changePercent, p } of points) {
        table.push([
          machine,
          figure,
          series.length,
          `${series[at]!.commit.slice(0, 10)} (${series[at]!.time})`,
          `${before.toFixed(2)} ms`,
          `${after.toFixed(2)} ms`,
          `${changePercent >= 0 ? '+' : ''}${changePercent.toFixed(1)} %`,
          p.toFixed(3),
        ]);
      }
    }
  }
  console.log([...notes, table.toString()].join('\n'));
}

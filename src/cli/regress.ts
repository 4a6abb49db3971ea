/** `ct-bucket regress`: see bench/regress/. */

import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import Table from 'cli-table3';
import { machineFingerprint } from '../../bench/machine/machine.ts';
import { measuring } from '../../bench/regress/build-cache.ts';
import { defaultPlaces, findBuild, noteUncommitted } from '../../bench/regress/builds.ts';
import { SampleError } from '../../bench/regress/cases.ts';
import { changePoints } from '../../bench/regress/change-points.ts';
import { chosenCases, CONFIG_FILE, readConfig, type Shard } from '../../bench/regress/config.ts';
import { fingerprintOf, mergeResults, readHistory, readResult } from '../../bench/regress/result-file.ts';
import { runRegress } from '../../bench/regress/run.ts';
import { runSelftest } from '../../bench/regress/selftest.ts';
import { showProgress } from '../../bench/samples/samples.ts';
import { UsageError } from '../core/errors.ts';
import { ExitCode } from './exit-code.ts';
import { wholeNumber, wholeNumbers } from './option-parsers.ts';
import { type RegressOutputPaths, RegressOutputs } from './regress-outputs.ts';

interface RegressOptions extends RegressOutputPaths {
  base: string;
  head: string;
  config: string;
  quick: boolean;
  shard?: Shard;
  seed?: number;
  advisory: boolean;
}

/** Adds the command to the program. */
export function addRegress(program: Command): void {
  const regress = program
    .command('regress')
    .description(
      'has a change made it slower? exit code 0: no, 1: yes, 2: it could not be measured, 3: not to be told',
    );
  withOutputs(
    regress
      .command('run', { isDefault: true })
      .description(
        'build two states of the repository apart, measure both in pairs, and judge\n\n' +
          'A is measured against itself first: that tells what this machine can show today. What looks slower is measured ' +
          'again with fresh pairs. What is neither slower nor safely not slower is inconclusive, and not a pass.',
      )
      .requiredOption(
        '--base <state>',
        'a commit, a folder with a build, or the JSON file of an earlier verdict: its head',
      )
      .option('--head <state>', 'a commit or a folder with a build', 'HEAD')
      .option('--config <file>', 'cases and what is tolerated', CONFIG_FILE)
      .option('--quick', 'the first case only, within a minute', false)
      .option('--shard <i/n>', 'only every n-th case, beginning with the i-th; see merge', parseShard)
      .option('--seed <n>', 'of the order of samples (default: by the clock)', wholeNumber(0, 0x7fffffff))
      .option('--advisory', 'also where the earlier verdict is of another machine; never fails', false),
  ).action(runCommand);
  withOutputs(
    regress
      .command('merge')
      .description('the verdict of several shards together')
      .argument('<files...>', 'JSON files of shards'),
  ).action(async (files: string[], options: RegressOutputPaths) => {
    process.exitCode = await withRegressOutputs(options, (outputs) => {
      const result = mergeResults(files.map(readResult));
      outputs.begin();
      return outputs.finish(result);
    });
  });
  regress
    .command('history')
    .description('change points in a history that --history has written')
    .argument('<file>', 'JSON lines')
    .action(showHistory);
  regress
    .command('selftest')
    .description('how often are slowdowns of known size called? runs for hours; every verdict is written at once')
    .option('--verdicts <n>', 'verdicts of each slowdown', wholeNumber(1, 1000), 20)
    .option('--slowdowns <list>', 'percent, separated by commas', wholeNumbers(0, 100), [0, 2, 5, 10])
    .option('--config <file>', 'cases and what is tolerated', CONFIG_FILE)
    .option('--out <file>', 'verdicts as JSON lines', 'ct-bucket-selftest.jsonl')
    .option('--resume', 'continue the file', false)
    .action(
      async (options: { verdicts: number; slowdowns: number[]; config: string; out: string; resume: boolean }) => {
        const config = readConfig(options.config);
        process.exitCode = await measured(() =>
          measuring(say, async () => ((await runSelftest({ ...options, config, say })) ? ExitCode.ok : ExitCode.notSo)),
        );
      },
    );
}

function withOutputs(command: Command): Command {
  return command
    .option('--json <file>', 'write the verdict with all samples')
    .option('--markdown <file>', 'write it for a pull request')
    .option('--junit <file>', 'write it as JUnit')
    .option('--history <file>', 'add a line to a history (JSON lines)');
}

function parseShard(text: string): Shard {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { number: Number(number), of: Number(of) };
  if (!(shard.number >= 1 && shard.number <= shard.of)) {
    throw new InvalidArgumentError('It must be like 1/3.');
  }
  return shard;
}

function say(line: string): void {
  showProgress('');
  console.log(line);
}

/** A sample that failed makes no verdict: exit code 2. */
async function measured(action: () => Promise<number>): Promise<number> {
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

async function runCommand(options: RegressOptions): Promise<void> {
  process.exitCode = await withRegressOutputs(options, async (outputs) => {
    const config = chosenCases(readConfig(options.config), options.quick, options.shard);
    const baseLabel = baseLabelOf(options);
    outputs.begin();
    const base = await findBuild(baseLabel, defaultPlaces(), say);
    const head = await findBuild(options.head, defaultPlaces(), say);
    noteUncommitted([base, head], defaultPlaces(), say);
    return measured(async () => {
      const result = await measuring(say, () =>
        runRegress({
          base,
          head,
          config,
          seed: options.seed ?? Date.now() % 0x7fffffff,
          ...(options.shard === undefined ? {} : { shard: `${options.shard.number}/${options.shard.of}` }),
          say,
        }),
      );
      const code = outputs.finish(result);
      return options.advisory ? ExitCode.ok : code;
    });
  });
}

/** The builds that files of an earlier verdict are about are measured anew, beside the head: times of another day are no base. */
function baseLabelOf({ base, advisory }: RegressOptions): string {
  if (!base.endsWith('.json') || !existsSync(base)) {
    return base;
  }
  const earlier = readResult(base);
  const [then, now] = [fingerprintOf(earlier.machine), fingerprintOf(machineFingerprint())];
  if (then !== now && !advisory) {
    throw new UsageError(`${base} is of another machine (${then}; this is ${now}): give --advisory, or a commit`);
  }
  if (earlier.head.commit === undefined) {
    throw new UsageError(`${base} is about a folder, ${earlier.head.label}: give the folder, or a commit`);
  }
  return earlier.head.commit;
}

function showHistory(file: string): void {
  const entries = readHistory(file);
  const machines = [...new Set(entries.map(({ machine }) => machine))];
  const table = new Table({
    head: ['machine', 'figure', 'entries', 'changed at', 'before', 'after', 'change', 'p'],
    style: { head: [], border: [] },
  });
  for (const machine of machines) {
    const own = entries.filter((entry) => entry.machine === machine);
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
  console.log(table.toString());
}

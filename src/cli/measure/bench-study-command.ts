/** `ct-bucket bench study`: alternatives to a choice of the design, and other runtimes. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { WatchOptions } from '../../../bench/machine/watch.ts';
import type { ReportFiles } from '../../../bench/report/report.ts';
import { type RuntimeChoice, runtimeChoice } from '../../../bench/runtimes/runtime.ts';
import { runRuntimeStudy, runtimeStudyText } from '../../../bench/runtimes/runtime-study.ts';
import { runStudy, STUDY_NAMES, type StudyName } from '../../../bench/studies/study.ts';
import { UsageError } from '../../core/errors.ts';
import { withReports } from './bench-options.ts';
import { reportAs, withJson } from './bench-outcome.ts';
import { VOID_STATUS } from './bench-workload-commands.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { connectionsOption, Group, runsOption, waitQuietOption } from '../options/shared-options.ts';

const RUNTIME = 'runtime';
/** Options that only `bench study runtime` has. */
const RUNTIME_ONLY = ['runtime', 'quick', 'csv', 'markdown', 'html'];
const QUICK = { connections: 50_000, runs: 2 };

interface StudyCommandOptions extends ReportFiles, WatchOptions {
  connections: number;
  runs: number;
  runtime?: RuntimeChoice[];
  quick: boolean;
}

function runtimeChoices(text: string): RuntimeChoice[] {
  const choices = text.split(',').map((part) => {
    try {
      return runtimeChoice(part);
    } catch (error) {
      throw error instanceof UsageError ? new InvalidArgumentError(`${error.message}.`) : error;
    }
  });
  const twice = choices.find(({ name }, i) => choices.findIndex((each) => each.name === name) < i);
  if (twice !== undefined) {
    throw new InvalidArgumentError(`${twice.name} is named twice.`);
  }
  return choices;
}

/** @throws UsageError on an option that the study does not have */
function checkOptions(name: string, options: StudyCommandOptions, command: Command): void {
  const given = (option: string): boolean => command.getOptionValueSource(option) === 'cli';
  const wrong = RUNTIME_ONLY.find(given);
  if (name !== RUNTIME && wrong !== undefined) {
    throw new UsageError(`--${wrong} is for bench study ${RUNTIME}: leave it out`);
  }
  const fixed = Object.keys(QUICK).find(given);
  if (options.quick && fixed !== undefined) {
    throw new UsageError(`--quick has runs and connections of its own: leave out --${fixed}`);
  }
}

async function study(name: string, options: StudyCommandOptions, command: Command): Promise<void> {
  checkOptions(name, options, command);
  const { connections, runs } = options.quick ? QUICK : options;
  if (name !== RUNTIME) {
    const { json, waitQuiet } = options;
    const judged = { connections, runs, ...(json === undefined ? {} : { json }) };
    await withJson({ ...judged, ...(waitQuiet === undefined ? {} : { waitQuiet }) }, () =>
      runStudy(name as StudyName, { connections, runs }),
    );
    return;
  }
  const { runtime: runtimes } = options;
  const shape = { connections, runs, ...(runtimes === undefined ? {} : { runtimes }) };
  await reportAs(options, () => runRuntimeStudy(shape), runtimeStudyText);
}

export function addStudy(bench: Command): void {
  const command = describe(
    bench.command('study'),
    'Compare a choice of the design with its alternatives',
    `${RUNTIME} compares the running Node with other releases, Bun and Deno. It fetches them with npm into the cache folder.`,
  )
    .addArgument(bench.createArgument('<name>', 'Choice to study').choices([...STUDY_NAMES, RUNTIME]))
    .optionsGroup(Group.input)
    .addOption(
      new Option(
        '--runtime <list>',
        `For ${RUNTIME}: names (node22, node24.1.0, bun, deno) or NAME=PATH of a program, separated by commas`,
      )
        .argParser(runtimeChoices)
        .default(undefined, 'the supported releases of Node, bun, deno'),
    )
    .optionsGroup(Group.measurement)
    .addOption(connectionsOption(400_000, 3_000_000))
    .addOption(runsOption(5))
    .option('--quick', `For ${RUNTIME}: ${QUICK.runs} runs with ${QUICK.connections} connections`, false)
    .addOption(waitQuietOption());
  withReports(command).action(study);
  endHelp(command, {
    examples: [
      'bench study buckets',
      'bench study runtime --runtime node24,mine=/opt/node/bin/node --html runtime.html',
    ],
    exitStatus: VOID_STATUS,
  });
}

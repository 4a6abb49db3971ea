/** `ct-bucket regress`: its options and help. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { CONFIG_FILE, type Shard } from '../../../bench/regress/shard.ts';
import { withHelpOfDefault } from '../options/default-help.ts';
import { describe, endHelp, holdsCommands } from '../options/help-style.ts';
import { wholeNumber, wholeNumbers } from '../options/option-parsers.ts';
import { addBisect } from './regress-bisect.ts';
import type { RegressOutputPaths } from './regress-outputs.ts';
import { addPublishing } from './regress-publish.ts';
import { withProjectOptions } from './regress-project-options.ts';
import type { AcceptOptions } from './regress-accept.ts';
import type { RegressOptions, SelftestCommandOptions } from './regress-run.ts';
import { PLANTS } from '../../../bench/regress/selftest/plant-names.ts';
import { COUNTER_MODES } from '../../../bench/regress/counters/counter-modes.ts';
import { Group, waitQuietOption } from '../options/shared-options.ts';

const EXIT_STATUS = '0 no slowdown, 1 slowdown, 2 error, 3 inconclusive';

function parseShard(text: string): Shard {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { number: Number(number), of: Number(of) };
  if (!(shard.number >= 1 && shard.number <= shard.of)) {
    throw new InvalidArgumentError('It must be like 1/3.');
  }
  return shard;
}

function configOption(): Option {
  return new Option('--config <file>', 'Cases and tolerances').default(CONFIG_FILE);
}

function acceptedOption(): Option {
  return new Option('--accepted <file>', 'File of accepted slowdowns').default(
    undefined,
    'ct-bucket.regress-accepted.json',
  );
}

function countersOption(): Option {
  return new Option(
    '--counters <mode>',
    'Exact counters that decide before the time does: all; shared: all but instructions, which need valgrind and most of a minute; none',
  )
    .choices(COUNTER_MODES)
    .default(undefined, 'all');
}

function withOutputs(command: Command): Command {
  return command
    .optionsGroup(Group.output)
    .option('--json <file>', 'Write the verdict with all samples as JSON')
    .option('--markdown <file>', 'Write a summary for a pull request')
    .option('--junit <file>', 'Write the verdict as JUnit XML')
    .option('--html <file>', 'Write a page of the verdict: what changed, and why, with flame graphs')
    .option('--code-quality <file>', 'Write the regressions as a code quality report of GitLab')
    .option('--annotate', 'In a GitHub workflow: annotate the file of the cases, and write the summary of the job')
    .option('--history <file>', 'Append a line to a history, in JSON Lines');
}

function addRegressRun(regress: Command): void {
  const command = describe(
    regress.command('run', { isDefault: true }),
    'Build two commits, measure both in pairs, and judge the difference',
    'It takes pairs until the verdict is certain, or the time is over. A figure regressed if its interval lies above the ' +
      'noise floor (0.5 %) and its estimate above tolerate. It is fine if its interval lies below alarm. Otherwise the result is ' +
      'inconclusive (exit status 3).',
    'By default it measures ct-bucket itself, in a clone. With --module, --command, --tinybench or --vitest it measures any project: ' +
      'a state is then a commit of the repository here, or any folder.',
  )
    .optionsGroup(Group.input)
    .addOption(
      new Option(
        '--base <state>',
        'Commit, folder with a build, or JSON file of an earlier verdict (its head becomes the base). Required, unless there are two commands',
      ).conflicts(['baseCommand', 'headCommand']),
    )
    .option('--head <state>', 'Commit, or folder with a build', 'HEAD')
    .addOption(configOption())
    .addOption(acceptedOption());
  withProjectOptions(command)
    .optionsGroup(Group.measurement)
    .addOption(countersOption())
    .option('--quick', 'Measure the first case only, within a minute', false)
    .option(
      '--shard <i/n>',
      'Measure every n-th case, beginning with the i-th. Combine shards with regress merge',
      parseShard,
    )
    .addOption(
      new Option('--seed <number>', 'Seed of the order of samples')
        .argParser(wholeNumber(0, 0x7fffffff))
        .default(undefined, 'from the clock'),
    )
    .addOption(waitQuietOption())
    .option('--advisory', 'Never fail, and accept an earlier verdict of another machine', false);
  withOutputs(command).action(async (options: RegressOptions) => {
    const { runCommand } = await import('./regress-run.ts');
    await runCommand(options);
  });
  endHelp(command, {
    examples: [
      'regress --base main --head HEAD --markdown summary.md --html verdict.html',
      'regress --base main --head . --module bench/cases.mjs',
      "regress --base main --command 'node bench.js {case}' --cases parse,print",
      "regress --base-command './old bench.txt' --head-command './new bench.txt'",
    ],
    exitStatus: EXIT_STATUS,
  });
}

function addMerge(regress: Command): void {
  const command = describe(regress.command('merge'), 'Combine the verdicts of several shards into one').argument(
    '<files...>',
    'Verdicts of shards, written with --json',
  );
  withOutputs(command).action(async (files: string[], options: RegressOutputPaths) => {
    const { mergeCommand } = await import('./regress-run.ts');
    await mergeCommand(files, options);
  });
  endHelp(command, {
    examples: ['regress merge shard-1.json shard-2.json', 'regress merge regress.json --html verdict.html'],
    exitStatus: EXIT_STATUS,
  });
}

function addAccept(regress: Command): void {
  const command = describe(
    regress.command('accept'),
    'Accept the slowdown of a case, with a reason',
    'It writes into a file that you commit, so that reviewers see it. A later verdict with the same slowdown, or a smaller one, is ' +
      'no regression.',
  )
    .argument('<case>', 'Case that regressed')
    .requiredOption('--because <reason>', 'Why the slowdown is accepted')
    .option('--verdict <file>', 'Verdict on the slowdown, written with --json', 'regress.json')
    .addOption(acceptedOption())
    .action(async (name: string, options: AcceptOptions) => {
      const { acceptCommand } = await import('./regress-accept.ts');
      await acceptCommand(name, options);
    });
  endHelp(command, { examples: ["regress accept insert --because 'each packet checks its zone limit now'"] });
}

function addSelftest(regress: Command): void {
  const command = describe(
    regress.command('selftest'),
    'Measure how often slowdowns of known size are detected',
    'It runs for hours. Every verdict is written at once.',
    'With --bisections it measures how often regress bisect finds the slow commit: it adds commits to a temporary clone of the ' +
      'repository here, one of them slow. At least 90 % must be right, and none may take more than 600 s.',
  )
    .addOption(
      new Option('--verdicts <verdicts>', 'Verdicts for each slowdown')
        .argParser(wholeNumber(1, 1000))
        .default(undefined, '20'),
    )
    .addOption(
      new Option('--bisections <bisections>', 'Instead of verdicts: bisections for each slowdown')
        .argParser(wholeNumber(1, 1000))
        .conflicts(['verdicts', 'counters', 'busy']),
    )
    .addOption(
      new Option('--busy <processes>', 'Processes that compute beside the verdicts, as on a busy machine')
        .argParser(wholeNumber(0, 64))
        .default(undefined, '0'),
    )
    .addOption(
      new Option('--commits <commits>', 'Commits of a bisection')
        .argParser(wholeNumber(2, 1000))
        .default(undefined, '32'),
    )
    .addOption(
      new Option('--slowdowns <list>', 'Slowdowns to build in, in percent, separated by commas')
        .argParser(wholeNumbers(0, 10_000))
        .default(undefined, '0,3,5,10,900; of bisections: 10'),
    )
    .addOption(
      new Option(
        '--plant <kind>',
        'What makes the build slower: idle: steps that wait for each other; instructions: as many as the packet path executes in that time; lock-hold: steps under the lock of a bucket',
      )
        .choices(PLANTS)
        .default('idle'),
    )
    .addOption(countersOption())
    .addOption(configOption())
    .addOption(waitQuietOption())
    .option('--out <file>', 'File for the verdicts, in JSON Lines', 'ct-bucket-selftest.jsonl')
    .option('--resume', 'Continue the file', false)
    .action(async (options: SelftestCommandOptions) => {
      const { selftestCommand } = await import('./regress-run.ts');
      await selftestCommand(options);
    });
  endHelp(command, {
    examples: [
      'regress selftest --verdicts 20 --slowdowns 0,5',
      'regress selftest --bisections 10 --out bisections.jsonl',
    ],
    exitStatus: '0 detected as often as required, 1 less often, 2 error',
  });
}

/** Adds the command to the program. */
export function addRegress(program: Command): void {
  const regress = holdsCommands(describe(program.command('regress'), 'Compare the speed of two commits'));
  addRegressRun(regress);
  addMerge(regress);
  const history = describe(regress.command('history'), 'Find change points in a history')
    .argument('<file>', 'History written with --history, in JSON Lines')
    .action(async (file: string) => {
      const { showHistory } = await import('./regress-run.ts');
      showHistory(file);
    });
  endHelp(history, { examples: ['regress history history.jsonl'] });
  addPublishing(regress);
  addBisect(regress);
  addAccept(regress);
  addSelftest(regress);
  endHelp(withHelpOfDefault(regress), {
    examples: ['regress --base main', 'regress merge shard-*.json'],
    exitStatus: EXIT_STATUS,
  });
}

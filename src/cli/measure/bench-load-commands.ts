/** `ct-bucket bench`: load at a rate, and the table of the review. */

import { type Command, Option } from 'commander';
import { PROFILES, RATE_PROFILE_NAMES, type RateProfileName } from '../../../bench/rate/profiles.ts';
import { benchRate, type RateBenchOptions } from '../../../bench/rate/rate.ts';
import { rateText } from '../../../bench/rate/rate-report.ts';
import { measureReviewTable, type ReviewTableOptions, reviewTableText } from '../../../bench/suite/review-table.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { UsageError } from '../../core/errors.ts';
import { MAX_CONNECTIONS } from '../../core/memory/table-options.ts';
import { type JudgedOptions, type ReportOptions, withText, reportAs } from './bench-outcome.ts';
import { withJsonFile, withReports } from './bench-options.ts';
import { VOID_STATUS } from './bench-workload-commands.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber, wholeNumbers } from '../options/option-parsers.ts';
import {
  batchOption,
  bucketsOption,
  engineList,
  Group,
  runsOption,
  waitQuietOption,
} from '../options/shared-options.ts';

function profileList(): string {
  return RATE_PROFILE_NAMES.map((name) => `  ${name.padEnd(8)}${PROFILES[name].description}`).join('\n');
}

async function runRate(
  names: RateProfileName[],
  options: RateBenchOptions & ReportOptions,
  command: Command,
): Promise<void> {
  if (options.quick && command.getOptionValueSource('seconds') === 'cli') {
    throw new UsageError('--quick has trials of its own length: leave out --seconds');
  }
  const profiles = names.length === 0 ? RATE_PROFILE_NAMES : [...new Set(names)];
  await reportAs(options, () => benchRate(profiles, options), rateText);
}

export function addRate(bench: Command): void {
  const command = describe(
    bench.command('rate'),
    'Search for the highest packet rate without loss, and measure latency at 10, 50 and 90 % of it',
    'Each packet has a due time, and its latency is the time from then to its verdict. A packet that waits for a slow one counts ' +
      'its waiting time.',
    `Profiles:\n${profileList()}`,
  )
    .addArgument(
      bench.createArgument('[profiles...]', 'Profiles to measure').choices(RATE_PROFILE_NAMES).default([], 'all'),
    )
    .optionsGroup(Group.workload)
    .addOption(
      new Option('--threads <list>', 'Numbers of PMDs to measure, separated by commas')
        .argParser(wholeNumbers(1, 64))
        .default([1]),
    )
    .addOption(
      new Option('--connections <list>', 'Numbers of flows in the table, separated by commas')
        .argParser(wholeNumbers(100, MAX_CONNECTIONS))
        .default(undefined, 'those of the profile, 1 million'),
    )
    .addOption(
      new Option(
        '--rate <packets>',
        'Offer this many packets a second, all PMDs together, and do not search',
      ).argParser(wholeNumber(100, 200_000_000)),
    )
    .addOption(
      new Option('--ring <packets>', 'Packets that may wait for a PMD. Further ones are dropped')
        .argParser(wholeNumber(32, 65_536))
        .default(4096),
    )
    .addOption(batchOption())
    .optionsGroup(Group.table)
    .addOption(bucketsOption())
    .addOption(engineList())
    .optionsGroup(Group.measurement)
    .addOption(new Option('--seconds <seconds>', 'Time of each trial').argParser(wholeNumber(1, 600)).default(2))
    .addOption(runsOption(1))
    .addOption(waitQuietOption())
    .option('--quick', 'Only show that everything works, in short trials. The figures mean nothing', false);
  withReports(command).action(runRate);
  endHelp(command, {
    examples: ['bench rate mobile --json mobile.json', 'bench rate zipf --connections 65536,1000000 --threads 1,2'],
    exitStatus: VOID_STATUS,
  });
}

export function addTable(bench: Command): void {
  const command = describe(
    bench.command('table'),
    'Print insertion times on this machine beside those that a review on ovs-dev published in January 2022',
    'With --command another program does the same work in turn, for example one that calls the library of Open vSwitch. The help of ' +
      'bench peer says what it must print.',
  )
    .optionsGroup(Group.input)
    .addOption(new Option('--command <command>', 'Command line of another program'))
    .addOption(new Option('--name <name>', 'Name of that program').default(undefined, 'the name of its file'))
    .optionsGroup(Group.workload)
    .addOption(
      new Option('--threads <list>', 'Numbers of threads to measure, separated by commas')
        .argParser(wholeNumbers(1, 64))
        .default([1, 2, 3, 4]),
    )
    .addOption(
      new Option('--connections <connections>', 'Connections of each thread')
        .argParser(wholeNumber(1000, MAX_CONNECTIONS))
        .default(1_000_000),
    )
    .addOption(batchOption())
    .optionsGroup(Group.table)
    .addOption(bucketsOption())
    .addOption(engineList().default(['baseline', 'ct-scale', 'ct-bucket'] satisfies EngineName[]))
    .optionsGroup(Group.measurement)
    .addOption(runsOption(5))
    .addOption(waitQuietOption());
  withJsonFile(command).action((options: ReviewTableOptions & JudgedOptions) => {
    if (options.command === undefined && options.name !== undefined) {
      throw new UsageError('--name is the name of the program in --command: give both');
    }
    return withText(
      options,
      () => measureReviewTable(options),
      (results) => reviewTableText(results, options),
    );
  });
  endHelp(command, {
    examples: ['bench table', "bench table --command './peer {workload} {threads} {connections} {window}'"],
    exitStatus: VOID_STATUS,
  });
}

/** Options that several commands of `bench` have. */

import { type Command, Option } from 'commander';
import { FIRST_EMPTY_ZONE } from '../../../bench/workloads/zone-variants.ts';
import { wholeNumber, wholeNumbers } from '../options/option-parsers.ts';
import {
  batchOption,
  bucketsOption,
  connectionsOption,
  Group,
  runsOption,
  waitQuietOption,
} from '../options/shared-options.ts';

const MOST_ZONES = FIRST_EMPTY_ZONE - 1;
const RESULTS_FILE = 'Write the results and raw samples as JSON';

export function withJsonFile(command: Command): Command {
  return command.optionsGroup(Group.output).option('--json <file>', RESULTS_FILE);
}

export function withReports(command: Command): Command {
  return withJsonFile(command)
    .option('--csv <file>', 'Write every sample as a row of CSV')
    .option('--markdown <file>', 'Write the tables as Markdown')
    .option('--html <file>', 'Write a page with tables and plots');
}

/** The number of zones, for workloads whose variants are numbers of zones. */
export function zonesOption(what: 'one number' | 'a list', presets: readonly string[]): Option {
  return what === 'one number'
    ? new Option('--zones <zones>', 'Zones of each thread. It has its share of the connections in each of them')
        .argParser((text) => [wholeNumber(1, MOST_ZONES)(text)])
        .default(presets.map(Number), presets.join(', '))
    : new Option('--zones <list>', 'Numbers of zones, separated by commas. Each is measured on its own')
        .argParser(wholeNumbers(1, MOST_ZONES))
        .default(presets.map(Number), presets.join(', '));
}

/** Options of a measurement with several numbers of threads. */
export function withShape(command: Command, defaults: { connections: number; runs: number }): Command {
  return command
    .optionsGroup(Group.workload)
    .addOption(
      new Option('--threads <list>', 'Numbers of threads to measure, separated by commas')
        .argParser(wholeNumbers(1, 64))
        .default([1, 2]),
    )
    .addOption(connectionsOption(defaults.connections))
    .addOption(batchOption())
    .optionsGroup(Group.table)
    .addOption(bucketsOption())
    .optionsGroup(Group.measurement)
    .addOption(runsOption(defaults.runs))
    .addOption(waitQuietOption());
}

export function establishedOption(): Option {
  return new Option('--established <connections>', 'Established connections in the table')
    .argParser(wholeNumber(1, 3_000_000))
    .default(10_000);
}

export function fullTableOption(preset: number): Option {
  return new Option('--table <connections>', 'Capacity of the table that gets full, in connections')
    .argParser(wholeNumber(100, 3_000_000))
    .default(preset);
}

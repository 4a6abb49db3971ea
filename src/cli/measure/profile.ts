/** `ct-bucket profile`: its options and help. */

import { type Command, Option } from 'commander';
import { COLUMNS, DEFAULT_COLUMNS } from '../../../bench/profile/analysis.ts';
import { DEFAULT_SAMPLE_EVERY } from '../../../bench/profile/run.ts';
import { WORKLOAD_NAMES } from '../../../bench/workloads/registry.ts';
import { withHelpOfDefault } from '../options/default-help.ts';
import { describe, endHelp, holdsCommands } from '../options/help-style.ts';
import { oneOfEach, wholeNumber } from '../options/option-parsers.ts';
import type { ProfileCommandOptions } from './profile-run.ts';
import {
  batchOption,
  bucketsOption,
  connectionsOption,
  engineOption,
  Group,
  threadsOption,
  waitQuietOption,
  windowOption,
} from '../options/shared-options.ts';

function withWorkload(command: Command): Command {
  return command
    .optionsGroup(Group.workload)
    .addOption(threadsOption(2, 'Threads that work on the table'))
    .addOption(connectionsOption(300_000))
    .option('--variant <name>', 'Variant of the workload, if it has several')
    .addOption(windowOption())
    .addOption(batchOption())
    .optionsGroup(Group.table)
    .addOption(engineOption())
    .addOption(bucketsOption());
}

function withFiles(command: Command): Command {
  return command
    .optionsGroup(Group.output)
    .option('--top <rows>', 'Most rows of a table', wholeNumber(1, 1000), 10)
    .addOption(
      new Option('--columns <list>', `Columns, separated by commas: ${Object.keys(COLUMNS).join(', ')}`)
        .argParser(oneOfEach(Object.keys(COLUMNS)))
        .default([...DEFAULT_COLUMNS], DEFAULT_COLUMNS.join(', ')),
    )
    .option('--json <file>', 'Write the whole profile as JSON, for profile diff')
    .option('--markdown <file>', 'Write the tables as Markdown')
    .option(
      '--html <file>',
      'Write a page with a heat map of the buckets, histograms, and which thread waited for which',
    )
    .option('--speedscope <file>', 'Write the waits for speedscope.app')
    .option('--pprof <file>', 'Write the waits for `go tool pprof`, compressed with gzip');
}

function addProfileRun(profile: Command): void {
  const command = describe(
    profile.command('run', { isDefault: true }),
    'Run a workload or a capture with the lock profiler on',
    `Workloads are those of bench: ${WORKLOAD_NAMES.join(', ')}.`,
    'Every wait is timed. Of the acquisitions, one in --sample is recorded and its hold timed. It counts for all since ' +
      'the last one. Times are wall-clock times. A hold includes about 50 ns for reading the clock.',
  ).argument('<workload-or-capture>', 'Name of a workload, or capture file');
  withFiles(
    withWorkload(command)
      .optionsGroup(Group.measurement)
      .option(
        '--sample <acquisitions>',
        'Time one in this many acquisitions of a lock',
        wholeNumber(1, 1_000_000),
        DEFAULT_SAMPLE_EVERY,
      )
      .option('--runs <pairs>', 'Pairs of runs, one with the profiler and one without', wholeNumber(1, 100), 3)
      .addOption(waitQuietOption()),
  ).action(async (what: string, options: ProfileCommandOptions, of: Command) => {
    const { runProfile } = await import('./profile-run.ts');
    return runProfile(what, options, of);
  });
  endHelp(command, {
    examples: ['profile insert --threads 2 --engine baseline --html profile.html', 'profile capture.pcap --threads 2'],
    exitStatus: '0 measured, 1 a run was invalid, 2 error',
  });
}

/** Adds the command to the program. */
export function addProfile(program: Command): void {
  const profile = holdsCommands(
    describe(program.command('profile'), 'Show where threads wait for locks: by lock, site, thread and bucket'),
  );
  addProfileRun(profile);
  const diff = describe(profile.command('diff'), 'Compare two profiles and print what changed at each site')
    .argument('<before>', 'Profile written with --json')
    .argument('<after>', 'Profile written with --json')
    .action(async (before: string, after: string) => {
      const { printDifference } = await import('./profile-run.ts');
      printDifference(before, after);
    });
  endHelp(diff, { examples: ['profile diff before.json after.json'] });
  endHelp(withHelpOfDefault(profile), {
    examples: ['profile insert --threads 2', 'profile diff before.json after.json'],
  });
}

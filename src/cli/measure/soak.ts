/** `ct-bucket soak`: see bench/soak/. */

import { type Command, InvalidArgumentError } from 'commander';
import { runSoak } from '../../../bench/soak/launch.ts';
import type { SoakOptions } from '../../../bench/soak/options.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import { Group, threadsOption, waitQuietOption } from '../options/shared-options.ts';

const MOST_MINUTES = 100_000;

function minutes(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > MOST_MINUTES) {
    throw new InvalidArgumentError(`It must be a number of minutes above 0, up to ${MOST_MINUTES}.`);
  }
  return value;
}

/** Adds the command to the program. */
export function addSoak(program: Command): void {
  const command = describe(
    program.command('soak'),
    'Run everything together for a long time and check all invariants',
    'One table gets connections through NAT, floods, fragments, FTP, malformed packets, changing limits, dumps, flushes ' +
      'and readers of events. At the end of each interval, all threads stop while every connection, record, index line ' +
      'and lock is checked. Ctrl-C ends the soak with the verdict so far.',
  )
    .optionsGroup(Group.workload)
    .option('--minutes <minutes>', 'Duration', minutes, 60)
    .option('--connections <connections>', 'Connections active at any time', wholeNumber(100, 1_000_000), 20_000)
    .addOption(threadsOption(2))
    .option('--kills <workers>', 'Worker threads to terminate in each minute', wholeNumber(0, 600), 0)
    .option('--seed <number>', 'Seed of all random choices', wholeNumber(0, 0xffffffff), 1)
    .optionsGroup(Group.measurement)
    .addOption(waitQuietOption())
    .optionsGroup(Group.output)
    .option('--interval <seconds>', 'Time between two checks, each of which prints a line', wholeNumber(1, 3600), 10)
    .option('--json <file>', 'Write a line of JSON for each interval, and one for the verdict')
    .action(async (options: SoakOptions) => {
      process.exitCode = await runSoak(options);
    });
  endHelp(command, {
    examples: ['soak --minutes 60 --json soak.jsonl'],
    exitStatus: '0 all invariants held, 1 one was violated, or memory grew, 2 error',
  });
}

/** `ct-bucket soak`: see bench/soak/. */

import { type Command, InvalidArgumentError } from 'commander';
import { runSoak } from '../../bench/soak/launch.ts';
import type { SoakOptions } from '../../bench/soak/options.ts';
import { wholeNumber } from './option-parsers.ts';

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
  program
    .command('soak')
    .description(
      'everything together for as long as you like: churn through NAT on PMDs and sweeper, floods, fragments, FTP, malformed ' +
        'packets, changing limits, dumps, flushes, events, and at the end of each interval a look at all books\n\n' +
        'Exit code 0: nothing lost, nothing grew, the books balance; 1: not so. Ctrl-C ends it with the verdict so far.',
    )
    .option('--minutes <n>', 'how long', minutes, 60)
    .option('--seed <n>', 'of everything that is drawn', wholeNumber(0, 0xffffffff), 1)
    .option('--threads <n>', 'PMD threads', wholeNumber(1, 64), 2)
    .option('--connections <n>', 'connections that talk at any time', wholeNumber(100, 1_000_000), 20_000)
    .option('--interval <s>', 'seconds between two lines', wholeNumber(1, 3600), 10)
    .option('--kills <n>', 'workers that are terminated in a minute', wholeNumber(0, 600), 0)
    .option('--json <file>', 'write a line of JSON for each interval, and one with the verdict')
    .action(async (options: SoakOptions) => {
      process.exitCode = await runSoak(options);
    });
}

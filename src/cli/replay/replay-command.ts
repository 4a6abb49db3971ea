/** `ct-bucket replay`: its options and help. */

import { type Command, Option } from 'commander';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import type { ReplayOptions } from './replay.ts';
import {
  bucketsOption,
  checksumsOption,
  engineOption,
  Group,
  threadsOption,
  withTracking,
} from '../options/shared-options.ts';

/** --format changes defaults of other options. So options that were not given stay undefined here. */
type GivenOptions = Pick<ReplayOptions, 'format' | 'events' | 'timestamps'> & Partial<ReplayOptions>;

const DEFAULTS = { threads: 1, engine: 'ct-bucket', zone: 0, commit: true, buckets: 1024 } as const;

async function runReplay(file: string, given: GivenOptions): Promise<void> {
  const isStates = given.format === 'states';
  const { replay } = await import('./replay.ts');
  process.exitCode = await replay(file, {
    ...DEFAULTS,
    batch: isStates ? 1 : 32,
    clock: isStates ? 'frozen' : 'capture',
    ...given,
  });
}

function withOutput(command: Command): Command {
  return command
    .optionsGroup(Group.output)
    .addOption(
      new Option(
        '--format <format>',
        'Print totals for people (summary), totals as JSON (json), or one line per packet (states)',
      )
        .choices(['states', 'json', 'summary'])
        .default('summary'),
    )
    .option(
      '--events',
      'Print connection events instead, as conntrack -E does, in order of capture time. With --format json, print one ' +
        'object per line, with ids and reasons. With several threads, the order within a millisecond may differ between runs',
      false,
    )
    .option('--timestamps', 'With --events, print the time of each event', false)
    .option(
      '--late <file>',
      'Write the verdicts of held fragments: packet number, number of the packet that released it, verdict',
    )
    .addOption(new Option('--lock-profile <file>', 'Write lock records, for ct-bucket profile').hideHelp());
}

/** Adds the command to the program. */
export function addReplay(program: Command): void {
  const command = describe(
    program.command('replay'),
    'Track the packets of a capture file and report the verdicts',
    'The file is pcap or pcapng, plain or compressed with gzip or zstd.',
  )
    .argument('<file>', 'Capture file, or - for standard input')
    .optionsGroup(Group.input)
    .addOption(
      new Option('--clock <clock>', 'Take the time from the packets (capture), or let it stand still (frozen)')
        .choices(['capture', 'frozen'])
        .default(undefined, 'frozen with --format states, else capture'),
    )
    .addOption(checksumsOption());
  withTracking(command)
    .optionsGroup(Group.table)
    .addOption(engineOption())
    .addOption(bucketsOption())
    .optionsGroup(Group.threads)
    .addOption(threadsOption(1))
    .addOption(
      new Option('--batch <packets>', 'Largest batch, in packets')
        .argParser(wholeNumber(1, 32))
        .default(undefined, '1 with --format states, else 32'),
    );
  endHelp(withOutput(command), {
    examples: ['replay capture.pcap', 'replay capture.pcap.gz --format states --zone 7'],
  }).action(runReplay);
}

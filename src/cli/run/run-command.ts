/** `ct-bucket run`: its options and help. */

import { type Command, Option } from 'commander';
import { MAX_CONNECTIONS } from '../../core/memory/table-options.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import type { RunOptions } from './run.ts';
import {
  batchOption,
  bucketsOption,
  checksumsOption,
  engineOption,
  Group,
  socketOption,
  threadsOption,
  withTracking,
} from '../options/shared-options.ts';

function withInput(command: Command): Command {
  return command
    .optionsGroup(Group.input)
    .addOption(
      new Option(
        '--clock <clock>',
        'Take the time from the packets, never backwards (capture), or from the system as each packet is read (wall). ' +
          'The sweeper uses the same clock',
      )
        .choices(['capture', 'wall'])
        .default(undefined, 'capture for a file, wall for -'),
    )
    .addOption(checksumsOption())
    .option(
      '--loop [rounds]',
      'Read the file again when it ends, this many rounds in all, or without end if no number is given. Each round is ' +
        'later in time',
      wholeNumber(1, 0x7fffffff),
    )
    .option('--rate <packets/s>', 'Read the file no faster than this', wholeNumber(1, 1_000_000_000))
    .addOption(
      new Option('--at-end <action>', 'After the last packet, stay and serve ctl, or exit')
        .choices(['stay', 'exit'])
        .default(undefined, 'stay for a file, exit for -'),
    );
}

function withTable(command: Command): Command {
  return command
    .optionsGroup(Group.table)
    .addOption(
      new Option('--max-connections <connections>', 'Capacity of the table, in connections')
        .argParser(wholeNumber(1, MAX_CONNECTIONS))
        .default(undefined, '3000000'),
    )
    .addOption(
      new Option(
        '--table-full <policy>',
        'When the table is full, refuse new connections (refuse), or evict one that never saw a reply (early-drop)',
      )
        .choices(['refuse', 'early-drop'])
        .default('refuse'),
    )
    .addOption(engineOption())
    .addOption(bucketsOption());
}

function withThreads(command: Command): Command {
  return command
    .optionsGroup(Group.threads)
    .addOption(threadsOption(1))
    .addOption(batchOption())
    .addOption(
      new Option(
        '--steering <mode>',
        'Choose the PMD of a packet by its flow, or by its addresses. Addresses keep fragments in order with the other ' +
          'packets of their flow',
      )
        .choices(['flow', 'addresses'])
        .default('flow'),
    )
    .addOption(
      new Option('--hung <action>', 'Report a worker that hangs, or also terminate and restart it')
        .choices(['report', 'terminate'])
        .default('report'),
    )
    .addOption(
      new Option(
        '--restarts <restarts>',
        'Restarts of one worker in a row, without progress between them, before the run fails',
      )
        .argParser(wholeNumber(0, 1_000_000))
        .default(undefined, '100'),
    );
}

/** Adds the command to the program. */
export function addRun(program: Command): void {
  const command = describe(
    program.command('run'),
    'Track a capture file or live packets until stopped, and serve ctl',
    'SIGINT, SIGTERM or SIGHUP stops it. A file is read no faster than the PMDs work. In a live capture, packets are dropped ' +
      'when the ring of their PMD is full. Waits and drops are counted.',
  )
    .usage('[options] <file>\n       tcpdump -i eth0 -U -w - | ct-bucket run [options] -')
    .argument('<file>', 'Capture file (pcap or pcapng), or - for standard input');
  withThreads(withTable(withTracking(withInput(command))))
    .optionsGroup(Group.output)
    .option('--stats-interval <seconds>', 'Print a line of progress at this interval', wholeNumber(1, 86_400))
    .option('--json', 'Print progress and totals as JSON, one object per line', false)
    .optionsGroup(Group.control)
    .addOption(socketOption())
    .action(async (file: string, options: RunOptions) => {
      const { run } = await import('./run.ts');
      process.exitCode = await run(file, options);
    });
  endHelp(command, {
    examples: ['run capture.pcap --loop --threads 2', 'tcpdump -i eth0 -U -w - | ct-bucket run -'],
    exitStatus: '0 stopped or finished, 1 a thread failed, 2 error',
  });
}

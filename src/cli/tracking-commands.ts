/** The program `ct-bucket` with the commands that track packets, or talk to one that does: replay, run, ctl, verify. */

import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { ENGINES } from '../core/engines/engine.ts';
import { onOneLine } from '../core/errors.ts';
import { commandList } from '../workers/control/commands.ts';
import { defaultSocketPath } from '../workers/control/socket-path.ts';
import { ctl } from './ctl.ts';
import { powerOfTwo, wholeNumber } from './option-parsers.ts';
import { replay, type ReplayOptions } from './replay.ts';
import { run, type RunOptions } from './run.ts';
import type { VerifyOptions } from './verify.ts';

function packageVersion(): string {
  for (const up of ['../..', '../../..', '../../../..']) {
    try {
      const text = readFileSync(new URL(`${up}/package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      /* Compiled, this file lies one or two folders deeper. */
    }
  }
  return 'unknown';
}

/** Fresh for each command that has it. */
function engineOption(): Option {
  return new Option(
    '--engine <engine>',
    "the table: ours, or one of those that it is measured against (one table under a global lock, with the baseline's " +
      "expiration lists or ct-scale's queues)",
  )
    .choices([...ENGINES])
    .default('ct-bucket');
}

const SOCKET_HELP = `path of the control socket (default: ${defaultSocketPath()})`;

/** The program with these commands alone, afresh and without the rules of options (option-rules.ts). */
export function makeTrackingProgram(): Command {
  const program = new Command('ct-bucket')
    .description("A userspace connection tracker on a bucket table in shared memory, with Open vSwitch's semantics.")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      outputError: (text, write) =>
        write(
          `ct-bucket: ${onOneLine(
            text
              .replace(/^error: /, '')
              .trimEnd()
              .replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?'),
          )}\n`,
        ),
    });

  program
    .command('replay')
    .description('track the packets of a capture file (pcap or pcapng, also .gz) and report the verdicts')
    .argument('<file>', 'capture file, or - for standard input')
    .option('--threads <n>', 'PMD threads', wholeNumber(1, 64), 1)
    .addOption(engineOption())
    .option('--batch <n>', 'largest batch of a PMD (default: 1 with --format states, else 32)', wholeNumber(1, 32))
    .option('--zone <z>', 'conntrack zone of all packets', wholeNumber(0, 65535), 0)
    .option('--no-commit', 'do not create connections')
    .addOption(
      new Option(
        '--clock <clock>',
        'time: that of the capture, or standing still (default: frozen with --format states, else capture)',
      ).choices(['capture', 'frozen']),
    )
    .option('--late <file>', 'write verdicts of held fragments: packet number, number of the releasing packet, verdict')
    .addOption(
      new Option(
        '--checksums <mode>',
        'verify, or trust: what a host sends is captured before its interface writes the checksums ' +
          '(default: verify for a file, trust for -)',
      ).choices(['verify', 'trust']),
    )
    .addOption(
      new Option('--format <format>', 'states: one line per packet; json, summary: totals')
        .choices(['states', 'json', 'summary'])
        .default('summary'),
    )
    .option(
      '--events',
      'print what happens to connections, as conntrack -E does (with --format json: as JSON, with ids and reasons), in ' +
        'order of capture time; with one thread the same in every run, with more those of one millisecond in the order ' +
        'in which the threads came to them',
      false,
    )
    .option('--timestamps', 'with --events: the time of each', false)
    .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
    .addOption(new Option('--lock-profile <file>', 'for the command profile').hideHelp())
    .action(
      async (file: string, given: Pick<ReplayOptions, 'format' | 'events' | 'timestamps'> & Partial<ReplayOptions>) => {
        const isStates = given.format === 'states';
        const defaults = {
          threads: 1,
          engine: 'ct-bucket' as const,
          zone: 0,
          commit: true,
          batch: isStates ? 1 : 32,
          buckets: 1024,
        };
        process.exitCode = await replay(file, { ...defaults, clock: isStates ? 'frozen' : 'capture', ...given });
      },
    );

  program
    .command('run')
    .description(
      'track a capture file, or a live capture from standard input, until stopped (SIGINT, SIGTERM), and answer ' +
        '`ct-bucket ctl` meanwhile\n\n' +
        'A file waits where a PMD is behind; a live capture loses what does not fit into its ring. Both are counted.',
    )
    .usage('[options] <file>\n       tcpdump -i eth0 -U -w - | ct-bucket run [options] -')
    .argument('<file>', 'capture file (pcap or pcapng), or - for standard input')
    .option('--threads <n>', 'PMD threads', wholeNumber(1, 64), 1)
    .addOption(engineOption())
    .option('--batch <n>', 'largest batch of a PMD', wholeNumber(1, 32), 32)
    .option('--zone <z>', 'conntrack zone of all packets', wholeNumber(0, 65535), 0)
    .option('--no-commit', 'do not create connections')
    .option(
      '--max-connections <n>',
      'capacity of the table, in connections (default: 3000000)',
      wholeNumber(1, 7_000_000),
    )
    .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
    .addOption(
      new Option('--table-full <what>', 'refuse new connections, or early-drop: evict one that never saw a reply')
        .choices(['refuse', 'early-drop'])
        .default('refuse'),
    )
    .addOption(
      new Option(
        '--clock <clock>',
        'capture: time is that of the packets, never runs backwards, and stands still after the last one; wall: packets ' +
          'have the time at which they are read. The sweeper goes by the same (default: capture for a file, wall for -)',
      ).choices(['capture', 'wall']),
    )
    .addOption(
      new Option(
        '--checksums <what>',
        'verify, or trust: what a host sends is captured before its interface writes the checksums ' +
          '(default: verify for a file, trust for -)',
      ).choices(['verify', 'trust']),
    )
    .addOption(
      new Option(
        '--steering <what>',
        'what chooses the PMD of a packet; with addresses, fragments stay in order with the other packets of their flow',
      )
        .choices(['flow', 'addresses'])
        .default('flow'),
    )
    .option(
      '--loop [rounds]',
      'begin the file again when it ends, each round later in time (default: without end)',
      wholeNumber(1, 0x7fffffff),
    )
    .option('--rate <pps>', 'packets of the file per second at most', wholeNumber(1, 1_000_000_000))
    .addOption(
      new Option(
        '--at-end <what>',
        'after the last packet: stay and answer, or exit (default: stay for a file, exit for -)',
      ).choices(['stay', 'exit']),
    )
    .option(
      '--restarts <n>',
      'deaths in a row of one worker, without anything done in between, before the run fails (default: 100)',
      wholeNumber(0, 1_000_000),
    )
    .addOption(
      new Option('--hung <what>', 'a worker that hangs: report it only, or terminate it, too, and start it again')
        .choices(['report', 'terminate'])
        .default('report'),
    )
    .option('--socket <path>', SOCKET_HELP)
    .option('--stats-interval <seconds>', 'print a line of progress at this interval', wholeNumber(1, 86_400))
    .option('--json', 'progress and totals as JSON, one object a line', false)
    .action(async (file: string, options: RunOptions) => {
      process.exitCode = await run(file, options);
    });

  program
    .command('ctl')
    .description("ask or steer a running `ct-bucket run`; the commands are named as Open vSwitch's dpctl names them")
    .argument('<command>', 'one of those below')
    .argument('[args...]', 'its arguments')
    .option('-m, --more', 'tell everything there is to tell', false)
    .option('-s, --statistics', 'with timeouts', false)
    .option('--json', 'answer in JSON', false)
    .option('--socket <path>', SOCKET_HELP)
    .addHelpText(
      'after',
      () =>
        `\nCommands:\n${commandList()
          .map((line) => `  ${line}`)
          .join('\n')}`,
    )
    .action(
      async (
        command: string,
        args: string[],
        options: { more: boolean; statistics: boolean; json: boolean; socket?: string },
      ) => {
        const { more, statistics, json } = options;
        process.exitCode = await ctl({ command, args, more, statistics, json }, options);
      },
    );

  program
    .command('verify')
    .description('run scenario files (JSON Lines) and compare every answer with the recorded one')
    .argument('<files...>', 'scenario files, or - for standard input')
    .addOption(
      new Option('--reclaim <mode>', 'who removes stale entries; recorded counts are those of sweep')
        .choices(['sweep', 'lookup-and-sweep'])
        .default('sweep'),
    )
    .addOption(engineOption())
    .option('--json', 'counts per file as JSON', false)
    .action(async (files: string[], options: VerifyOptions) => {
      /* It reads files by schemas: no other command waits for these to be loaded. */
      const { verify } = await import('./verify.ts');
      process.exitCode = await verify(files, options);
    });

  return program;
}

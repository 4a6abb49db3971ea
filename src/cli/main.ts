#!/usr/bin/env node
/** The command `ct-bucket`. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../core/errors.ts';
import { BENCHMARKS, runBench } from './bench.ts';
import { ExitCode } from './exit-code.ts';
import { replay, type ReplayOptions } from './replay.ts';
import { verify, type VerifyOptions } from './verify.ts';

/** A parser of whole numbers within a range, for commander. */
function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

function powerOfTwo(max: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(1, max)(text);
    if ((value & (value - 1)) !== 0) {
      throw new InvalidArgumentError('It must be a power of two.');
    }
    return value;
  };
}

/** A parser of comma-separated whole numbers. */
function wholeNumbers(min: number, max: number): (text: string) => number[] {
  return (text) => text.split(',').map(wholeNumber(min, max));
}

function packageVersion(): string {
  for (const up of ['../..', '../../..']) {
    try {
      const text = readFileSync(new URL(`${up}/package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      /* One level higher: compiled, this file lies one folder deeper. */
    }
  }
  return 'unknown';
}

const program = new Command('ct-bucket')
  .description("A userspace connection tracker on a bucket table in shared memory, with Open vSwitch's semantics.")
  .version(packageVersion())
  .exitOverride()
  .showSuggestionAfterError(false)
  .configureOutput({ outputError: (text, write) => write(`ct-bucket: ${text.replace(/^error: /, '')}`) });

program
  .command('replay')
  .description('track the packets of a capture file (pcap or pcapng) and report the verdicts')
  .argument('<file>', 'capture file, or - for standard input')
  .option('--threads <n>', 'PMD threads', wholeNumber(1, 64), 1)
  .option('--batch <n>', 'largest batch of a PMD (default: 1 with --format states, else 32)', wholeNumber(1, 32))
  .option('--zone <z>', 'conntrack zone of all packets', wholeNumber(0, 65535), 0)
  .option('--no-commit', 'do not create connections')
  .addOption(
    new Option(
      '--clock <clock>',
      'time: that of the capture, or standing still (default: frozen with --format states, else capture)',
    ).choices(['capture', 'frozen']),
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
  .action(
    async (file: string, given: Pick<ReplayOptions, 'format' | 'events' | 'timestamps'> & Partial<ReplayOptions>) => {
      const isStates = given.format === 'states';
      const defaults = { threads: 1, zone: 0, commit: true, batch: isStates ? 1 : 32 };
      process.exitCode = await replay(file, { ...defaults, clock: isStates ? 'frozen' : 'capture', ...given });
    },
  );

program
  .command('verify')
  .description('run scenario files (JSON Lines) and compare every answer with the recorded one')
  .argument('<files...>', 'scenario files')
  .addOption(
    new Option('--reclaim <mode>', 'who removes stale entries; recorded counts are those of sweep')
      .choices(['sweep', 'lookup-and-sweep'])
      .default('sweep'),
  )
  .option('--json', 'counts per file as JSON', false)
  .action((files: string[], options: VerifyOptions) => {
    process.exitCode = verify(files, options);
  });

program
  .command('bench')
  .description(
    'measure\n\n' +
      'insert  how long it takes to insert connections and to look them up again\n' +
      'flood   what established traffic of one PMD suffers from a flood on the other, into a full table',
  )
  .addArgument(
    program
      .createArgument('[name]', 'what to measure')
      .choices([...BENCHMARKS])
      .default('insert'),
  )
  .option('--threads <list>', 'insert: numbers of threads, separated by commas', wholeNumbers(1, 64), [1, 2])
  .option('--connections <n>', 'connections in all; flood: of the flood', wholeNumber(1000, 7_000_000), 1_000_000)
  .option('--runs <n>', 'runs of each, in turn, each in a fresh process', wholeNumber(1, 1000), 5)
  .option('--batch <n>', 'packets of a batch', wholeNumber(1, 32), 32)
  .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
  .option('--table <n>', 'flood: connections of the full table', wholeNumber(100, 3_000_000), 100_000)
  .option('--established <n>', 'flood: how many of these are established', wholeNumber(1, 3_000_000), 10_000)
  .option('--json <file>', 'write results and raw samples to a file')
  .action(async (name: (typeof BENCHMARKS)[number], options: Parameters<typeof runBench>[1]) => {
    process.exitCode = await runBench(name, options);
  });

/* Whoever reads our output may have seen enough (`| head`). */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') {
    throw error;
  }
  process.exit(ExitCode.ok);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    /* Commander has printed what was wrong, or the help that was asked for. */
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  } else if (error instanceof UsageError) {
    console.error(`ct-bucket: ${error.message}`);
    process.exitCode = ExitCode.usage;
  } else {
    throw error;
  }
}

/** Options that several commands share, and the headings of `--help`. Each call makes a new option. */

import { type Command, Option } from 'commander';
import { ENGINES } from '../../core/engines/engine.ts';
import { MAX_CONNECTIONS } from '../../core/memory/table-options.ts';
import { defaultSocketPath } from '../../workers/control/socket-path.ts';
import { duration, oneOfEach, powerOfTwo, wholeNumber } from './option-parsers.ts';

/** Headings of options, in the order in which help shows them. */
export const Group = {
  input: 'Input:',
  tracking: 'Tracking:',
  workload: 'Workload:',
  table: 'Table:',
  threads: 'Threads:',
  measurement: 'Measurement:',
  output: 'Output:',
  control: 'Control:',
} as const;

export function engineOption(): Option {
  return new Option(
    '--engine <engine>',
    'Table implementation: ct-bucket, or one of the engines it is compared with. These have one table under a global ' +
      'lock, with expiration lists (baseline) or queues (ct-scale); ct-bucket with a timer wheel ' +
      '(wheel); a map and a lock for each zone (zones); or a table for each PMD, to which packets are steered (shards)',
  )
    .choices([...ENGINES])
    .default('ct-bucket');
}

export function engineList(): Option {
  return new Option('--engine <list>', `Table implementations, separated by commas: ${ENGINES.join(', ')}`)
    .argParser(oneOfEach(ENGINES))
    .default(['ct-bucket']);
}

export function bucketsOption(): Option {
  return new Option('--buckets <buckets>', 'Buckets of the table, a power of two')
    .argParser(powerOfTwo(65536))
    .default(1024);
}

export function threadsOption(preset: number, name = 'Threads that process packets (PMDs)'): Option {
  return new Option('--threads <threads>', name).argParser(wholeNumber(1, 64)).default(preset);
}

export function batchOption(): Option {
  return new Option('--batch <packets>', 'Largest batch, in packets').argParser(wholeNumber(1, 32)).default(32);
}

export function connectionsOption(preset: number, most = MAX_CONNECTIONS): Option {
  return new Option('--connections <connections>', 'Connections of all threads together')
    .argParser(wholeNumber(1000, most))
    .default(preset);
}

export function runsOption(preset: number): Option {
  return new Option('--runs <runs>', 'Runs of each measurement, in turn, each in a fresh process')
    .argParser(wholeNumber(1, 1000))
    .default(preset);
}

export function waitQuietOption(): Option {
  return new Option(
    '--wait-quiet <time>',
    'Wait until the machine is quiet, but at most this long (30s, 5m, 1h). Then measure in any case',
  ).argParser(duration('24h'));
}

/** For workloads with interleaved connections (`Workload.hasWindow`). */
export function windowOption(): Option {
  return new Option('--window <connections>', 'Connections that each thread serves in rotation')
    .argParser(wholeNumber(1, MAX_CONNECTIONS))
    .default(undefined, 'all, so that connections are rarely in the cache');
}

export function checksumsOption(): Option {
  return new Option(
    '--checksums <mode>',
    'Verify checksums, or trust them. Packets captured on the host that sends them have no checksums yet',
  )
    .choices(['verify', 'trust'])
    .default(undefined, 'verify for a file, trust for -');
}

/** Adds --zone and --no-commit. */
export function withTracking(command: Command): Command {
  return command
    .optionsGroup(Group.tracking)
    .option('--zone <zone>', 'Conntrack zone in which all packets are tracked', wholeNumber(0, 65535), 0)
    .option('--no-commit', 'Do not create connections');
}

export function socketOption(): Option {
  return new Option('--socket <path>', 'Path of the control socket').default(undefined, defaultSocketPath());
}

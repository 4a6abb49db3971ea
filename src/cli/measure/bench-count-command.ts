/** `ct-bucket bench count`. */

import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { COUNTED_WORKS, CONNECTIONS } from '../../../bench/count/cases.ts';
import { countsCsv, printCounts } from '../../../bench/count/count-table.ts';
import type { CountSampleOptions } from '../../../bench/count/count-options.ts';
import { readCounts } from '../../../bench/count/counts-file.ts';
import { hasValgrind } from '../../../bench/count/instructions.ts';
import { checkCounts, ownBuild, type ResultOfCount, resultsOf, updatedText } from '../../../bench/count/run.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../../../bench/workloads/registry.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { UsageError } from '../../core/errors.ts';
import { jsonText, withOutputFiles } from '../../host/output-files.ts';
import { ExitCode } from '../exit-code.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import { batchOption, bucketsOption, engineList, Group, windowOption } from '../options/shared-options.ts';
import { withJsonFile } from './bench-options.ts';
import { unlessVoid } from './bench-outcome.ts';
import { requireWindowOfUse } from './bench-workload-commands.ts';

/** With fewer connections, a line that a few batches touch would count as hot. */
const FEWEST_CONNECTIONS = 2048;
const MOST_CONNECTIONS = 200_000;

interface CountOptions {
  engine: EngineName[];
  connections: number;
  batch: number;
  buckets: number;
  window?: number;
  check?: string;
  update?: string;
  because?: string;
  instructions: boolean;
  json?: string;
  csv?: string;
}

/** Options of the work. Without a workload they have no meaning. */
const SHAPE = ['engine', 'connections', 'batch', 'buckets', 'window'] as const;

/** @throws UsageError if options contradict each other */
function expectConsistent(names: readonly WorkloadName[], options: CountOptions, command: Command): void {
  const { check, update, because, window } = options;
  if (check !== undefined && update !== undefined) {
    throw new UsageError('--check compares and --update writes: give one of them');
  }
  if (because !== undefined && update === undefined) {
    throw new UsageError('--because is the reason of an update: give --update FILE too');
  }
  const file = check === undefined ? update : check;
  if (names.length > 0 && file !== undefined) {
    throw new UsageError(`the counts of ${file} are of fixed workloads: name none with --check and --update`);
  }
  const shape = SHAPE.find((name) => names.length === 0 && command.getOptionValueSource(name) === 'cli');
  if (shape !== undefined) {
    throw new UsageError(
      `--${shape} needs a workload: without one, bench count counts the fixed workloads of ct-bucket.counts.json`,
    );
  }
  for (const name of names) {
    requireWindowOfUse(name, window);
  }
}

function worksFor(names: readonly WorkloadName[], options: CountOptions): readonly CountSampleOptions[] {
  const { engine: engines, connections, batch: batchSize, buckets, window } = options;
  if (names.length === 0) {
    return COUNTED_WORKS;
  }
  const rest = { connections, batchSize, buckets, ...(window === undefined ? {} : { window }) };
  return [...new Set(names)].flatMap((workload) =>
    workloadOf(workload).variants.flatMap((variant) =>
      engines.map((engine) => ({ workload, ...(variant === '' ? {} : { variant }), engine, ...rest })),
    ),
  );
}

async function conclude(options: CountOptions, results: readonly ResultOfCount[]): Promise<void> {
  const { check, update, because } = options;
  if (check !== undefined) {
    process.exitCode = checkCounts(check, readCounts(check), results) ? ExitCode.ok : ExitCode.checkFailed;
  } else if (update === undefined) {
    printCounts(results);
  } else {
    const text = updatedText(existsSync(update) ? readCounts(update) : undefined, results, because);
    await withOutputFiles({ update }, (outputs) => outputs.write({ update: () => text }));
  }
}

async function count(names: WorkloadName[], options: CountOptions, command: Command): Promise<void> {
  expectConsistent(names, options, command);
  const { check, update, json, csv } = options;
  if (check !== undefined || (update !== undefined && existsSync(update))) {
    readCounts((check ?? update)!);
  }
  await unlessVoid(() =>
    withOutputFiles({ json, csv }, async (outputs) => {
      const instructions = options.instructions && hasValgrind();
      const places = check === undefined && update === undefined;
      const works = worksFor(names, options).map((work) => (places ? { ...work, places } : work));
      const results = await resultsOf({ build: await ownBuild(), works, instructions });
      await conclude(options, results);
      if (options.instructions && !instructions) {
        console.log('Instructions are left out: valgrind is not installed');
      }
      outputs.write({ json: () => jsonText({ works: results }), csv: () => countsCsv(results) });
    }),
  );
}

export function addCount(bench: Command): void {
  const command = describe(
    bench.command('count'),
    'Count what the packet path does: operations on shared memory, cache lines, allocated bytes. No time is measured',
    'The counts are exact: every run of a build gives the same, also on a busy machine. The packets go through JavaScript, not ' +
      'through the packet module. It needs a clone of the repository.',
    'Without a workload, it counts the main workloads, those of ct-bucket.counts.json.',
  )
    .addArgument(
      bench.createArgument('[workloads...]', 'Workloads to count').choices(WORKLOAD_NAMES).default([], 'the main ones'),
    )
    .optionsGroup(Group.workload)
    .addOption(
      new Option('--connections <connections>', 'Connections')
        .argParser(wholeNumber(FEWEST_CONNECTIONS, MOST_CONNECTIONS))
        .default(CONNECTIONS),
    )
    .addOption(batchOption())
    .addOption(windowOption())
    .optionsGroup(Group.table)
    .addOption(engineList())
    .addOption(bucketsOption())
    .optionsGroup(Group.measurement)
    .option(
      '--instructions',
      'Also count instructions, if valgrind is installed. Each workload takes half a minute',
      false,
    )
    .option('--check <file>', 'Compare with the counts in this file, and print each counter that became worse')
    .option('--update <file>', 'Write the counts to this file, for --check')
    .option('--because <reason>', 'With --update: why counters became worse. The file keeps the reason');
  withJsonFile(command)
    .option('--csv <file>', 'Write a row of CSV for each counter')
    .action((names: WorkloadName[], options: CountOptions) => count(names, options, command));
  endHelp(command, {
    examples: [
      'bench count insert tcp-data --window 32',
      'bench count --check ct-bucket.counts.json',
      "bench count --update ct-bucket.counts.json --because 'A packet also counts its bytes'",
    ],
    exitStatus: '0 counted, and nothing became worse; 1 a counter became worse, or a run was invalid; 2 error',
  });
}

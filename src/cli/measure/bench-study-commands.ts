/** `ct-bucket bench`: aging, floods, attacks, NAT, studies of the design, and comparisons of results. */

import { type Command, Option } from 'commander';
import { benchAging } from '../../../bench/aging/aging.ts';
import { PROBE_ROOM } from '../../../bench/aging/aging-tasks.ts';
import { type AttackBenchOptions, runAttackBench } from '../../../bench/attacks/attack-bench.ts';
import { ATTACK_NAMES, type AttackName } from '../../../bench/attacks/registry.ts';
import { type FloodBenchOptions, runFloodBench } from '../../../bench/flood/flood.ts';
import type { WatchOptions } from '../../../bench/machine/watch.ts';
import { type NatBenchOptions, runNatBench } from '../../../bench/nat/nat.ts';
import { type CompareOptions, compareFiles } from '../../../bench/report/compare.ts';
import type { ReportFiles } from '../../../bench/report/report.ts';
import { type AnatomyOptions, runAnatomy } from '../../../bench/studies/anatomy.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { MAX_CONNECTIONS } from '../../core/memory/table-options.ts';
import { type JudgedOptions, judging, report, say, withJson } from './bench-outcome.ts';
import { establishedOption, fullTableOption, withJsonFile, withReports } from './bench-options.ts';
import { VOID_STATUS } from './bench-workload-commands.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { powersOfTwo, wholeNumber, wholeNumbers } from '../options/option-parsers.ts';
import {
  batchOption,
  bucketsOption,
  connectionsOption,
  engineList,
  Group,
  runsOption,
  threadsOption,
  waitQuietOption,
} from '../options/shared-options.ts';

interface AgingOptions extends ReportFiles, WatchOptions {
  engine: EngineName[];
  connections: number[];
  buckets: number[];
  threads: number;
  runs: number;
}

export function addAging(bench: Command): void {
  const command = describe(
    bench.command('aging'),
    'Measure when expired connections are removed, what the sweeper costs, and how it slows PMDs',
  )
    .optionsGroup(Group.workload)
    .addOption(
      new Option('--connections <list>', 'Numbers of connections, separated by commas')
        .argParser(wholeNumbers(1000, MAX_CONNECTIONS - PROBE_ROOM))
        .default([10_000, 100_000, 1_000_000]),
    )
    .addOption(threadsOption(1))
    .optionsGroup(Group.table)
    .addOption(
      new Option('--buckets <list>', 'Numbers of buckets of ct-bucket, powers of two separated by commas')
        .argParser(powersOfTwo(65536))
        .default([256, 1024, 4096]),
    )
    .addOption(engineList())
    .optionsGroup(Group.measurement)
    .addOption(runsOption(1))
    .addOption(waitQuietOption());
  withReports(command).action((options: AgingOptions) =>
    report(options, () => benchAging({ ...options, engines: options.engine }, say)),
  );
  endHelp(command, { examples: ['bench aging --connections 100000 --buckets 256,4096'], exitStatus: VOID_STATUS });
}

export function addFlood(bench: Command): void {
  const command = describe(
    bench.command('flood'),
    'Measure how a flood on one PMD slows established traffic on another',
    'Three tables are measured: one with space for all, one that is full and evicts, one that is full and refuses.',
  )
    .optionsGroup(Group.workload)
    .addOption(
      new Option('--connections <connections>', 'Connections that the flood opens')
        .argParser(wholeNumber(1000, MAX_CONNECTIONS))
        .default(1_000_000),
    )
    .addOption(establishedOption())
    .addOption(batchOption())
    .optionsGroup(Group.table)
    .addOption(fullTableOption(100_000))
    .addOption(bucketsOption())
    .optionsGroup(Group.measurement)
    .addOption(runsOption(5))
    .addOption(waitQuietOption());
  withJsonFile(command).action((options: FloodBenchOptions & JudgedOptions) =>
    judging(options, (onResults) => runFloodBench(options, onResults)),
  );
  endHelp(command, { examples: ['bench flood --runs 5 --json flood.json'], exitStatus: VOID_STATUS });
}

export function addAttack(bench: Command): void {
  const command = describe(
    bench.command('attack'),
    'Measure what attacks cost per packet, and what they make the table hold',
  )
    .addArgument(bench.createArgument('[names...]', 'Attacks to run').choices(ATTACK_NAMES).default([], 'all'))
    .optionsGroup(Group.workload)
    .option('--packets <packets>', 'Packets of each attack', wholeNumber(1000, 10_000_000), 200_000)
    .option(
      '--seed <number>',
      "Seed of random choices. The table's hash key differs in every run all the same",
      wholeNumber(0, 0xffffffff),
      1,
    )
    .optionsGroup(Group.table)
    .addOption(fullTableOption(50_000))
    .addOption(bucketsOption())
    .optionsGroup(Group.measurement)
    .addOption(runsOption(3))
    .addOption(waitQuietOption());
  withJsonFile(command).action((names: AttackName[], options: AttackBenchOptions & JudgedOptions) =>
    judging(options, (onResults) => runAttackBench([...new Set(names)], options, onResults)),
  );
  endHelp(command, {
    examples: ['bench attack syn-flood port-exhaustion --json attacks.json'],
    exitStatus: '0 costs stayed within their bounds, 1 a bound was broken, 2 error',
  });
}

export function addNat(bench: Command): void {
  const command = describe(
    bench.command('nat'),
    'Measure what source NAT costs, and how long a port search takes in a nearly full range',
  )
    .optionsGroup(Group.workload)
    .addOption(establishedOption())
    .addOption(batchOption())
    .optionsGroup(Group.table)
    .addOption(bucketsOption())
    .optionsGroup(Group.measurement)
    .addOption(runsOption(5))
    .addOption(waitQuietOption());
  withJsonFile(command).action((options: NatBenchOptions & JudgedOptions) =>
    judging(options, (onResults) => runNatBench(options, onResults)),
  );
  endHelp(command, { examples: ['bench nat --runs 5 --json nat.json'], exitStatus: VOID_STATUS });
}

export function addAnatomy(bench: Command): void {
  const command = describe(
    bench.command('anatomy'),
    'Show where the time of an insertion and a lookup goes, stage by stage',
    'Beside each stage stand the cache lines that it must touch.',
  )
    .optionsGroup(Group.measurement)
    .addOption(connectionsOption(1_000_000, 3_000_000))
    .addOption(runsOption(5))
    .addOption(waitQuietOption());
  withJsonFile(command).action((options: AnatomyOptions & JudgedOptions) => withJson(options, runAnatomy));
  endHelp(command, { examples: ['bench anatomy --connections 400000'], exitStatus: VOID_STATUS });
}

export function addCompare(bench: Command): void {
  const command = describe(bench.command('compare'), 'Compare two result files, with confidence intervals')
    .argument('<before>', 'Results written with --json')
    .argument('<after>', 'Results written with --json')
    .option(
      '--force',
      'Compare results of different machines, and give verdicts on different states of a machine',
      false,
    )
    .option('--json', 'Print the comparison as JSON', false)
    .action((before: string, after: string, options: CompareOptions) => compareFiles([before, after], options));
  endHelp(command, { examples: ['bench compare before.json after.json'] });
}

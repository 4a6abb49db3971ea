/** `ct-bucket bench`: the suite, the workloads, and the comparison with another program. */

import { type Command, Option } from 'commander';
import { measurePeer, type PeerOptions, presetZones } from '../../../bench/suite/peer.ts';
import { runSuite, type SuiteOptions } from '../../../bench/suite/suite.ts';
import { benchWorkload, requirePossible, type WorkloadBenchOptions } from '../../../bench/suite/workload-bench.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../../../bench/workloads/registry.ts';
import { zoneVariant } from '../../../bench/workloads/zone-variants.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { onOneLine, UsageError } from '../../core/errors.ts';
import { didYouMean } from '../../core/options/nearest-name.ts';
import { type ReportOptions, report, say } from './bench-outcome.ts';
import { withReports, withShape, zonesOption } from './bench-options.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import { engineList, Group, windowOption } from '../options/shared-options.ts';

const SUITE_FILE = 'ct-bucket-bench';

/** A run is invalid if the table does not hold the expected connections afterwards. */
export const VOID_STATUS = '0 measured, 1 a run was invalid, 2 error';

/** An unknown name of a command arrives here, as an argument of the suite, the default command. */
function noSuchBenchmark(name: string, names: readonly string[]): never {
  const hint = didYouMean(name, names) || '; `ct-bucket bench --help` lists all commands';
  throw new UsageError(`bench has no command '${onOneLine(name)}'${hint}`);
}

async function runTheSuite(_name: string | undefined, options: SuiteOptions & ReportOptions): Promise<void> {
  const files = { json: `${SUITE_FILE}.json`, html: `${SUITE_FILE}.html` };
  await report({ ...files, ...options }, () => runSuite(options, say), true);
}

export function addSuite(bench: Command): void {
  const command = describe(
    bench.command('suite', { isDefault: true }),
    'Measure insertion, TCP connections and aging on all three tables, in 90 seconds',
    `The report is written to ${SUITE_FILE}.html, the results to ${SUITE_FILE}.json.`,
  );
  const noName = bench.createArgument('[name]').argParser((name) =>
    noSuchBenchmark(
      name,
      bench.commands.map((each) => each.name()),
    ),
  );
  withReports(
    withShape(command, { connections: 400_000, runs: 3 }).addOption(
      new Option('--seconds <seconds>', 'Time limit of the whole suite. A slow machine gets fewer runs and connections')
        .argParser(wholeNumber(10, 86_400))
        .default(90),
    ),
  )
    .addArgument(noName)
    .usage('[options]')
    .action(runTheSuite);
  endHelp(command, { examples: ['bench suite --seconds 300'], exitStatus: VOID_STATUS });
}

/** Refuses --window for a workload without one. @throws UsageError */
export function requireWindowOfUse(workload: WorkloadName, window: number | undefined): void {
  if (window !== undefined && workloadOf(workload).hasWindow !== true) {
    const those = WORKLOAD_NAMES.filter((name) => workloadOf(name).hasWindow === true);
    throw new UsageError(`${workload} has no --window: it is for ${those.join(', ')}`);
  }
}

type WorkloadCommandOptions = Omit<WorkloadBenchOptions, 'workload'> &
  ReportOptions & { engine: EngineName[]; zones?: number[]; ownZones?: boolean };

/** The variants that the numbers of zones stand for. */
function variantsOf({ zones, ownZones: isOwn = false }: Pick<WorkloadCommandOptions, 'zones' | 'ownZones'>): {
  variants?: string[];
} {
  return zones === undefined ? {} : { variants: zones.map((count) => zoneVariant({ zones: count, isOwn })) };
}

/** Refuses --zones for a workload without zones. @throws UsageError */
function requireZonesOfUse(workload: WorkloadName, zones: readonly number[] | undefined): void {
  if (zones !== undefined && workloadOf(workload).zones === undefined) {
    const those = WORKLOAD_NAMES.filter((name) => workloadOf(name).zones !== undefined);
    throw new UsageError(`${workload} has no --zones: it is for ${those.join(', ')}`);
  }
}

function addWorkload(bench: Command, name: WorkloadName): void {
  const { description, hasWindow, zones, variants, presetConnections: connections = 1_000_000 } = workloadOf(name);
  const command = withShape(describe(bench.command(name), description), { connections, runs: 5 });
  command
    .option('--no-control', 'Skip the upper bound: the same threads with a private table each')
    .option('--no-memory', 'Skip the extra run that measures the memory of a connection')
    .option('--latency', 'Time every batch in an extra run', false);
  if (zones === undefined) {
    command.option('--no-predict', 'Skip the profiled run from which the speed of more threads is predicted');
  }
  command
    .optionsGroup(Group.table)
    .addOption(engineList())
    .optionsGroup(Group.workload)
    .option('--per-thread', 'Take --connections for each thread, not for all together', false);
  if (hasWindow === true) {
    command.addOption(windowOption());
  }
  if (zones !== undefined) {
    command.addOption(zonesOption(zones, variants));
  }
  if (zones === 'a list') {
    command.option('--own-zones', 'Give each thread so many zones of its own, instead of the same ones', false);
  }
  withReports(command).action((options: WorkloadCommandOptions) =>
    report(options, () =>
      benchWorkload({ ...options, ...variantsOf(options), engines: options.engine, workload: name }),
    ),
  );
  endHelp(command, {
    examples: [`bench ${name} --threads 1,2,4 --engine ct-bucket,baseline --html ${name}.html`],
    exitStatus: VOID_STATUS,
  });
}

export function addWorkloads(bench: Command): void {
  for (const name of WORKLOAD_NAMES) {
    addWorkload(bench, name);
  }
}

type PeerCommandOptions = Omit<PeerOptions, 'zones'> & ReportOptions & { zones?: number[] };

export function addPeer(bench: Command): void {
  const command = describe(
    bench.command('peer'),
    'Run another program in turn with ct-bucket, on the same work',
    'In its command, {workload}, {threads}, {connections}, {window}, {zones}, {batch} and {runs} are replaced. For each result, it ' +
      'must print a line like {"workload":"udp-insert","threads":1,"connections":1000000,"packets":1000000,"ms":598.3}.',
  )
    .optionsGroup(Group.input)
    .requiredOption('--command <command>', 'Command line of the other program')
    .addOption(new Option('--name <name>', 'Name of the program in tables').default(undefined, 'the name of its file'));
  withReports(
    withShape(command, { connections: 1_000_000, runs: 5 })
      .optionsGroup(Group.workload)
      .addOption(
        new Option('--workload <name>', 'Work that both programs do')
          .choices(WORKLOAD_NAMES)
          .default('insert' satisfies string),
      )
      .addOption(windowOption())
      .addOption(zonesOption('one number', []).default(undefined, 'those of the workload')),
  ).action((options: PeerCommandOptions, of: Command) => {
    const name = options.workload as WorkloadName;
    requireWindowOfUse(name, options.window);
    requireZonesOfUse(name, options.zones);
    const isPreset = of.getOptionValueSource('connections') === 'default';
    const connections = (isPreset ? workloadOf(name).presetConnections : undefined) ?? options.connections;
    const { zones: given, ...rest } = options;
    const zones = given?.[0] ?? presetZones(name);
    const variant = given === undefined ? workloadOf(name).variants[0]! : String(zones);
    requirePossible(
      name,
      options.threads.map((threads) => ({ variant, threads, connections })),
    );
    const work = { ...rest, connections, zones };
    return report(options, () => measurePeer(work));
  });
  endHelp(command, {
    examples: ["bench peer --workload tcp-life --command './peer {workload} --threads {threads}'"],
    exitStatus: VOID_STATUS,
  });
}

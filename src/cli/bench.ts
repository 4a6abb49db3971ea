/** `ct-bucket bench`: see bench/. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { benchAging } from '../../bench/aging/aging.ts';
import { type AttackBenchOptions, runAttackBench } from '../../bench/attacks/attack-bench.ts';
import { ATTACK_NAMES, type AttackName } from '../../bench/attacks/registry.ts';
import { type AnatomyOptions, runAnatomy } from '../../bench/studies/anatomy.ts';
import { compiledBench } from '../../bench/samples/compiled.ts';
import { type CompareOptions, compareFiles } from '../../bench/report/compare.ts';
import { type FloodBenchOptions, runFloodBench } from '../../bench/flood/flood.ts';
import { type NatBenchOptions, runNatBench } from '../../bench/nat/nat.ts';
import { measurePeer, type PeerOptions } from '../../bench/suite/peer.ts';
import { firstLook } from '../../bench/report/first-look.ts';
import { machineFingerprint } from '../../bench/machine/machine.ts';
import { printReport, type ReportFiles, writeReports } from '../../bench/report/report.ts';
import type { ResultsFile } from '../../bench/report/results-file.ts';
import { showProgress } from '../../bench/samples/samples.ts';
import { runStudy, STUDY_NAMES, type StudyName, type StudyOptions } from '../../bench/studies/study.ts';
import { runSuite, type SuiteOptions } from '../../bench/suite/suite.ts';
import { benchWorkload, VoidRunError, type WorkloadBenchOptions } from '../../bench/suite/workload-bench.ts';
import { WORKLOAD_NAMES, workloadOf } from '../../bench/workloads/registry.ts';
import { type EngineName, ENGINES } from '../core/engines/engine.ts';
import { didYouMean } from '../core/nearest-name.ts';
import { jsonText, withOutputFiles } from '../host/output-files.ts';
import { ExitCode } from './exit-code.ts';
import { oneOfEach, powerOfTwo, powersOfTwo, wholeNumber, wholeNumbers, windowOption } from './option-parsers.ts';

const SUITE_FILE = 'ct-bucket-bench';

/** Adds the command to the program. */
export function addBench(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure; without a name, the suite: insertion and TCP lives on all three tables, and aging');
  const add = (name: string, description: string, isDefault = false) =>
    bench.command(name, { isDefault }).description(description);

  withShape(add('suite', 'a first look at everything, in a minute and a half (what `npm run bench` does)', true), {
    connections: 400_000,
    runs: 3,
  })
    .option(
      '--seconds <n>',
      'for everything: a slow machine gets fewer runs and connections',
      wholeNumber(10, 86_400),
      90,
    )
    .addArgument(
      bench.createArgument('[name]').argParser((name) =>
        noSuchBenchmark(
          name,
          bench.commands.map((command) => command.name()),
        ),
      ),
    )
    .action((_name: string | undefined, options: SuiteOptions & ReportFiles) =>
      report(
        { json: `${SUITE_FILE}.json`, html: `${SUITE_FILE}.html`, ...options },
        async () => {
          /* A build that is made first tells nothing of how fast the machine measures. */
          await compiledBench('samples/workload-sample.js');
          return runSuite(options, say);
        },
        true,
      ),
    );
  for (const name of WORKLOAD_NAMES) {
    const command = withShape(add(name, workloadOf(name).description), { connections: 1_000_000, runs: 5 })
      .addOption(engineList())
      .option('--per-thread', 'that many connections for each thread, not for all together', false)
      .option('--no-control', 'not beside it: the same threads with a table each')
      .option('--no-memory', 'not beside it: a run whose memory is committed as it is used')
      .option('--no-predict', 'not beside it: a profiled run, for the simulation of more threads')
      .option('--latency', 'one more run, in which every batch is timed', false);
    if (workloadOf(name).hasWindow === true) {
      command.addOption(windowOption());
    }
    command.action((options: Omit<WorkloadBenchOptions, 'workload'> & ReportFiles & { engine: EngineName[] }) =>
      report(options, () => benchWorkload({ ...options, engines: options.engine, workload: name })),
    );
  }
  withReports(add('aging', 'when expired connections go, what the sweeper costs, and what PMDs notice of it'))
    .addOption(engineList())
    .option(
      '--connections <list>',
      'connections, separated by commas',
      wholeNumbers(1000, 3_000_000),
      [10_000, 100_000, 1_000_000],
    )
    .option(
      '--buckets <list>',
      'of ct-bucket: powers of two, separated by commas',
      powersOfTwo(65536),
      [256, 1024, 4096],
    )
    .option('--threads <n>', 'PMDs', wholeNumber(1, 64), 1)
    .option('--runs <n>', 'runs of each, in turn', wholeNumber(1, 1000), 1)
    .action(
      (
        options: ReportFiles & {
          engine: EngineName[];
          connections: number[];
          buckets: number[];
          threads: number;
          runs: number;
        },
      ) => report(options, () => benchAging({ ...options, engines: options.engine }, say)),
    );
  add('flood', 'what established traffic of one PMD suffers from a flood on the other, into a full table')
    .option('--connections <n>', 'of the flood', wholeNumber(1000, 7_000_000), 1_000_000)
    .option('--runs <n>', 'runs of each, in turn, each in a fresh process', wholeNumber(1, 1000), 5)
    .option('--batch <n>', 'packets of a batch', wholeNumber(1, 32), 32)
    .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
    .option('--table <n>', 'connections of the full table', wholeNumber(100, 3_000_000), 100_000)
    .option('--established <n>', 'how many of these are established', wholeNumber(1, 3_000_000), 10_000)
    .option('--json <file>', 'write results and raw samples to a file')
    .action((options: FloodBenchOptions & JsonOption) =>
      judging(options, (onResults) => runFloodBench(options, onResults)),
    );
  add(
    'attack',
    'what attacks cost a packet and what they make the table hold: exit code 1 if that is not bounded\n\n' +
      `Attacks: ${ATTACK_NAMES.join(', ')}.`,
  )
    .addArgument(bench.createArgument('[names...]', 'attacks; default: all').choices(ATTACK_NAMES))
    .option('--packets <n>', 'packets of each attack', wholeNumber(1000, 10_000_000), 200_000)
    .option('--table <n>', 'connections of a table that is to get full', wholeNumber(100, 3_000_000), 50_000)
    .option('--runs <n>', 'runs of each, each in a fresh process', wholeNumber(1, 1000), 3)
    .option('--seed <n>', "of what is drawn; the table's key is another in every run", wholeNumber(0, 0xffffffff), 1)
    .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
    .option('--json <file>', 'write results and raw samples to a file')
    .action((names: AttackName[], options: AttackBenchOptions & JsonOption) =>
      judging(options, (onResults) => runAttackBench([...new Set(names)], options, onResults)),
    );
  add('nat', 'what source NAT costs established traffic, and a search for a port in a nearly full range')
    .option('--runs <n>', 'runs of each, in turn, each in a fresh process', wholeNumber(1, 1000), 5)
    .option('--batch <n>', 'packets of a batch', wholeNumber(1, 32), 32)
    .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
    .option('--established <n>', 'established connections', wholeNumber(1, 3_000_000), 10_000)
    .option('--json <file>', 'write results and raw samples to a file')
    .action((options: NatBenchOptions & JsonOption) =>
      judging(options, (onResults) => runNatBench(options, onResults)),
    );
  withShape(
    add(
      'peer',
      'run an outside program that does the same work in turn with ours, into the same table\n\n' +
        'It prints, for each result, a line like {"workload":"udp-insert","threads":1,"connections":1000000,' +
        '"packets":1000000,"ms":598.3}; {workload}, {threads}, {connections}, {window}, {batch} and {runs} in its command are replaced.',
    ),
    { connections: 1_000_000, runs: 5 },
  )
    .requiredOption('--command <command>', 'the program, with its options')
    .option('--name <name>', "what tables call it (default: the program's file name)")
    .addOption(
      new Option('--workload <name>', 'what both do').choices(WORKLOAD_NAMES).default('insert' satisfies string),
    )
    .addOption(windowOption())
    .action((options: PeerOptions & ReportFiles) => report(options, () => measurePeer(options)));
  add('study', `a choice of the design, and what others would cost: ${STUDY_NAMES.join(', ')}`)
    .addArgument(bench.createArgument('<name>', 'the choice').choices(STUDY_NAMES))
    .option('--connections <n>', 'connections in all', wholeNumber(1000, 3_000_000), 400_000)
    .option('--runs <n>', 'runs of each, in turn, each in a fresh process', wholeNumber(1, 1000), 5)
    .option('--json <file>', 'write results and raw samples to a file')
    .action((name: StudyName, options: StudyOptions & JsonOption) =>
      withJson(options, (shape) => runStudy(name, shape)),
    );
  add(
    'anatomy',
    'where the time of an insertion and of a lookup goes, stage by stage, beside the cache lines they must touch',
  )
    .option('--connections <n>', 'connections in all', wholeNumber(1000, 3_000_000), 1_000_000)
    .option('--runs <n>', 'runs of each, in turn, each in a fresh process', wholeNumber(1, 1000), 5)
    .option('--json <file>', 'write results and raw samples to a file')
    .action((options: AnatomyOptions & JsonOption) => withJson(options, runAnatomy));
  add('compare', 'two files of results, written with --json: what changed, with intervals')
    .argument('<before>', 'a file of results')
    .argument('<after>', 'a file of results')
    .option('--force', 'also results of different machines', false)
    .option('--json', 'as JSON', false)
    .action((before: string, after: string, options: CompareOptions) => compareFiles([before, after], options));
}

/** Whatever is no command comes here, since the suite is the default. */
function noSuchBenchmark(name: string, names: readonly string[]): never {
  throw new InvalidArgumentError(
    `There is no such benchmark${didYouMean(name, names)} (\`ct-bucket bench --help\` lists all)`,
  );
}

function say(line: string): void {
  showProgress('');
  console.log(line);
}

function engineList(): Option {
  return new Option('--engine <list>', `tables, separated by commas: ${ENGINES.join(', ')}`)
    .argParser(oneOfEach(ENGINES))
    .default(['ct-bucket']);
}

function withReports(command: Command): Command {
  return command
    .option('--json <file>', 'write results and raw samples to a file')
    .option('--markdown <file>', 'write the tables as Markdown')
    .option('--html <file>', 'write one page with tables and plots');
}

function withShape(command: Command, defaults: { connections: number; runs: number }): Command {
  return withReports(
    command
      .option('--threads <list>', 'numbers of threads, separated by commas', wholeNumbers(1, 64), [1, 2])
      .option('--connections <n>', 'connections in all', wholeNumber(1000, 7_000_000), defaults.connections)
      .option('--runs <n>', 'runs of each, in turn, each in a fresh process', wholeNumber(1, 1000), defaults.runs)
      .option('--batch <n>', 'packets of a batch', wholeNumber(1, 32), 32)
      .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024),
  );
}

function sayOverload(): void {
  const { overload } = machineFingerprint();
  if (overload !== undefined) {
    console.log(overload);
  }
}

interface JsonOption {
  json?: string;
}

/** What says itself whether all is as it must be, and has its results for the file. */
function judging(
  { json }: JsonOption,
  measure: (onResults: (results: object) => void) => Promise<boolean>,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json }, async (outputs) => {
      sayOverload();
      let results: object | undefined;
      const isRight = await measure((all) => {
        results = all;
      });
      if (results !== undefined) {
        outputs.write({ json: () => jsonText(results) });
      }
      process.exitCode = isRight ? ExitCode.ok : ExitCode.notSo;
    }),
  );
}

/** What prints its results itself, and returns them for the file. */
function withJson<Options>(
  options: Options & JsonOption,
  measure: (options: Options) => Promise<unknown>,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json: options.json }, async (outputs) => {
      sayOverload();
      const results = await measure(options);
      outputs.write({ json: () => jsonText(results) });
    }),
  );
}

/** A run whose books do not balance ends the command with exit code 1. */
async function unlessVoid(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof VoidRunError)) {
      throw error;
    }
    showProgress('');
    console.error(`ct-bucket: ${error.message}`);
    process.exitCode = ExitCode.notSo;
  }
}

/** Measures, prints the tables, writes the files. */
function report(files: ReportFiles, measure: () => Promise<ResultsFile>, isSuite = false): Promise<void> {
  const { json, markdown, html } = files;
  return unlessVoid(() =>
    withOutputFiles({ json, markdown, html }, async (outputs) => {
      const results = await measure();
      printReport(results, { isBrief: isSuite });
      writeReports(results, outputs);
      if (isSuite) {
        const written = [json, markdown, html].filter((file) => file !== undefined);
        console.log(
          [
            '',
            ...firstLook(results).filter((line) => line !== ''),
            `Scaling laws, predictions and plots: ${written.join(', ')}`,
          ].join('\n'),
        );
      }
    }),
  );
}

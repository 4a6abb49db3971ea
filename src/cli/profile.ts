/** `ct-bucket profile`: see bench/profile/. */

import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { analyseProfile, COLUMNS, DEFAULT_COLUMNS } from '../../bench/profile/analysis.ts';
import { profileDiff } from '../../bench/profile/diff.ts';
import { pprofOf, readProfile, speedscopeOf } from '../../bench/profile/files.ts';
import { profileHtml } from '../../bench/profile/html.ts';
import { costLine, DEFAULT_SAMPLE_EVERY, type ProfileFile, profileWorkload } from '../../bench/profile/run.ts';
import { profileTables, time } from '../../bench/profile/tables.ts';
import { markdownTable, textTable } from '../../bench/report/tables.ts';
import { VoidRunError } from '../../bench/suite/workload-bench.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../../bench/workloads/registry.ts';
import { type EngineName, ENGINES } from '../core/engines/engine.ts';
import { UsageError } from '../core/errors.ts';
import { didYouMean } from '../core/nearest-name.ts';
import { jsonText, type OutputFiles, withOutputFiles } from '../host/output-files.ts';
import { requireRepeatable } from './capture.ts';
import { ExitCode } from './exit-code.ts';
import { oneOfEach, powerOfTwo, wholeNumber, windowOption } from './option-parsers.ts';
import { profileCapture } from './profile-capture.ts';

interface ProfileCommandOptions {
  threads: number;
  engine: EngineName;
  connections: number;
  variant?: string;
  window?: number;
  batch: number;
  buckets: number;
  sample: number;
  runs: number;
  top: number;
  columns: string[];
  json?: string;
  markdown?: string;
  html?: string;
  speedscope?: string;
  pprof?: string;
}

/** Adds the command to the program. */
export function addProfile(program: Command): void {
  const profile = program
    .command('profile')
    .description('where threads wait for locks: by lock, site, thread and bucket');
  profile
    .command('run', { isDefault: true })
    .description(
      `run a workload of bench (${WORKLOAD_NAMES.join(', ')}) or a capture file with the lock profiler on\n\n` +
        'Every wait is timed; of the acquisitions one of --sample is looked at: it counts for all since the last, and its hold ' +
        'is timed. Times are those of the clock; a hold has about 50 ns of it in it.',
    )
    .argument('<what>', 'a workload, or a capture file')
    .option('--threads <n>', 'threads', wholeNumber(1, 64), 2)
    .addOption(new Option('--engine <engine>', 'the table').choices([...ENGINES]).default('ct-bucket'))
    .option('--connections <n>', 'connections in all', wholeNumber(1000, 7_000_000), 300_000)
    .option('--variant <name>', 'of a workload that has several')
    .addOption(windowOption())
    .option('--batch <n>', 'packets of a batch', wholeNumber(1, 32), 32)
    .option('--buckets <n>', 'buckets of the table (a power of two)', powerOfTwo(65536), 1024)
    .option('--sample <n>', 'time one in n acquisitions', wholeNumber(1, 1_000_000), DEFAULT_SAMPLE_EVERY)
    .option('--runs <n>', 'pairs of runs, profiled and not, in turn', wholeNumber(1, 100), 3)
    .option('--top <n>', 'rows of a table at most', wholeNumber(1, 1000), 10)
    .addOption(
      new Option('--columns <list>', `columns, separated by commas: ${Object.keys(COLUMNS).join(', ')}`)
        .argParser(oneOfEach(Object.keys(COLUMNS)))
        .default([...DEFAULT_COLUMNS], DEFAULT_COLUMNS.join(', ')),
    )
    .option('--json <file>', 'write everything, for profile diff')
    .option('--markdown <file>', 'write the tables as Markdown')
    .option('--html <file>', 'write one page: heat map of the buckets, histograms, who waited for whom')
    .option('--speedscope <file>', 'write the waiting for speedscope.app')
    .option('--pprof <file>', 'write the waiting for `go tool pprof` (gzipped)')
    .action((what: string, options: ProfileCommandOptions, command: Command) => {
      refuseForCapture(what, command);
      return runProfile(what, options);
    });
  profile
    .command('diff')
    .description('two profiles, written with --json: what changed at each site')
    .argument('<a>', 'a profile')
    .argument('<b>', 'a profile')
    .action((a: string, b: string) => console.log(textTable(profileDiff(readProfile(a), readProfile(b)))));
}

function isWorkload(what: string): what is WorkloadName {
  return (WORKLOAD_NAMES as readonly string[]).includes(what);
}

/** Of a capture, nobody chooses what comes in it. @throws UsageError */
function refuseForCapture(what: string, command: Command): void {
  for (const name of ['connections', 'variant', 'window']) {
    if (!isWorkload(what) && command.getOptionValueSource(name) === 'cli') {
      throw new UsageError(`--${name} is for workloads; ${what} is taken for a capture file`);
    }
  }
}

function runProfile(what: string, options: ProfileCommandOptions): Promise<void> {
  const { json, markdown, html, speedscope, pprof } = options;
  const paths = { json, markdown, html, speedscope, pprof };
  const work = async (outputs: OutputFiles): Promise<void> => {
    let file: ProfileFile;
    try {
      file = await measure(what, options);
    } catch (error) {
      if (!(error instanceof VoidRunError)) {
        throw error;
      }
      console.error(`ct-bucket: ${error.message}`);
      process.exitCode = ExitCode.notSo;
      return;
    }
    const analysis = analyseProfile(file.profile, file.durationMs);
    const tables = profileTables(analysis, options);
    console.log(`${file.what}: ${file.durationMs.toFixed(1)} ms; ${costLine(file)}`);
    console.log(
      `waiting for locks: ${time(analysis.waitNs)} of all threads together; while the sweeper held them: ${(analysis.sweeperShare * 100).toFixed(1)} %\n`,
    );
    console.log(tables.map((table) => textTable(table)).join('\n\n'));
    outputs.write({
      json: () => jsonText(file),
      markdown: () =>
        [`## ct-bucket profile: ${file.what}`, costLine(file), ...tables.map(markdownTable), ''].join('\n\n'),
      html: () => profileHtml(file, analysis, options),
      speedscope: () => jsonText(speedscopeOf(file)),
      pprof: () => pprofOf(file),
    });
  };
  return withOutputFiles(paths, work, isWorkload(what) ? undefined : what);
}

async function measure(what: string, options: ProfileCommandOptions): Promise<ProfileFile> {
  if (!isWorkload(what)) {
    if (what !== '-' && !existsSync(what)) {
      throw new UsageError(
        `${what} is neither a workload (${WORKLOAD_NAMES.join(', ')}) nor a file${didYouMean(what, WORKLOAD_NAMES)}`,
      );
    }
    requireRepeatable(what, 'profile reads it in several runs');
    const { threads, engine, batch, buckets, sample, runs } = options;
    return profileCapture(what, { threads, engine, batch, buckets, sample, runs });
  }
  const workload = what;
  const { variants, hasWindow } = workloadOf(workload);
  if (options.variant !== undefined && !variants.includes(options.variant)) {
    throw new UsageError(
      variants.length === 1
        ? `${workload} has no variants`
        : `${workload} has the variants ${variants.join(', ')}, not ${options.variant}`,
    );
  }
  if (options.window !== undefined && hasWindow !== true) {
    const those = WORKLOAD_NAMES.filter((name) => workloadOf(name).hasWindow === true);
    throw new UsageError(`${workload} has no --window, ${those.join(', ')} have`);
  }
  const { variant, window, engine, threads, connections, batch, buckets, sample, runs } = options;
  return profileWorkload({
    workload,
    ...(variant === undefined ? {} : { variant }),
    ...(window === undefined ? {} : { window }),
    engine,
    threads,
    connections,
    batch,
    buckets,
    sample,
    runs,
  });
}

/** The work of `ct-bucket profile` (bench/profile/). */

import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { stateDifferences } from '../../../bench/machine/probe-rules.ts';
import { probeLines } from '../../../bench/machine/probe-text.ts';
import type { WatchOptions } from '../../../bench/machine/watch.ts';
import { analyseProfile } from '../../../bench/profile/analysis.ts';
import { profileDiff } from '../../../bench/profile/diff.ts';
import { pprofOf, readProfile, speedscopeOf } from '../../../bench/profile/files.ts';
import { profileHtml } from '../../../bench/profile/html.ts';
import { costLine, type ProfileFile, type ProfileOptions, profileWorkload } from '../../../bench/profile/run.ts';
import { profileTables, time } from '../../../bench/profile/tables.ts';
import { markdownTable, textTable } from '../../../bench/report/table-text.ts';
import { requirePossible, requireSteered, VoidRunError } from '../../../bench/suite/workload-bench.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../../../bench/workloads/registry.ts';
import { onOneLine, UsageError } from '../../core/errors.ts';
import { didYouMean } from '../../core/options/nearest-name.ts';
import { jsonText, type OutputFiles, withOutputFiles } from '../../host/output-files.ts';
import { watchedBuilt } from './bench-outcome.ts';
import { requireWindowOfUse } from './bench-workload-commands.ts';
import { requireRepeatable } from '../capture/open-capture.ts';
import { ExitCode } from '../exit-code.ts';
import { profileCapture } from './profile-capture.ts';

export interface ProfileCommandOptions extends ProfileOptions, WatchOptions {
  top: number;
  columns: string[];
  json?: string;
  markdown?: string;
  html?: string;
  speedscope?: string;
  pprof?: string;
}

/** @throws UsageError for a file that is not a profile */
export function printDifference(before: string, after: string): void {
  const [a, b] = [readProfile(before), readProfile(after)];
  const states = hasMachine(a) && hasMachine(b) ? stateDifferences(a.machine, b.machine) : [];
  console.log([...states.map((state) => `NOT COMPARABLE: ${state}`), textTable(profileDiff(a, b))].join('\n'));
}

/** Profiles of other programs may have none. */
function hasMachine({ machine }: Partial<ProfileFile>): boolean {
  return machine !== undefined;
}

function isWorkload(what: string): what is WorkloadName {
  return (WORKLOAD_NAMES as readonly string[]).includes(what);
}

/** Refuses options of workloads for a capture, which has its own packets. @throws UsageError */
function refuseForCapture(what: string, command: Command): void {
  for (const name of ['connections', 'variant', 'window']) {
    if (!isWorkload(what) && command.getOptionValueSource(name) === 'cli') {
      throw new UsageError(`--${name} is for workloads, and ${what} is a capture file`);
    }
  }
}

/** Measures, prints the tables, writes the files. @param command knows which options were given. @throws UsageError */
export function runProfile(what: string, options: ProfileCommandOptions, command: Command): Promise<void> {
  refuseForCapture(what, command);
  const { json, markdown, html, speedscope, pprof } = options;
  const paths = { json, markdown, html, speedscope, pprof };
  const work = (outputs: OutputFiles) => profileInto(outputs, what, options);
  return withOutputFiles(paths, work, isWorkload(what) ? undefined : what);
}

async function profileInto(outputs: OutputFiles, what: string, options: ProfileCommandOptions): Promise<void> {
  let file: ProfileFile;
  try {
    file = await measure(what, options);
  } catch (error) {
    if (!(error instanceof VoidRunError)) {
      throw error;
    }
    console.error(`ct-bucket: ${error.message}`);
    process.exitCode = ExitCode.checkFailed;
    return;
  }
  const analysis = analyseProfile(file.profile, file.durationMs);
  const tables = profileTables(analysis, options);
  console.log(`${file.what}: ${file.durationMs.toFixed(1)} ms; ${costLine(file)}`);
  console.log(
    `waiting for locks: ${time(analysis.waitNs)} of all threads together; while the sweeper held them: ${(analysis.sweeperShare * 100).toFixed(1)} %\n`,
  );
  const state = probeLines(file.machine);
  console.log([...tables.map((table) => textTable(table)), state.join('\n')].join('\n\n'));
  outputs.write({
    json: () => jsonText(file),
    markdown: () =>
      [`## ct-bucket profile: ${file.what}`, costLine(file), ...state, ...tables.map(markdownTable), ''].join('\n\n'),
    html: () => profileHtml(file, analysis, options),
    speedscope: () => jsonText(speedscopeOf(file)),
    pprof: () => pprofOf(file),
  });
}

function measure(what: string, options: ProfileCommandOptions): Promise<ProfileFile> {
  return isWorkload(what) ? measureWorkload(what, options) : measureCapture(what, options);
}

async function measureCapture(what: string, options: ProfileCommandOptions): Promise<ProfileFile> {
  if (what !== '-' && !existsSync(what)) {
    throw new UsageError(
      `${what} is neither a workload (${WORKLOAD_NAMES.join(', ')}) nor a file${didYouMean(what, WORKLOAD_NAMES)}`,
    );
  }
  requireRepeatable(what, 'profile reads it in several runs');
  const { threads, engine, batch, buckets, sample, runs } = options;
  return watchedBuilt(options, () => profileCapture(what, { threads, engine, batch, buckets, sample, runs }));
}

/** @throws UsageError */
function requireVariant(workload: WorkloadName, variant: string | undefined): void {
  const { variants, acceptsVariant, zones } = workloadOf(workload);
  if (variant === undefined || variants.includes(variant) || acceptsVariant?.(variant) === true) {
    return;
  }
  if (zones !== undefined) {
    const own = zones === 'a list' ? ', or own-16 for zones of each thread' : '';
    throw new UsageError(
      `the variants of ${workload} are numbers of zones, such as 16${own}: not ${onOneLine(variant)}`,
    );
  }
  throw new UsageError(
    variants.length === 1
      ? `${workload} has no variants`
      : `${workload} has the variants ${variants.join(', ')}, not ${onOneLine(variant)}`,
  );
}

async function measureWorkload(workload: WorkloadName, options: ProfileCommandOptions): Promise<ProfileFile> {
  requireVariant(workload, options.variant);
  requireWindowOfUse(workload, options.window);
  const { threads, connections, variant = workloadOf(workload).variants[0]! } = options;
  requirePossible(workload, [{ variant, threads, connections }]);
  requireSteered(workload, [options.engine], [threads]);
  return watchedBuilt(options, () => profileWorkload(workload, options));
}

/** The end of commands of `bench`: prints and writes results, and ends with 1 after an invalid run. */

import { firstLook } from '../../../bench/report/first-look.ts';
import type { Fingerprinted, WatchedResults } from '../../../bench/machine/machine.ts';
import { probeLines } from '../../../bench/machine/probe-text.ts';
import { MachineWatch, watched, type WatchOptions } from '../../../bench/machine/watch.ts';
import { printReport, type ReportFiles, writeReports } from '../../../bench/report/report.ts';
import type { ResultsFile } from '../../../bench/report/results-file.ts';
import { compiledBench } from '../../../bench/samples/compiled.ts';
import { VoidRunError } from '../../../bench/suite/workload-bench.ts';
import { jsonText, withOutputFiles } from '../../host/output-files.ts';
import { showProgress } from '../../host/terminal.ts';
import { ExitCode } from '../exit-code.ts';
import { originNow } from './origin.ts';

export interface JudgedOptions extends WatchOptions {
  json?: string;
}

export type ReportOptions = ReportFiles & WatchOptions;

/** Prints a line in place of the progress. */
export function say(line: string): void {
  showProgress('');
  console.log(line);
}

/** If a run violates its invariants, the command ends with 1. */
export async function unlessVoid(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof VoidRunError)) {
      throw error;
    }
    showProgress('');
    console.error(`ct-bucket: ${error.message}`);
    process.exitCode = ExitCode.checkFailed;
  }
}

/** Measures between two looks at the machine. Builds first: the compiler must not run beside a look. */
export async function watchedBuilt<Results extends Fingerprinted>(
  options: WatchOptions,
  measure: () => Promise<Results>,
): Promise<Results> {
  await compiledBench('samples/workload-sample.js');
  return watched(options, measure);
}

/** Looks at the machine before a measurement, and says on standard error if it is not quiet: the user may stop the command. */
async function beginWatch(options: WatchOptions): Promise<MachineWatch> {
  /* The compiler must not run beside the look. */
  await compiledBench('samples/workload-sample.js');
  const watch = await MachineWatch.begin(options);
  if (watch.doubts.length > 0) {
    showProgress('');
    process.stderr.write(`ct-bucket: the machine is not quiet: ${watch.doubts.join('; ')}\n`);
  }
  return watch;
}

/** Looks at the machine again, prints what both looks found, and adds it to the results. */
function endWatch<Results extends Fingerprinted>(watch: MachineWatch, results: Results): Results {
  const machine = watch.end(results.machine);
  console.log(probeLines(machine).join('\n'));
  return { ...results, machine };
}

/** For a measurement that returns whether it passed, and hands its results over for the file. */
export function judging(
  options: JudgedOptions,
  measure: (onResults: (results: WatchedResults) => void) => Promise<boolean>,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json: options.json }, async (outputs) => {
      const watch = await beginWatch(options);
      let results: WatchedResults | undefined;
      const isRight = await measure((all) => {
        results = all;
      });
      if (results !== undefined) {
        const watched = endWatch(watch, results);
        outputs.write({ json: () => jsonText({ ...originNow(), ...watched }) });
      }
      process.exitCode = isRight ? ExitCode.ok : ExitCode.checkFailed;
    }),
  );
}

/** For a measurement that prints its results, and returns them for the file. */
export function withJson<Options>(
  options: Options & JudgedOptions,
  measure: (options: Options) => Promise<Fingerprinted>,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json: options.json }, async (outputs) => {
      const watch = await beginWatch(options);
      const results = endWatch(watch, await measure(options));
      outputs.write({ json: () => jsonText({ ...originNow(), ...results }) });
    }),
  );
}

/** For a measurement whose text depends on the state of the machine, before and after. */
export function withText<Results extends Fingerprinted>(
  options: JudgedOptions,
  measure: () => Promise<Results>,
  textOf: (results: Results) => string,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json: options.json }, async (outputs) => {
      const results = await printedText(options, measure, textOf);
      outputs.write({ json: () => jsonText({ ...originNow(), ...results }) });
    }),
  );
}

/** For a measurement with a table of its own, whose results have the form of a workload's. */
export function reportAs<Results extends ResultsFile>(
  { json, csv, markdown, html, ...options }: ReportOptions,
  measure: () => Promise<Results>,
  textOf: (results: Results) => string,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json, csv, markdown, html }, async (outputs) => {
      writeReports({ ...originNow(), ...(await printedText(options, measure, textOf)) }, outputs);
    }),
  );
}

async function printedText<Results extends Fingerprinted>(
  options: WatchOptions,
  measure: () => Promise<Results>,
  textOf: (results: Results) => string,
): Promise<Results> {
  const watch = await beginWatch(options);
  const measured = await measure();
  const results = { ...measured, machine: watch.end(measured.machine) };
  say(textOf(results));
  console.log(probeLines(results.machine).join('\n'));
  return results;
}

/** Measures, prints the tables, writes the files. */
export function report(
  { json, csv, markdown, html, ...options }: ReportOptions,
  measure: () => Promise<ResultsFile>,
  isSuite = false,
): Promise<void> {
  return unlessVoid(() =>
    withOutputFiles({ json, csv, markdown, html }, async (outputs) => {
      const results = await watchedBuilt(options, measure);
      printReport(results, { isBrief: isSuite });
      writeReports({ ...originNow(), ...results }, outputs);
      if (isSuite) {
        const written = [json, csv, markdown, html].filter((file) => file !== undefined);
        const lines = firstLook(results).filter((line) => line !== '');
        console.log(['', ...lines, `Scaling laws, predictions and plots: ${written.join(', ')}`].join('\n'));
      }
    }),
  );
}

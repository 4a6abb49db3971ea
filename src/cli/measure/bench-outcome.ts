/** The end of commands of `bench`: prints and writes results, and ends with 1 after an invalid run. */

import { firstLook } from '../../../bench/report/first-look.ts';
import { machineFingerprint } from '../../../bench/machine/machine.ts';
import { printReport, type ReportFiles, writeReports } from '../../../bench/report/report.ts';
import type { ResultsFile } from '../../../bench/report/results-file.ts';
import { VoidRunError } from '../../../bench/suite/workload-bench.ts';
import { jsonText, withOutputFiles } from '../../host/output-files.ts';
import { showProgress } from '../../host/terminal.ts';
import { ExitCode } from '../exit-code.ts';

export interface JsonOption {
  json?: string;
}

/** Prints a line in place of the progress. */
export function say(line: string): void {
  showProgress('');
  console.log(line);
}

function sayOverload(): void {
  const { overload } = machineFingerprint();
  if (overload !== undefined) {
    console.log(overload);
  }
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

/** For a measurement that returns whether it passed, and hands its results over for the file. */
export function judging(
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
      process.exitCode = isRight ? ExitCode.ok : ExitCode.checkFailed;
    }),
  );
}

/** For a measurement that prints its results, and returns them for the file. */
export function withJson<Options>(
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

/** Measures, prints the tables, writes the files. */
export function report(files: ReportFiles, measure: () => Promise<ResultsFile>, isSuite = false): Promise<void> {
  const { json, markdown, html } = files;
  return unlessVoid(() =>
    withOutputFiles({ json, markdown, html }, async (outputs) => {
      const results = await measure();
      printReport(results, { isBrief: isSuite });
      writeReports(results, outputs);
      if (isSuite) {
        const written = [json, markdown, html].filter((file) => file !== undefined);
        const lines = firstLook(results).filter((line) => line !== '');
        console.log(['', ...lines, `Scaling laws, predictions and plots: ${written.join(', ')}`].join('\n'));
      }
    }),
  );
}

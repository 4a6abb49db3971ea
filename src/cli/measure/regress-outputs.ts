/** The outputs of `regress`: the verdict on standard output, files, a line in a history, the exit code. */

import { headline, regressJunit, regressMarkdown, regressText } from '../../../bench/regress/report.ts';
import { historyEntryOf } from '../../../bench/regress/result-file.ts';
import type { RegressResult } from '../../../bench/regress/run.ts';
import type { Verdict } from '../../../bench/regress/verdict.ts';
import { UsageError } from '../../core/errors.ts';
import { concludeWith, ExitCode } from '../../host/command-end.ts';
import { LineLog } from '../../host/line-log.ts';
import { jsonText, OutputFiles } from '../../host/output-files.ts';

export interface RegressOutputPaths {
  json?: string;
  markdown?: string;
  junit?: string;
  history?: string;
}

const EXIT_CODES: Record<Verdict, number> = { fine: ExitCode.ok, regressed: ExitCode.checkFailed, inconclusive: 3 };

export class RegressOutputs {
  readonly #files: OutputFiles;
  readonly #history: LineLog | undefined;

  /** Opens all files. Call it before work begins. @throws UsageError */
  constructor({ json, markdown, junit, history }: RegressOutputPaths) {
    if (history === '-') {
      throw new UsageError('--history -: a history cannot go to standard output; name a file');
    }
    this.#files = new OutputFiles({ json, markdown, junit });
    this.#history = history === undefined ? undefined : new LineLog(history);
  }

  /** Work begins: all inputs have been read. */
  begin(): void {
    this.#files.begin();
  }

  /** Prints and writes. @returns the exit code. @throws UsageError */
  finish(result: RegressResult): number {
    concludeWith(headline(result));
    console.log(regressText(result));
    this.#files.write({
      json: () => jsonText(result),
      markdown: () => regressMarkdown(result),
      junit: () => regressJunit(result),
    });
    this.#history?.add(JSON.stringify(historyEntryOf(result)));
    return EXIT_CODES[result.verdict];
  }

  /** Drops files that were not written. */
  close(): void {
    this.#files.discard();
    this.#history?.close();
  }
}

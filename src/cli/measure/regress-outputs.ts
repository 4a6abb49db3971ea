/** The outputs of `regress`: the verdict on standard output, files, a line in a history, the exit code. */

import { entryStateOf, type MarkedResult, stateLines } from '../../../bench/regress/machine-states.ts';
import { headline, regressJunit, regressMarkdown, regressText } from '../../../bench/regress/report.ts';
import { historyEntryOf } from '../../../bench/regress/result-file.ts';
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
  finish(result: MarkedResult): number {
    concludeWith(headline(result));
    console.log([...stateLines(result), regressText(result)].join('\n'));
    this.#files.write({
      json: () => jsonText(result),
      markdown: () => regressMarkdown(result),
      junit: () => regressJunit(result),
    });
    const state = entryStateOf(result);
    this.#history?.add(JSON.stringify({ ...historyEntryOf(result), ...(state === undefined ? {} : { state }) }));
    return EXIT_CODES[result.verdict];
  }

  /** Drops files that were not written. */
  close(): void {
    this.#files.discard();
    this.#history?.close();
  }
}

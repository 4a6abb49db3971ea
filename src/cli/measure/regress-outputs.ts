/** The outputs of `regress`: the verdict on standard output, files, a line in a history, the exit code. */

import { appendFileSync } from 'node:fs';
import { annotationLines, codeQuality, markedMarkdown } from '../../../bench/regress/report/annotations.ts';
import type { BisectOutcome } from '../../../bench/regress/bisect/bisect-run.ts';
import { entryStateOf, type MarkedResult, stateLines } from '../../../bench/regress/report/machine-states.ts';
import { headline, regressJunit, regressText } from '../../../bench/regress/report/report.ts';
import { historyEntryOf } from '../../../bench/regress/report/result-file.ts';
import { htmlVerdict } from '../../../bench/regress/report/verdict-page.ts';
import type { Verdict } from '../../../bench/regress/verdict/verdict.ts';
import { UsageError } from '../../core/errors.ts';
import { concludeWith, ExitCode } from '../../host/command-end.ts';
import { LineLog } from '../../host/line-log.ts';
import { jsonText, OutputFiles } from '../../host/output-files.ts';

export interface RegressOutputPaths {
  json?: string;
  markdown?: string;
  junit?: string;
  html?: string;
  history?: string;
  codeQuality?: string;
  /** Print annotations of a GitHub workflow, and append to the summary of its job. */
  annotate?: boolean;
}

const EXIT_CODES: Record<Verdict, number> = { fine: ExitCode.ok, regressed: ExitCode.checkFailed, inconclusive: 3 };

/** Exit codes of `regress bisect`. */
export const BISECT_EXIT_CODES: Record<BisectOutcome, number> = {
  found: ExitCode.ok,
  'not slower': ExitCode.checkFailed,
  unclear: 3,
};

export function exitCodeOf({ verdict }: Pick<MarkedResult, 'verdict'>): number {
  return EXIT_CODES[verdict];
}

export class RegressOutputs {
  readonly #files: OutputFiles;
  readonly #history: LineLog | undefined;
  readonly #annotates: boolean;

  /** Opens all files. Call it before work begins. @throws UsageError */
  constructor({ json, markdown, junit, html, history, codeQuality: quality, annotate = false }: RegressOutputPaths) {
    if (history === '-') {
      throw new UsageError('--history -: a history cannot go to standard output; name a file');
    }
    this.#files = new OutputFiles({ json, markdown, junit, html, 'code-quality': quality });
    this.#annotates = annotate;
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
    if (this.#annotates) {
      annotate(result);
    }
    this.#files.write({
      json: () => jsonText(result),
      markdown: () => markedMarkdown(result),
      junit: () => regressJunit(result),
      html: () => htmlVerdict(result),
      'code-quality': () => codeQuality(result),
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

/** Shows the verdict in a GitHub workflow. A summary that cannot be written changes no verdict. */
function annotate(result: MarkedResult): void {
  annotationLines(result).forEach((line) => console.log(line));
  const summary = process.env['GITHUB_STEP_SUMMARY'];
  if (summary === undefined || summary === '') {
    return;
  }
  try {
    appendFileSync(summary, markedMarkdown(result));
  } catch (error) {
    console.error(`ct-bucket: cannot write GITHUB_STEP_SUMMARY: ${(error as Error).message}`);
  }
}

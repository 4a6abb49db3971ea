/** The work of `ct-bucket regress comment` and `trend`. */

import { DEFAULT_NAME, markedMarkdown } from '../../../bench/regress/report/annotations.ts';
import { readAnswer } from '../../../bench/regress/bisect/bisect-file.ts';
import { BISECT_NAME, bisectHeadline, bisectMarkdown } from '../../../bench/regress/bisect/bisect-report.ts';
import { CommentError, type Forge, putComment } from '../../../bench/regress/report/comments.ts';
import { headline } from '../../../bench/regress/report/report.ts';
import { readHistory } from '../../../bench/regress/report/result-file.ts';
import { htmlTrend } from '../../../bench/regress/report/trend.ts';
import { UsageError } from '../../core/errors.ts';
import { OutputFiles } from '../../host/output-files.ts';
import { ExitCode } from '../exit-code.ts';
import { BISECT_EXIT_CODES, exitCodeOf } from './regress-outputs.ts';

export interface CommentCommandOptions {
  github?: boolean;
  gitlab?: boolean;
  request?: number;
  label?: string;
  mustPost?: boolean;
}

export async function commentCommand(file: string, options: CommentCommandOptions): Promise<void> {
  const { github, gitlab, request, label, mustPost } = options;
  if (github === undefined && gitlab === undefined) {
    throw new UsageError('give --github or --gitlab');
  }
  const forge: Forge = github === true ? 'github' : 'gitlab';
  const result = readAnswer(file);
  const isBisect = result.format === 'ct-bucket bisect';
  const name = label ?? (isBisect ? BISECT_NAME : DEFAULT_NAME);
  console.log(isBisect ? bisectHeadline(result) : headline(result));
  process.exitCode = isBisect ? BISECT_EXIT_CODES[result.outcome] : exitCodeOf(result);
  try {
    const number = request === undefined ? {} : { number: request };
    const markdown = isBisect ? bisectMarkdown(result, name) : markedMarkdown(result, name);
    console.log(`comment ${await putComment({ forge, markdown, name, ...number })}`);
  } catch (error) {
    if (!(error instanceof CommentError)) {
      throw error;
    }
    console.error(`ct-bucket: the comment was not posted: ${error.message}`);
    process.exitCode = mustPost === true ? ExitCode.usage : process.exitCode;
  }
}

export interface TrendCommandOptions {
  html: string;
}

export function trendCommand(file: string, { html }: TrendCommandOptions): void {
  const files = new OutputFiles({ html });
  try {
    files.refuseInput(file);
    const entries = readHistory(file);
    files.begin();
    files.write({ html: () => htmlTrend(entries) });
  } finally {
    files.discard();
  }
}

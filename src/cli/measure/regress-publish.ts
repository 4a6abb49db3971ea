/** `ct-bucket regress comment` and `trend`: their options and help. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import type { CommentCommandOptions, TrendCommandOptions } from './regress-publish-run.ts';

/** It stands in a comment of HTML. */
function parseName(text: string): string {
  if (!/^\w+(-\w+)*$/.test(text)) {
    throw new InvalidArgumentError('It must be a word: letters, digits, _ and single dashes.');
  }
  return text;
}

export function addPublishing(regress: Command): void {
  addComment(regress);
  addTrend(regress);
}

function addComment(regress: Command): void {
  const command = describe(
    regress.command('comment'),
    'Comment on a pull request, and update that comment later',
    'It ends with the exit status of the verdict, or of the bisect. If the comment cannot be posted, it says so on standard error.',
    'GitHub: GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_API_URL. GitLab: GITLAB_TOKEN (scope api), CI_PROJECT_ID, CI_API_V4_URL.',
  )
    .argument('<file>', 'Verdict, or answer of regress bisect, written with --json')
    .addOption(new Option('--github', 'Comment on a pull request of GitHub').conflicts('gitlab'))
    .option('--gitlab', 'Comment on a merge request of GitLab')
    .addOption(
      new Option('--request <number>', 'Number of the request')
        .argParser(wholeNumber(1, 0x7fffffff))
        .default(undefined, 'that of the running job'),
    )
    .addOption(
      new Option('--label <word>', 'Tells several comments of one request apart')
        .argParser(parseName)
        .default(undefined, 'regress; of a bisect: bisect'),
    )
    .option('--must-post', 'End with 2 if the comment cannot be posted')
    .action(async (file: string, options: CommentCommandOptions) => {
      const { commentCommand } = await import('./regress-publish-run.ts');
      await commentCommand(file, options);
    });
  endHelp(command, {
    examples: ['regress comment regress.json --github', 'regress comment regress.json --gitlab --label arm64'],
    exitStatus: '0 no slowdown, 1 slowdown, 2 error, 3 inconclusive',
  });
}

function addTrend(regress: Command): void {
  const command = describe(
    regress.command('trend'),
    'Draw a history as a page of HTML, with its change points',
    'The page is one file that needs no network. Each machine has a part of its own.',
  )
    .argument('<file>', 'History written with --history, in JSON Lines')
    .requiredOption('--html <file>', 'Write the page')
    .action(async (file: string, options: TrendCommandOptions) => {
      const { trendCommand } = await import('./regress-publish-run.ts');
      trendCommand(file, options);
    });
  endHelp(command, { examples: ['regress trend history.jsonl --html trend.html'] });
}

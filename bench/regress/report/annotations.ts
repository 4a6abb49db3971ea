/** A verdict where CI shows it: annotations and the job summary of GitHub, the code quality report of GitLab. */

import { createHash } from 'node:crypto';
import { intervalText, isUnjudged, regressMarkdown, signed } from './report.ts';
import type { RegressResult } from '../run.ts';
import { CONFIG_FILE } from '../shard.ts';
import type { FigureVerdict } from '../verdict/verdict.ts';

/** By these marks `regress comment` and other programs find the text that they update. */
export function markerOf(name: string): string {
  return name === DEFAULT_NAME ? '<!-- ct-bucket regress -->' : `<!-- ct-bucket regress: ${name} -->`;
}

export const DEFAULT_NAME = 'regress';

/** The Markdown of a verdict behind a mark. */
export function markedMarkdown(result: RegressResult, name = DEFAULT_NAME): string {
  return `${markerOf(name)}\n${regressMarkdown(result)}`;
}

/** The file that reviewers should look at: the one that names the cases. */
function fileOf({ source = CONFIG_FILE }: RegressResult): string {
  return source;
}

function messageOf(figure: FigureVerdict): string {
  const { case: name, gate, name: what, verdict, changePercent, reason } = figure;
  const change = `${signed(changePercent)} (${intervalText(figure)})`;
  return `${name}, ${gate}: ${what}: ${verdict}, ${change}${reason === undefined ? '' : `: ${reason}`}`;
}

/* GitHub's rules: actions/toolkit, packages/core/src/command.ts. */
const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** Commands of a GitHub workflow: an error for each regression, a warning for each inconclusive figure. */
export function annotationLines(result: RegressResult): string[] {
  return result.figures
    .filter((figure) => figure.verdict !== 'fine' && !isUnjudged(figure, result))
    .map((figure) => {
      const level = figure.verdict === 'regressed' ? 'error' : 'warning';
      const title = escapeProperty(`regress: ${figure.case}`);
      return `::${level} file=${escapeProperty(fileOf(result))},title=${title}::${escapeData(messageOf(figure))}`;
    });
}

/** GitLab's code quality report (the format of Code Climate): an issue for each figure that regressed. */
export function codeQuality(result: RegressResult): string {
  const issues = result.figures
    .filter(({ verdict }) => verdict === 'regressed')
    .map((figure) => ({
      description: messageOf(figure),
      check_name: `regress ${figure.gate}`,
      fingerprint: createHash('sha256').update(`${figure.case}\n${figure.gate}\n${figure.name}`).digest('hex'),
      severity: 'major',
      location: { path: fileOf(result), lines: { begin: 1 } },
    }));
  return `${JSON.stringify(issues, null, 2)}\n`;
}

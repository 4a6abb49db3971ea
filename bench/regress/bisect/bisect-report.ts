/** The answer of `regress bisect` for people: as text, and as Markdown for a pull request. */

import { markerOf } from '../report/annotations.ts';
import { nameOf, percentText } from './bisect.ts';
import type { BisectResult } from './bisect-run.ts';
import type { FigureVerdict } from '../verdict/verdict.ts';

/** The change of a figure, with its interval. */
function changeText({ case: name, gate, name: what, changePercent, intervalPercent, pairs }: FigureVerdict): string {
  const { low, high } = intervalPercent;
  const ratio = `${(1 + changePercent / 100).toFixed(3)} times`;
  const interval =
    low === null || high === null ? 'too few pairs for an interval' : `${percentText(low)} to ${percentText(high)}`;
  return `${name}, ${gate}: ${what}: ${ratio}, ${percentText(changePercent)} (${interval}; ${pairs} pairs)`;
}

/** The answer in one line. */
export function bisectHeadline({ outcome, good, bad, answer }: BisectResult): string {
  if (outcome === 'found') {
    return `${answer!.found!.id} is the first slow commit: "${answer!.found!.title}"`;
  }
  if (outcome === 'not slower') {
    return `${nameOf(bad)} is not slower than ${nameOf(good)}: there is nothing to find`;
  }
  return answer === undefined
    ? `not to be told whether ${nameOf(bad)} is slower than ${nameOf(good)}: give more time, or use a quieter machine`
    : `not to be told: ${answer.why}`;
}

export function bisectText(result: BisectResult): string {
  const { figures, answer, builds, buildSeconds, tookSeconds } = result;
  const lines = figures.map((figure) => `bad against good: ${changeText(figure)}: ${figure.verdict}`);
  if (answer !== undefined) {
    const { found, suspects, parent, change, skipped, pairs } = answer;
    lines.push(...skipped.map((each) => `skipped: ${nameOf(each)}: ${each.why}`));
    lines.push(...(found === undefined ? suspects.map((each) => `it may be ${nameOf(each)}`) : []));
    if (change !== undefined) {
      lines.push(`against ${nameOf(parent)}: ${changeText(change)}`);
    }
    lines.push(`${pairs} pairs after those of the bad and the good commit, ${tookSeconds.toFixed(0)} s`);
    lines.push(`${builds} commits were built, or taken from the cache: ${buildSeconds.toFixed(0)} s of them`);
  }
  return [...lines, bisectHeadline(result)].join('\n');
}

/** Name of the mark, unless the user gives another. So it is no mark of a verdict. */
export const BISECT_NAME = 'bisect';

/** The answer behind a mark. Titles of commits stand in a block of code, where nothing in them has a meaning. */
export function bisectMarkdown(result: BisectResult, name = BISECT_NAME): string {
  const { outcome, answer, machine, seed } = result;
  const text = bisectText(result);
  const fence = '`'.repeat(Math.max(3, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length + 1)));
  return [
    `${markerOf(name)}\n## ct-bucket regress bisect: ${outcome === 'unclear' ? 'not to be told' : outcome}`,
    ...(answer?.found === undefined ? [] : [`First slow commit: ${answer.found.id}`]),
    `${fence}text\n${text}\n${fence}`,
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; load ${machine.loadAverage1m.toFixed(2)}; seed ${seed}`,
    '',
  ].join('\n\n');
}

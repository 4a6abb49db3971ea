/** A verdict as text, Markdown and JUnit. */

import { textColumns } from '../../../src/host/terminal.ts';
import { markdownTable, textTable, type ReportTable } from '../../report/table-text.ts';
import { causeLines } from '../causes/causes.ts';
import { counterLines, decidedCases } from './counter-report.ts';
import { stateLines } from './machine-states.ts';
import { linesOfMethods, type RegressResult } from '../run.ts';
import type { FigureVerdict } from '../verdict/verdict.ts';

export const signed = (value: number) => `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}\u00a0%`;

export function intervalText({ intervalPercent: { low, high } }: FigureVerdict): string {
  return low === null || high === null ? 'too few pairs' : `${signed(low)} to ${signed(high)}`;
}

/** A figure that has too few pairs, because the verdict was certain before. */
export function isUnjudged({ verdict, pairs, fewestPairs }: FigureVerdict, result: RegressResult): boolean {
  return verdict === 'inconclusive' && result.verdict === 'regressed' && pairs < fewestPairs;
}

/** The verdict on a figure, with its reason. */
export function verdictWord(figure: FigureVerdict, result: RegressResult): string {
  const { verdict, reason, accepted } = figure;
  return isUnjudged(figure, result)
    ? 'not judged: the verdict was certain before'
    : (accepted === undefined ? verdict : 'accepted') + (reason === undefined ? '' : `: ${reason}`);
}

export function figuresTable(result: RegressResult): ReportTable {
  const { figures } = result;
  return {
    title: 'Change of the head against the base (positive is worse)',
    head: ['case, figure', 'verdict', 'change', 'interval', 'tolerated', 'alarm', 'pairs', 'detectable slowdown'],
    rows: figures.map((figure) => ({
      cells: [
        `${figure.case}, ${figure.gate}: ${figure.name}`,
        verdictWord(figure, result),
        signed(figure.changePercent),
        intervalText(figure),
        signed(figure.tolerate),
        signed(figure.alarm),
        String(figure.pairs),
        figure.smallestEffectPercent === null ? 'huge only' : signed(figure.smallestEffectPercent),
      ],
    })),
  };
}

const SENTENCES = {
  fine: 'fine: every figure is below its alarm',
  regressed: 'REGRESSED',
  inconclusive:
    'inconclusive, which is not a pass: give more time (--seconds, or budgetSeconds in the configuration), or use a quieter machine',
} as const;

function sentenceOf({ verdict, counters, figures }: RegressResult): string {
  const cases = counters?.cases ?? [];
  if (verdict === 'fine' && cases.length > 0 && cases.every((each) => each.verdict === 'fine')) {
    return 'fine: both run the same compiled code';
  }
  if (verdict === 'regressed' && cases.some((each) => each.verdict === 'regressed')) {
    return `${SENTENCES.regressed} by exact counters`;
  }
  const isAccepted = figures.some(({ accepted }) => accepted !== undefined);
  return verdict === 'fine' && isAccepted ? 'accepted: no slowdown beyond those accepted' : SENTENCES[verdict];
}

/** Both builds and the verdict in a line. */
export function headline(result: RegressResult): string {
  const { base, head, tookSeconds } = result;
  const name = ({ label, commit }: RegressResult['base']) =>
    commit === undefined ? label : `${label} (${commit.slice(0, 10)})`;
  return `${name(head)} against ${name(base)}: ${sentenceOf(result)} (${tookSeconds.toFixed(0)} s)`;
}

export function regressText(result: RegressResult): string {
  const unseen =
    result.verdict === 'inconclusive' ? result.figures.filter(({ verdict }) => verdict === 'inconclusive') : [];
  return [
    ...(result.figures.length === 0 ? [] : [textTable(figuresTable(result), textColumns())]),
    ...counterLines(result),
    ...causeLines(result.causes),
    ...result.missing.map((line) => `not judged: ${line}`),
    ...unseen.map(
      ({ case: name, gate, name: figure, smallestEffectPercent }) =>
        `not detectable: ${name}, ${gate} ${figure}: ${
          smallestEffectPercent === null
            ? 'changes that are not huge, with so few pairs'
            : `changes below ${smallestEffectPercent.toFixed(1)} %`
        }`,
    ),
    headline(result),
  ].join('\n');
}

export function regressMarkdown(result: RegressResult): string {
  const { machine } = result;
  return [
    `## ct-bucket regress: ${result.verdict}`,
    headline(result),
    ...(result.figures.length === 0 ? [] : [markdownTable(figuresTable(result))]),
    ...[
      ...counterLines(result),
      ...causeLines(result.causes),
      ...linesOfMethods(result.methods ?? {}),
      ...result.missing.map((line) => `not judged: ${line}`),
    ].map((line) => `- ${line}`),
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; load ${machine.loadAverage1m.toFixed(2)}; seed ${result.seed}`,
    ...stateLines(result),
    '',
  ].join('\n\n');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** One test case for each figure. A regression is a failure, an inconclusive figure an error. */
export function regressJunit(result: RegressResult): string {
  const test = (figure: FigureVerdict): string => {
    const { case: name, gate, name: what, verdict, changePercent, reason, accepted } = figure;
    const message = escapeXml(
      `${signed(changePercent)} (${intervalText(figure)})${reason === undefined ? '' : `: ${reason}`}`,
    );
    const child =
      verdict === 'fine' || accepted !== undefined
        ? ''
        : verdict === 'regressed'
          ? `<failure message="regressed: ${message}"/>`
          : isUnjudged(figure, result)
            ? `<skipped message="${verdictWord(figure, result)}"/>`
            : `<error message="inconclusive: ${message}"/>`;
    return `  <testcase classname="${escapeXml(name)}" name="${escapeXml(`${gate}: ${what}`)}">${child}</testcase>`;
  };
  const { figures } = result;
  const decided = decidedCases(result).map(({ name, failure }) => {
    const child = failure === undefined ? '' : `<failure message="regressed: ${escapeXml(failure)}"/>`;
    return `  <testcase classname="${escapeXml(name)}" name="counters">${child}</testcase>`;
  });
  const failed = decided.filter((each) => each.includes('<failure')).length;
  const count = (verdict: FigureVerdict['verdict']) =>
    figures.filter(
      (figure) => figure.verdict === verdict && figure.accepted === undefined && !isUnjudged(figure, result),
    ).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="ct-bucket regress" tests="${figures.length + decided.length}" failures="${count('regressed') + failed}" errors="${count('inconclusive')}" skipped="${figures.filter((figure) => isUnjudged(figure, result)).length}" time="${result.tookSeconds.toFixed(1)}" timestamp="${result.time}">`,
    ...decided,
    ...figures.map(test),
    '</testsuite>',
    '',
  ].join('\n');
}

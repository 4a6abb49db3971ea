/** A verdict as text, Markdown and JUnit. */

import { textColumns } from '../../src/host/terminal.ts';
import { markdownTable, textTable, type ReportTable } from '../report/table-text.ts';
import { stateLines } from './machine-states.ts';
import { linesOfMethods, type RegressResult } from './run.ts';
import type { FigureVerdict } from './verdict.ts';

export const signed = (value: number) => `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}\u00a0%`;

export function intervalText({ intervalPercent: { low, high } }: FigureVerdict): string {
  return low === null || high === null ? 'too few pairs' : `${signed(low)} to ${signed(high)}`;
}

function figuresTable({ figures }: RegressResult): ReportTable {
  return {
    title: 'Change of B against A (positive is worse)',
    head: ['case, figure', 'verdict', 'change', 'interval', 'tolerated', 'alarm', 'pairs', 'detectable slowdown'],
    rows: figures.map((figure) => ({
      cells: [
        `${figure.case}, ${figure.gate}: ${figure.name}`,
        figure.verdict + (figure.reason === undefined ? '' : `: ${figure.reason}`),
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
  inconclusive: 'inconclusive, which is not a pass: give more time (budgetSeconds), or use a quieter machine',
} as const;

/** Both builds and the verdict in a line. */
export function headline({ base, head, verdict, tookSeconds }: RegressResult): string {
  const name = ({ label, commit }: RegressResult['base']) =>
    commit === undefined ? label : `${label} (${commit.slice(0, 10)})`;
  return `${name(head)} against ${name(base)}: ${SENTENCES[verdict]} (${tookSeconds.toFixed(0)} s)`;
}

export function regressText(result: RegressResult): string {
  const unseen =
    result.verdict === 'inconclusive' ? result.figures.filter(({ verdict }) => verdict === 'inconclusive') : [];
  return [
    textTable(figuresTable(result), textColumns()),
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
    markdownTable(figuresTable(result)),
    ...[...linesOfMethods(result.methods ?? {}), ...result.missing.map((line) => `not judged: ${line}`)].map(
      (line) => `- ${line}`,
    ),
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
    const { case: name, gate, name: what, verdict, changePercent, reason } = figure;
    const message = escapeXml(
      `${signed(changePercent)} (${intervalText(figure)})${reason === undefined ? '' : `: ${reason}`}`,
    );
    const child =
      verdict === 'fine'
        ? ''
        : verdict === 'regressed'
          ? `<failure message="regressed: ${message}"/>`
          : `<error message="inconclusive: ${message}"/>`;
    return `  <testcase classname="${escapeXml(name)}" name="${escapeXml(`${gate}: ${what}`)}">${child}</testcase>`;
  };
  const { figures } = result;
  const count = (verdict: FigureVerdict['verdict']) => figures.filter((figure) => figure.verdict === verdict).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="ct-bucket regress" tests="${figures.length}" failures="${count('regressed')}" errors="${count('inconclusive')}" time="${result.tookSeconds.toFixed(1)}" timestamp="${result.time}">`,
    ...figures.map(test),
    '</testsuite>',
    '',
  ].join('\n');
}

/** A verdict as one page of HTML, which needs no other file and no network: what changed, and why. */

import { doubtsAbout } from '../../machine/probe-rules.ts';
import { FLAME_STYLE, htmlFlameGraph } from '../../report/page/flame-graph.ts';
import { FOREST_STYLE, type ForestRow, htmlForest } from '../../report/page/forest.ts';
import { escapeText, folded, htmlTable, loud, page, paragraphs, section } from '../../report/page/page.ts';
import type { ReportTable } from '../../report/table-text.ts';
import type { CaseCauses } from '../causes/causes.ts';
import { counterLines } from './counter-report.ts';
import type { PhaseFinding } from '../counters/counter-findings.ts';
import { type MarkedResult, stateLines } from './machine-states.ts';
import { figuresTable, headline, intervalText, signed, verdictWord } from './report.ts';
import { linesOfMethods } from '../run.ts';
import type { FigureVerdict } from '../verdict/verdict.ts';

const STYLE = `<style>.verdict{border-left:.3em solid var(--soft);font-size:2em;font-weight:700;line-height:1.2;margin:.3em 0;padding:.1em 0 .1em .5em}
.verdict.regressed{border-color:var(--c1)}.verdict.fine{border-color:var(--c2)}</style>`;

export function htmlVerdict(result: MarkedResult): string {
  return page(`ct-bucket regress: ${result.verdict}`, [
    STYLE,
    FOREST_STYLE,
    FLAME_STYLE,
    `<p class="verdict ${result.verdict}">${escapeText(result.verdict.toUpperCase())}</p>`,
    paragraphs([headline(result)]),
    banner(result),
    states(result),
    section('What changed?', changes(result)),
    section('Why is it slower?', why(result)),
    section('Which counters changed?', counters(result)),
    section('What was accepted?', accepted(result)),
    section('How was it measured?', measurement(result)),
  ]);
}

/** Loud if the machine was not quiet. */
function banner(result: MarkedResult): string {
  const lines = stateLines(result);
  return doubtsAbout(result.machine).length > 0 || result.states !== undefined
    ? loud('NOT QUIET: both builds met this machine in turn, but its times are no figures to keep.', lines)
    : paragraphs(lines, 'soft');
}

function states({ base, head, machine }: MarkedResult): string {
  const named = ({ label, commit }: MarkedResult['base']) => (commit === undefined ? label : `${label} (${commit})`);
  return list([
    ['base (A)', named(base)],
    ['head (B)', named(head)],
    ['machine', `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
  ]);
}

function list(entries: readonly [string, string][]): string {
  return `<dl>${entries.map(([name, text]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(text)}</dd>`).join('')}</dl>`;
}

function changes(result: MarkedResult): string[] {
  const { figures, missing } = result;
  const rows = figures.map((figure) => forestRow(figure, result));
  const introduction =
    rows.length === 0
      ? []
      : [
          'Each point is the change of the head against the base, and the line through it is its interval. Right of zero is slower, or more.',
        ];
  return [
    paragraphs(introduction),
    htmlForest(rows),
    rows.length === 0 ? '' : folded('The figures as a table', htmlTable(figuresTable(result))),
    paragraphs(missing.map((line) => `not judged: ${line}`)),
    rows.length === 0 ? paragraphs(['No time was needed: the counters decided.']) : '',
  ];
}

function forestRow(figure: FigureVerdict, result: MarkedResult): ForestRow {
  const { case: name, gate, name: what, verdict, accepted: because, changePercent, tolerate, alarm } = figure;
  const { low, high } = figure.intervalPercent;
  const isGood = verdict === 'fine' || because !== undefined;
  return {
    name: `${name}, ${gate}: ${what}`,
    look: isGood ? 'good' : verdict === 'regressed' ? 'bad' : 'open',
    change: changePercent,
    low,
    high,
    tolerate,
    alarm,
    text: `${signed(changePercent)} (${intervalText(figure)}), ${verdictWord(figure, result)}`,
  };
}

/** Why there are no functions and no lock sites. */
const UNKNOWN =
  'Of a command, and of benchmark files for tinybench or vitest, regress knows only the times. With --module it also profiles the functions.';

function why(result: MarkedResult): string[] {
  const { verdict, causes, config } = result;
  if (verdict !== 'regressed') {
    return [];
  }
  if (causes === undefined || causes.length === 0) {
    const isOther = config.cases.every(({ workload }) => ['command', 'tinybench', 'vitest'].includes(workload));
    return [paragraphs([isOther ? UNKNOWN : 'No cause was sought.'])];
  }
  return causes.map(htmlCauses);
}

function htmlCauses({ case: name, sites, functions, profile, leftOut = [] }: CaseCauses): string {
  const siteTable: ReportTable = {
    title: 'Locks that are held longer',
    head: ['site', 'lock', 'hold before', 'hold after', 'change'],
    rows: sites.map(({ site, lock, before, after, changePercent }) => ({
      cells: [site, lock, `${before.toFixed(0)} ns`, `${after.toFixed(0)} ns`, signed(changePercent)],
    })),
  };
  const lines = functions.map(
    ({ name: of, percent }) => `Function ${of} takes ${percent.toFixed(1)} % of the whole time more than before.`,
  );
  const nothing =
    sites.length + functions.length === 0 ? ['No lock site and no function takes clearly more time.'] : [];
  const graph =
    profile === undefined ? '' : htmlFlameGraph({ label: `Flame graph of ${name}`, frames: profile.frames });
  return [
    `<h3>${escapeText(name)}</h3>`,
    sites.length === 0 ? '' : htmlTable(siteTable),
    paragraphs([...lines, ...nothing]),
    paragraphs(
      leftOut.map((line) => `Left out: ${line}.`),
      'soft',
    ),
    profile === undefined ? '' : paragraphs([profile.what], 'soft'),
    graph,
  ].join('\n');
}

const figure = (value: number): string => String(Number(value.toPrecision(4)));

function counters(result: MarkedResult): string[] {
  const phases = (result.counters?.cases ?? []).flatMap(({ case: name, phases: of }) =>
    of.map((phase) => ({ name, phase })),
  );
  const rowsOf = (cellsOf: (phase: PhaseFinding) => string[][]): ReportTable['rows'] =>
    phases.flatMap(({ name, phase }) =>
      cellsOf(phase).map((cells) => ({ cells: [`${name}, ${phase.phase}`, ...cells] })),
    );
  const kinds = rowsOf(({ kinds: of }) =>
    of.map(({ name, before, after, percent }) => [name, figure(before), figure(after), signed(percent)]),
  );
  const stages = rowsOf(({ stages: of }) =>
    of.map(({ stage, counter, before, after }) => [stage, counter, figure(before), figure(after)]),
  );
  const table = (title: string, head: string[], rows: ReportTable['rows']): string =>
    rows.length === 0 ? '' : htmlTable({ title, head: ['case, phase', ...head], rows });
  return [
    paragraphs(counterLines({ ...result, figures: [], acceptedNotes: [] })),
    table('Cost of a packet', ['counter', 'before', 'after', 'change of the cost'], kinds),
    table('By stage of the packet path, for a packet', ['stage', 'counter', 'before', 'after'], stages),
  ];
}

function accepted({ accepted: entries = [], acceptedNotes = [] }: MarkedResult): string[] {
  const rows = entries.map(({ case: name, gate, ratio, because }) => ({
    cells: [name, gate, signed((ratio - 1) * 100), because],
  }));
  const head = ['case', 'gate', 'accepted up to', 'because'];
  return [rows.length === 0 ? '' : htmlTable({ title: 'Accepted slowdowns', head, rows }), paragraphs(acceptedNotes)];
}

function measurement(result: MarkedResult): string[] {
  const { machine, time, seed, tookSeconds, methods = {} } = result;
  return [
    list([
      ['begin', time],
      ['duration', `${tookSeconds.toFixed(0)} s`],
      ['load', `${machine.loadAverage1m.toFixed(2)} in the last minute before`],
      ['seed', String(seed)],
    ]),
    paragraphs(linesOfMethods(methods)),
  ];
}

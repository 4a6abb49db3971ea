/** A page of HTML about a history: each figure over time, its levels, and the commits at which a level changed. */

import { NO_SCRIPT } from '../../report/html.ts';
import { htmlTable, page, paragraphs, section } from '../../report/page/page.ts';
import { plotScripts, plotStyle } from '../../report/page/page-texts.ts';
import { htmlPlot, type Plot, type PlotPoint } from '../../report/page/plot.ts';
import { median } from '../../statistics/statistics.ts';
import { changePoints, type ChangePoint } from './change-points.ts';
import { comparableEntries } from './machine-states.ts';
import type { HistoryEntry } from './result-file.ts';

/** The page stays below 1 MB with so many points. */
const MOST_POINTS = 2400;

/** A figure of one machine over time. */
interface Trend {
  figure: string;
  entries: HistoryEntry[];
  points: ChangePoint[];
}

interface MachineTrends {
  machine: string;
  trends: Trend[];
  note?: string;
}

const valueOf = ({ timesMs }: HistoryEntry, figure: string): number => timesMs[figure]!;
const timeText = (ms: number): string => `${Number(ms.toPrecision(4))} ms`;
const commitText = ({ commit, time }: HistoryEntry): string => `${commit.slice(0, 10)}, ${time.slice(0, 10)}`;
const changeText = (percent: number): string => `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;

function trendsOf(all: readonly HistoryEntry[]): MachineTrends[] {
  return [...new Set(all.map(({ machine }) => machine))].map((machine) => {
    const { entries, note } = comparableEntries(all.filter((entry) => entry.machine === machine));
    const figures = [...new Set(entries.flatMap(({ timesMs }) => Object.keys(timesMs)))];
    const trends = figures.map((figure) => {
      const own = entries.filter(({ timesMs }) => figure in timesMs);
      return { figure, entries: own, points: changePoints(own.map((entry) => valueOf(entry, figure))) };
    });
    return { machine, trends, ...(note === undefined ? {} : { note }) };
  });
}

/** The page of a history. @param entries in order of time */
export function htmlTrend(entries: readonly HistoryEntry[]): string {
  const machines = trendsOf(entries);
  const figures = machines.reduce((sum, { trends }) => sum + trends.length, 0);
  const most = Math.max(20, Math.floor(MOST_POINTS / Math.max(1, figures)));
  let plots = 0;
  const parts = machines.map(({ machine, trends, note }) =>
    section(machine, [
      paragraphs(note === undefined ? [] : [note], 'soft'),
      `<div class="side">${trends.map((trend) => htmlPlot(plotOf(trend, most), `trend-${plots++}`)).join('\n')}</div>`,
    ]),
  );
  return page('ct-bucket regress: trend', [
    plotStyle(),
    NO_SCRIPT,
    paragraphs([summary(entries)], 'soft'),
    section('What changed?', [changesPart(machines)]),
    ...parts,
    plotScripts(),
  ]);
}

function summary(entries: readonly HistoryEntry[]): string {
  const [first, last] = [entries[0], entries.at(-1)];
  return first === undefined || last === undefined
    ? 'The history is empty.'
    : `${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}, from ${commitText(first)} to ${commitText(last)}. ` +
        'Each machine has a part of its own, since times of different machines are not comparable.';
}

function changesPart(machines: readonly MachineTrends[]): string {
  const changes = machines.flatMap(({ machine, trends }) =>
    trends.flatMap(({ figure, entries, points }) =>
      points.map((point) => ({ machine, figure, entry: entries[point.at]!, ...point })),
    ),
  );
  if (changes.length === 0) {
    return paragraphs(['No figure changed its level. A change needs four entries before it and four after it.']);
  }
  /* The latest first. */
  const rows = changes
    .toSorted((a, b) => b.entry.time.localeCompare(a.entry.time))
    .map(({ machine, figure, entry, before, after, changePercent, p }) => ({
      cells: [
        figure,
        changeText(changePercent),
        commitText(entry),
        timeText(before),
        timeText(after),
        p.toFixed(3),
        machine,
      ],
    }));
  const head = ['figure', 'change', 'first commit of the new level', 'before', 'after', 'p', 'machine'];
  return htmlTable({ title: 'Changes of level, latest first', head, rows });
}

/** @param most newest entries that are drawn */
function plotOf({ figure, entries, points }: Trend, most: number): Plot {
  const from = Math.max(0, entries.length - most);
  const shown = entries.slice(from);
  const pointsOf = (of: (index: number) => number): PlotPoint[] =>
    shown.map((_, i) => ({ x: from + i + 1, y: of(from + i) }));
  const levels = levelsOf(entries, figure, points);
  const last = points.at(-1);
  const changed =
    last === undefined
      ? 'Its level did not change.'
      : `Last change: ${changeText(last.changePercent)} at ${commitText(entries[last.at]!)}.`;
  const left = from === 0 ? '' : ` The first ${from} entries are not drawn.`;
  return {
    caption: figure,
    explanation: `${changed} Less is better.${left}`,
    xLabel: 'entry',
    textX: (x) => `${x}: ${commitText(entries[x - 1]!)}`,
    unit: 'ms, or what the command prints',
    textY: timeText,
    isZoomed: true,
    series: [
      { name: 'median of the head', style: 0, kind: 'measured', points: pointsOf((i) => valueOf(entries[i]!, figure)) },
      { name: 'level', style: 1, kind: 'reference', points: pointsOf((i) => levels[i]!) },
    ],
  };
}

/** By entry: the median of the values between two change points. */
function levelsOf(entries: readonly HistoryEntry[], figure: string, points: readonly ChangePoint[]): number[] {
  const cuts = [0, ...points.map(({ at }) => at), entries.length];
  return cuts.slice(1).flatMap((end, i) => {
    const values = entries.slice(cuts[i], end).map((entry) => valueOf(entry, figure));
    return values.map(() => median(values));
  });
}

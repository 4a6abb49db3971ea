/** Rows of ratios to a reference at ×1: "What would Open vSwitch gain?", and "Which runtime?". */

import { distinct, type Extract, type Figure } from './data.ts';
import type { Picture } from './draw.ts';
import { rowsPanel } from './panels.ts';
import { ascending, commonOf, find, onlyOf, type Section } from './section.ts';
import { styleOf } from './styles.ts';
import { figureText, markdownTable, numberText, resultText, sizeText, threadsText, timesText } from './words.ts';

const OURS = 'ct-bucket';

/** Times of the least value from which on an axis is logarithmic. */
const LOG_TIMES = 5;

function isWide(figures: readonly Figure[]): boolean {
  const all = [1, ...figures.flatMap(({ value, low = value, high = value }) => [low, high])];
  return Math.max(...all) > LOG_TIMES * Math.min(...all);
}

function workText({ what, connections }: Pick<Figure, 'what' | 'connections'>): string {
  return `${resultText(what)}, ${sizeText(connections)}`;
}

function gainPicture(extract: Extract): Picture {
  const figures = onlyOf(extract.figures, 'timesOfOurs');
  const threads = ascending(figures.map((figure) => figure.threads));
  const rows = distinct(figures.map(workText)).map((label) => ({
    label,
    values: threads.flatMap((count) => {
      const figure = figures.find((each) => workText(each) === label && each.threads === count);
      return figure === undefined
        ? []
        : [{ ...figure, style: styleOf(threads.indexOf(count)), text: timesText(figure.value) }];
    }),
  }));
  const peers = distinct(figures.map(({ engine }) => engine)).join(', ');
  return {
    title: 'What would Open vSwitch gain?',
    lead: `Time of its C code (${peers}) / time of ct-bucket, for the same packets. Right of ×1 ct-bucket is faster.`,
    legend: threads.map((count, index) => ({ name: threadsText(count), style: styleOf(index) })),
    panels: [
      rowsPanel({
        title: 'Time of Open vSwitch / time of ct-bucket',
        rows,
        xLabel: isWide(figures) ? 'times (logarithmic)' : 'times',
        isLog: isWide(figures),
        reference: 1,
      }),
    ],
    columns: 1,
    ...commonOf(extract),
  };
}

function gainTable({ figures }: Extract): string {
  const ratios = onlyOf(figures, 'timesOfOurs');
  const times = onlyOf(figures, 'packetNs');
  const threads = ascending(ratios.map((figure) => figure.threads));
  const rows = distinct(ratios.map(workText)).map((label) => [
    label,
    ...threads.flatMap((count) => {
      const ratio = ratios.find((each) => workText(each) === label && each.threads === count);
      if (ratio === undefined) {
        return ['', ''];
      }
      const { source, what, connections, engine } = ratio;
      const key = { source, what, connections, threads: count };
      const ours = find(times, { ...key, engine: OURS })!;
      const theirs = find(times, { ...key, engine })!;
      return [`${numberText(ours.value)} / ${numberText(theirs.value)}`, figureText(ratio, timesText)];
    }),
  ]);
  const head = threads.flatMap((count) => [`${threadsText(count)}: ns, ct-bucket / C`, '×']);
  return markdownTable(['workload, connections', ...head], rows);
}

export const openVSwitch: Section = {
  name: 'open-vswitch',
  alt: 'Ratio of times of Open vSwitch and ct-bucket by workload and threads. The table has the same figures.',
  isWanted: ({ measure }) => measure === 'timesOfOurs' || measure === 'packetNs',
  picture: gainPicture,
  tables: gainTable,
};

/** The choices of the study, the reference first. */
function choicesOf({ figures }: Extract): string[] {
  return distinct(figures.map(({ engine }) => engine));
}

function columnText({ what, threads }: Pick<Figure, 'what' | 'threads'>): string {
  return `${resultText(what)}, ${threadsText(threads)}`;
}

function runtimePicture(extract: Extract): Picture {
  const figures = onlyOf(extract.figures, 'timesOfFirst');
  const [first = '', ...others] = choicesOf(extract);
  const panels = distinct(figures.map(columnText)).map((title) => {
    const rows = others.flatMap((label) => {
      const figure = figures.find((each) => each.engine === label && columnText(each) === title);
      return figure === undefined
        ? []
        : [{ label, values: [{ ...figure, style: styleOf(0), text: timesText(figure.value) }] }];
    });
    const isLog = isWide(figures);
    return rowsPanel({ title, rows, xLabel: `time / time of ${first}`, isLog, reference: 1, others: figures });
  });
  return {
    title: 'Which runtime is fastest?',
    lead: `Time on each runtime / time on ${first}. Left of ×1 it is faster.`,
    legend: [],
    panels,
    columns: 2,
    ...commonOf(extract),
  };
}

function runtimeTable(extract: Extract): string {
  const times = onlyOf(extract.figures, 'packetNs');
  const columns = distinct(times.map(columnText));
  const rows = choicesOf(extract).map((engine) => [
    engine,
    ...columns.map((column) => {
      const isHere = (each: Figure) => each.engine === engine && columnText(each) === column;
      const time = times.find(isHere);
      const ratio = onlyOf(extract.figures, 'timesOfFirst').find(isHere);
      const parts = [
        ...(time === undefined ? [] : [`${numberText(time.value)} ns`]),
        ...(ratio === undefined ? [] : [figureText(ratio, timesText)]),
      ];
      return parts.join(', ');
    }),
  ]);
  return markdownTable(['runtime', ...columns], rows);
}

export const runtime: Section = {
  name: 'runtime',
  alt: 'Ratio of the time on each runtime to that on the first, by workload. The table has the same figures.',
  isWanted: ({ measure }) => measure === 'timesOfFirst' || measure === 'packetNs',
  picture: runtimePicture,
  tables: runtimeTable,
};

/** "How far is it from the limit?": published hash tables, our engines, and Open vSwitch's C, on one core. */

import { distinct, type Extract, type Figure, type Published } from './data.ts';
import type { Picture } from './draw.ts';
import { type Row, rowsPanel } from './panels.ts';
import { commonOf, find, type Section } from './section.ts';
import { byEngine, engineStyle, FAINT, type Style } from './styles.ts';
import { figureText, markdownTable, numberText } from './words.ts';

const KINDS = [
  { what: 'udp-insert', title: 'Insertion', field: 'insertionNs' },
  { what: 'udp-lookup', title: 'Lookup', field: 'lookupNs' },
] as const;

const PUBLISHED: Style = { colour: FAINT.light, shape: 'circle' };

/** Others' figures, with the digits that they published. */
function rangeText([low, high]: readonly [number, number]): string {
  return low === high ? String(low) : `${low} to ${high}`;
}

function publishedRows(published: readonly Published[], field: 'insertionNs' | 'lookupNs'): Row[] {
  return published.flatMap(({ name, note, [field]: range }): Row[] => {
    if (range === undefined) {
      return [];
    }
    const [low, high] = range;
    const bounds = low === high ? {} : { low, high };
    const value = { value: Math.sqrt(low * high), ...bounds, style: PUBLISHED, isHollow: true, text: rangeText(range) };
    return [{ label: name, note, values: [value] }];
  });
}

function measuredRows(figures: readonly Figure[]): Row[] {
  return figures
    .toSorted((a, b) => byEngine(a.engine, b.engine))
    .map(({ engine, ...figure }): Row => {
      const value = { ...figure, style: engineStyle(engine), text: numberText(figure.value) };
      return { label: engine, note: 'whole packet', values: [value] };
    });
}

function picture(extract: Extract, published: readonly Published[]): Picture {
  const panels = KINDS.map(({ what, title, field }) =>
    rowsPanel({
      title,
      rows: [
        ...publishedRows(published, field),
        ...measuredRows(extract.figures.filter((figure) => figure.what === what)),
      ].toSorted((a, b) => a.values[0]!.value - b.values[0]!.value),
      xLabel: 'ns, one core (logarithmic)',
      isLog: true,
    }),
  );
  const engines = distinct(extract.figures.map(({ engine }) => engine)).toSorted(byEngine);
  return {
    title: 'How far is a connection tracker from the limit?',
    lead: 'ns for one insertion or lookup on one core. Lower is better. Published hash tables do only that; a tracker also parses, judges and answers the packet.',
    legend: [
      ...engines.map((engine) => ({ name: engine, style: engineStyle(engine) })),
      { name: 'published, other machines', style: PUBLISHED, isHollow: true },
    ],
    panels,
    columns: 2,
    ...commonOf(extract),
  };
}

function tables({ figures }: Extract, published: readonly Published[]): string {
  const measured = distinct(figures.map(({ engine }) => engine))
    .toSorted(byEngine)
    .map((engine) => [
      `**${engine}**, whole packet`,
      ...KINDS.map(({ what }) => {
        const figure = find(figures, { engine, what });
        return figure === undefined ? '' : figureText(figure);
      }),
      'this machine',
    ]);
  const others = published.map((each) => [
    `${each.name}, ${each.note}`,
    ...KINDS.map(({ field }) => {
      const range = each[field];
      return range === undefined ? '' : rangeText(range);
    }),
    each.source,
  ]);
  return markdownTable(['', 'insertion, ns', 'lookup, ns', 'source'], [...others, ...measured]);
}

export const limit: Section = {
  name: 'limit',
  alt: 'Time of an insertion and of a lookup: published hash tables, the engines, Open vSwitch. The table has the same figures.',
  isWanted: ({ measure, threads, what }) =>
    measure === 'packetNs' && threads === 1 && KINDS.some((kind) => kind.what === what),
  picture,
  tables,
};

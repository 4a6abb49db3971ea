/** "Hash, zone or thread?": connections a second by engine, threads and zones. */

import { distinct, type Extract, type Figure } from './data.ts';
import type { Picture } from './draw.ts';
import { linesPanel } from './panels.ts';
import { ascending, commonOf, find, onlyOf, type Section } from './section.ts';
import { byEngine, engineStyle } from './styles.ts';
import { figureText, markdownTable, numberText, resultText, sizeText, threadsText, timesText } from './words.ts';

function enginesOf(figures: readonly Figure[]): string[] {
  return distinct(figures.map(({ engine }) => engine)).toSorted(byEngine);
}

/** The cores of the smallest machine: only up to there is each thread as fast as it can be. */
function coresOf({ sources }: Extract): number {
  return Math.min(...sources.map(({ machine }) => machine.cores));
}

function picture(extract: Extract): Picture {
  const figures = onlyOf(extract.figures, 'millionConnectionsPerS');
  const engines = enginesOf(figures);
  const panels = distinct(figures.map(({ what }) => what)).map((what) => {
    const here = figures.filter((figure) => figure.what === what);
    return linesPanel({
      title: resultText(what),
      lines: engines.map((engine) => ({
        style: engineStyle(engine),
        points: here
          .filter((figure) => figure.engine === engine)
          .map((figure) => ({ ...figure, x: figure.threads }))
          .toSorted((a, b) => a.x - b.x),
      })),
      xs: ascending(here.map(({ threads }) => threads)),
      xLabel: 'threads',
      xText: String,
      yLabel: 'million connections a second',
      cores: coresOf(extract),
    });
  });
  return {
    title: 'Split the table by hash, by zone or by thread?',
    lead: 'Connections a second, all threads together. Higher is better.',
    legend: engines.map((engine) => ({ name: engine, style: engineStyle(engine) })),
    panels,
    columns: 2,
    ...commonOf(extract),
  };
}

function table(extract: Extract, measure: Figure['measure'], text: (value: number) => string): string {
  const figures = onlyOf(extract.figures, measure);
  const engines = enginesOf(figures);
  const cores = coresOf(extract);
  const rows = distinct(figures.map(({ what }) => what)).flatMap((what) => {
    const here = figures.filter((figure) => figure.what === what);
    return ascending(here.map(({ threads }) => threads)).map((threads) => [
      `${resultText(what)}, ${sizeText(here[0]!.connections)}`,
      threads > cores ? `${threads} (of ${cores} cores)` : String(threads),
      ...engines.map((engine) => {
        const figure = find(here, { engine, threads });
        return figure === undefined ? '' : figureText(figure, text);
      }),
    ]);
  });
  return rows.length === 0 ? '' : markdownTable(['result, connections', 'threads', ...engines], rows, 2);
}

function tables(extract: Extract): string {
  const speedUps = table(extract, 'speedUp', timesText);
  return [
    'Million connections a second:',
    table(extract, 'millionConnectionsPerS', numberText),
    ...(speedUps === '' ? [] : [`Times as fast as the same engine on ${threadsText(1)}:`, speedUps]),
  ].join('\n\n');
}

export const split: Section = {
  name: 'split',
  alt: 'Connections a second of each engine by threads, a panel for each workload. The tables have the same figures.',
  isWanted: ({ measure }) => measure === 'millionConnectionsPerS' || measure === 'speedUp',
  picture,
  tables,
};

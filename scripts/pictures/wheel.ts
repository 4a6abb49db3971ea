/** "Wheel or walk?": what it costs to find expired connections, and when they go. */

import { distinct, type Extract, type Figure, type Measure } from './data.ts';
import type { Picture } from './draw.ts';
import { linesPanel } from './panels.ts';
import { ascending, commonOf, find, type Section } from './section.ts';
import { byEngine, engineStyle } from './styles.ts';
import { figureText, markdownTable, numberText, sizeText, timesText } from './words.ts';

/** The default of the tracker. The picture shows one number of buckets; the table shows all. */
const BUCKETS = 1024;

interface Shown {
  measure: Measure;
  panel: string;
  unit: string;
  column: string;
  text?: (value: number) => string;
}

const SHOWN: readonly Shown[] = [
  { measure: 'lagP50Ms', panel: 'Lag of a removal, median', unit: 'ms after expiry', column: 'lag p50, ms' },
  { measure: 'lagP99Ms', panel: 'Lag of a removal, 99 %', unit: 'ms after expiry', column: 'lag p99, ms' },
  {
    measure: 'sweeperCpuPercent',
    panel: 'Sweeper while nothing expires',
    unit: '% of a core',
    column: 'sweeper, % of a core',
  },
  { measure: 'removalNs', panel: 'CPU time of a removal', unit: 'ns', column: 'a removal, ns' },
  { measure: 'bytesPerConnection', panel: 'Memory of a connection', unit: 'bytes', column: 'bytes/connection' },
  {
    measure: 'batchTailTimes',
    panel: 'Tail of batches (p99.9)',
    unit: 'with / without sweeper',
    column: 'batch p99.9 with / without sweeper',
    text: timesText,
  },
];

/** One number of buckets for each engine: the default if it was measured, otherwise the first. */
function oneNumberOfBuckets(figures: readonly Figure[]): Figure[] {
  const chosen = new Map<string, number | undefined>();
  for (const { engine, buckets } of figures) {
    if (!chosen.has(engine) || buckets === BUCKETS) {
      chosen.set(engine, buckets);
    }
  }
  return figures.filter(({ engine, buckets }) => chosen.get(engine) === buckets);
}

function picture(extract: Extract): Picture {
  const figures = oneNumberOfBuckets(extract.figures);
  const engines = distinct(figures.map(({ engine }) => engine)).toSorted(byEngine);
  const xs = ascending(figures.map(({ connections }) => connections));
  const panels = SHOWN.map(({ measure, panel, unit }) => ({
    title: panel,
    unit,
    here: figures.filter((figure) => figure.measure === measure),
  }))
    .filter(({ here }) => here.length > 0)
    .map(({ title, unit, here }) =>
      linesPanel({
        title,
        lines: engines.map((engine) => ({
          style: engineStyle(engine),
          points: here
            .filter((figure) => figure.engine === engine)
            .map((figure) => ({ ...figure, x: figure.connections }))
            .toSorted((a, b) => a.x - b.x),
        })),
        xs,
        xLabel: 'connections',
        xText: sizeText,
        yLabel: unit,
      }),
    );
  const buckets = distinct(figures.filter(({ engine }) => engine === 'ct-bucket').map((figure) => figure.buckets ?? 1));
  return {
    title: 'Find expired connections by a timer wheel, or by a walk?',
    lead: `Lower is better in each panel. ct-bucket walks ${buckets.join(', ')} buckets; wheel has the same buckets.`,
    legend: engines.map((engine) => ({ name: engine, style: engineStyle(engine) })),
    panels,
    columns: 3,
    ...commonOf(extract),
  };
}

function tables({ figures }: Extract): string {
  const keyOf = ({ connections, engine, buckets }: Figure) => ({ connections, engine, buckets: buckets ?? 1 });
  const keys = [...new Map(figures.map((figure) => [JSON.stringify(keyOf(figure)), keyOf(figure)])).values()].toSorted(
    (a, b) => a.connections - b.connections || byEngine(a.engine, b.engine) || a.buckets - b.buckets,
  );
  const rows = keys.map((key) => [
    key.engine,
    String(key.buckets),
    numberText(key.connections),
    ...SHOWN.map(({ measure, text }) => {
      const figure = find(figures, { ...key, measure });
      return figure === undefined ? '' : figureText(figure, text);
    }),
  ]);
  return markdownTable(['engine', 'buckets', 'connections', ...SHOWN.map(({ column }) => column)], rows);
}

export const wheel: Section = {
  name: 'wheel',
  alt: 'Lag, CPU, memory and batch tail of each engine by connections, a panel each. The table has the same figures.',
  isWanted: ({ measure }) => SHOWN.some((shown) => shown.measure === measure),
  picture,
  tables,
};

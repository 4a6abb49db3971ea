/**
 * A plot as a figure of the page: caption, explanation, legend, and a table with the same figures for those who do not see the plot.
 * `page-script.mjs` draws it in the browser from the JSON beside it.
 */

import type { ReportTable } from '../table-text.ts';
import { escapeText, folded, htmlTable } from './page.ts';
import { shapeOf, STYLES } from './palette.ts';
import type { PlotData, PlotKind } from './plot-data.ts';

export interface PlotPoint {
  x: number;
  y: number;
  low?: number;
  high?: number;
}

export interface PlotSeries {
  name: string;
  /** Number of the colour and shape. An engine has the same number in all plots. */
  style: number;
  /** Measured points are filled, predicted ones hollow and dashed. A reference is a dotted line without points. */
  kind: PlotKind;
  points: readonly PlotPoint[];
}

export interface Plot {
  caption: string;
  /** What the plot shows, and how to read it. */
  explanation: string;
  /** Name of the x axis, and a value of it as text: "2 threads". */
  xLabel: string;
  textX: (value: number) => string;
  /** Unit of the y axis. */
  unit: string;
  textY: (value: number) => string;
  series: readonly PlotSeries[];
  /** Base of a logarithmic x axis. Default: linear. */
  xBase?: 2 | 10;
  /** A linear y axis shows the range of the figures only, instead of beginning at zero. */
  isZoomed?: boolean;
  /** From this x on the background is shaded, with this text. */
  shade?: { beyond: number; text: string };
}

/** If the greatest figure is this many times the least, a linear axis hides the small ones. */
const LOG_FROM = 20;
const SHORTEST_LINE = 2;

/** Finite points only, in order of x. */
function shownPoints({ points }: PlotSeries): PlotPoint[] {
  return points.filter(({ y }) => Number.isFinite(y)).toSorted((a, b) => a.x - b.x);
}

/** Numbers of x at which anything is drawn. A line needs two. */
export function isLine({ series }: Plot): boolean {
  return new Set(series.flatMap((one) => shownPoints(one).map(({ x }) => x))).size >= SHORTEST_LINE;
}

function pointText({ y, low, high }: PlotPoint, textY: Plot['textY']): string {
  return low === undefined || high === undefined ? textY(y) : `${textY(y)} (${textY(low)} to ${textY(high)})`;
}

const rounded = (value: number): number => Number(value.toPrecision(6));

export function plotData(plot: Plot): PlotData {
  const { xLabel, xBase = 1, isZoomed = false, shade, textX, textY } = plot;
  const series = plot.series.map((one) => ({ ...one, points: shownPoints(one) }));
  const xs = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].toSorted((a, b) => a - b);
  const ys = series.flatMap(({ points }) => points.flatMap(({ y, low = y, high = y }) => [low, y, high]));
  const least = Math.min(...ys);
  return {
    xs,
    xTexts: xs.map(textX),
    xLabel,
    xBase,
    isLogY: least > 0 && Math.max(...ys) >= LOG_FROM * least,
    isZoomed,
    ...(shade === undefined ? {} : { shade }),
    series: series.map(({ style, kind, points }) => {
      const at = xs.map((x) => points.find((point) => point.x === x));
      const figures = (of: (point: PlotPoint) => number | undefined) =>
        at.map((point) => {
          const value = point === undefined ? undefined : of(point);
          return value === undefined ? null : rounded(value);
        });
      return {
        style: style % STYLES,
        kind,
        shape: kind === 'reference' ? '' : shapeOf(style),
        ys: figures(({ y }) => y),
        lows: figures(({ low }) => low),
        highs: figures(({ high }) => high),
        texts: at.map((point) => (point === undefined ? '' : pointText(point, textY))),
      };
    }),
  };
}

function plotTable({ caption, xLabel, unit, series }: Plot, data: PlotData): ReportTable {
  return {
    title: `${caption}, ${unit}`,
    head: [xLabel, ...series.map(({ name }) => name)],
    rows: data.xTexts.map((text, i) => ({ cells: [text, ...data.series.map(({ texts }) => texts[i]!)] })),
  };
}

function legendMark({ style, kind }: PlotSeries): string {
  const mark = kind === 'reference' ? '' : `<path class="mark" d="${shapeOf(style)}"/>`;
  return `<svg class="s${style % STYLES} ${kind}" viewBox="-15 -7 30 14" aria-hidden="true"><path class="line" d="M-15 0H15"/>${mark}</svg>`;
}

function legend({ series }: Plot): string {
  const entries = series.map(
    (one) =>
      `<li><button type="button" aria-pressed="true">${legendMark(one)}${escapeText(one.name)}</button><span class="value"></span></li>`,
  );
  return `<ul class="legend" aria-label="Lines. A button hides or shows its line.">${entries.join('')}</ul>`;
}

/** @param id of the figure, unique in the page */
export function htmlPlot(plot: Plot, id: string): string {
  const data = plotData(plot);
  const { caption, explanation, unit } = plot;
  const label = `Plot: ${caption}. The left and right arrow keys read its points.`;
  return [
    `<figure data-plot id="${id}" aria-labelledby="${id}-caption">`,
    `<figcaption><b id="${id}-caption">${escapeText(caption)}</b> ${escapeText(explanation)}</figcaption>`,
    `<p class="unit">${escapeText(unit)}</p>`,
    `<div class="plot" role="group" tabindex="0" aria-label="${escapeText(label)}"></div>`,
    `<p class="at"></p>${legend(plot)}<p class="hidden" aria-live="polite"></p>`,
    folded('The figures of this plot', htmlTable(plotTable(plot, data))),
    `<script type="application/json">${JSON.stringify(data).replaceAll('<', String.raw`\u003c`)}</script></figure>`,
  ].join('\n');
}

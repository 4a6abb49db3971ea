/** Plots as inline SVG: axes with units, intervals as bars. Measured points are filled, predicted ones hollow and dashed. */

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
  kind: 'measured' | 'predicted' | 'reference';
  points: readonly PlotPoint[];
  /** Draw the interval as a band instead of bars. `only`: draw no line, since no single value stands for the interval. */
  band?: 'around' | 'only';
}

export interface PlotOptions {
  title: string;
  xLabel: string;
  yLabel: string;
  series: readonly PlotSeries[];
  /** Both axes logarithmic, y to base 10. Default: linear, y from 0. */
  isLogY?: boolean;
  /** Base of the logarithmic x axis. */
  xBase?: 2 | 10;
  formatX?: (value: number) => string;
  formatY: (value: number) => string;
}

const WIDTH = 640;
const HEIGHT = 340;
const LEFT = 76;
const RIGHT = 18;
const TOP = 14;
const BOTTOM = 52;
/** Height of a line of the legend, and the approximate width of a letter. */
const LEGEND_LINE = 20;
const LETTER = 6.6;

export const STYLES = 6;

export function escapeText(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replaceAll(/[&<>"']/g, (letter) => names[letter]!);
}

interface Scale {
  at: (value: number) => number;
  ticks: number[];
}

/** @param id id of the title element within the page */
export function linePlot(options: PlotOptions, id: string): string {
  const { title, xLabel, yLabel, series, formatX = String, formatY, isLogY = false, xBase = 2 } = options;
  const points = series.flatMap((one) => one.points);
  const xs = points.map((point) => point.x);
  const ys = points.flatMap(({ y, low = y, high = y }) => [low, y, high]).filter((y) => Number.isFinite(y));
  const legend = legendOf(series);
  const bottom = HEIGHT - BOTTOM;
  const x = logScale(xs, xBase, [LEFT + 12, WIDTH - RIGHT - 12], xBase === 2);
  const y = isLogY ? logScale(ys, 10, [bottom, TOP]) : linearScale(Math.max(...ys), [bottom, TOP]);
  const height = HEIGHT + legend.lines * LEGEND_LINE;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}"><title id="${id}">${escapeText(title)}</title>`,
    ...y.ticks.map((tick) => horizontal(y.at(tick), formatY(tick))),
    ...thin(x).map((tick) => vertical(x.at(tick), formatX(tick))),
    `<path class="axis" d="M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}"/>`,
    `<text class="label" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${bottom + 40}" text-anchor="middle">${escapeText(xLabel)}</text>`,
    `<text class="label" transform="translate(14 ${(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text>`,
    ...series.map((one) => drawSeries(one, x, y)),
    legend.svg,
    '</svg>',
  ].join('\n');
}

function horizontal(at: number, label: string): string {
  return (
    `<path class="grid" d="M${LEFT} ${round(at)}H${WIDTH - RIGHT}"/>` +
    `<text class="tick" x="${LEFT - 8}" y="${round(at + 4)}" text-anchor="end">${escapeText(label)}</text>`
  );
}

function vertical(at: number, label: string): string {
  const bottom = HEIGHT - BOTTOM;
  return (
    `<path class="axis" d="M${round(at)} ${bottom}v5"/>` +
    `<text class="tick" x="${round(at)}" y="${bottom + 19}" text-anchor="middle">${escapeText(label)}</text>`
  );
}

function drawSeries({ name, style, kind, points, band }: PlotSeries, x: Scale, y: Scale): string {
  const shown = points.filter((point) => Number.isFinite(point.y)).toSorted((a, b) => a.x - b.x);
  const place = (point: PlotPoint, value = point.y) => `${round(x.at(point.x))} ${round(y.at(value))}`;
  const parts: string[] = [];
  const bounded = shown.filter((point) => point.low !== undefined && point.high !== undefined);
  if (band !== undefined && bounded.length > 1) {
    const edge = [...bounded.map((p) => place(p, p.high)), ...bounded.toReversed().map((p) => place(p, p.low))];
    parts.push(`<path class="band" d="M${edge.join('L')}Z"/>`);
  } else {
    parts.push(...bounded.map((p) => errorBar(x.at(p.x), y.at(p.low!), y.at(p.high!))));
  }
  if (shown.length > 1 && band !== 'only') {
    parts.push(`<path class="line" d="M${shown.map((point) => place(point)).join('L')}"/>`);
  }
  if (kind !== 'reference' && band !== 'only') {
    parts.push(...shown.map((point) => mark(style, x.at(point.x), y.at(point.y))));
  }
  return `<g class="${classes(style, kind, band)}"><title>${escapeText(name)}</title>${parts.join('')}</g>`;
}

function classes(style: number, kind: PlotSeries['kind'], band: PlotSeries['band']): string {
  return `s${style % STYLES} ${kind}${band === 'only' ? ' open' : ''}`;
}

function errorBar(x: number, low: number, high: number): string {
  const [left, right] = [round(x - 4), round(x + 4)];
  return `<path class="bar" d="M${left} ${round(low)}H${right}M${left} ${round(high)}H${right}M${round(x)} ${round(low)}V${round(high)}"/>`;
}

/** Circle, square, triangle, diamond, drop, cross: shapes tell engines apart without colour. */
function mark(style: number, x: number, y: number): string {
  const at = `${round(x)} ${round(y)}`;
  const shapes = [
    'm-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z',
    'm-4.5 -4.5h9v9h-9Z',
    'm0 -5.5l5.5 9.5h-11Z',
    'm0 -6l6 6l-6 6l-6 -6Z',
    'm0 5.5l-5.5 -9.5h11Z',
    'm-5.5 -2.5h3v-3h5v3h3v5h-3v3h-5v-3h-3Z',
  ];
  return `<path class="mark" d="M${at}${shapes[style % STYLES]!}"/>`;
}

/** Places entries side by side, in as many lines as they need. */
function legendOf(series: readonly PlotSeries[]): { lines: number; svg: string } {
  let x = LEFT;
  let line = 0;
  const entries = series.map(({ name, style, kind, band }) => {
    const width = 34 + name.length * LETTER + 16;
    if (x > LEFT && x + width > WIDTH) {
      x = LEFT;
      line++;
    }
    const y = HEIGHT + 6 + line * LEGEND_LINE;
    const sample =
      band === 'only'
        ? `<path class="band" d="M${round(x)} ${y - 6}h26v12h-26Z"/>`
        : `<path class="line" d="M${round(x)} ${y}h26"/>` + (kind === 'reference' ? '' : mark(style, x + 13, y));
    const entry =
      `<g class="${classes(style, kind, band)}">${sample}</g>` +
      `<text class="tick" x="${round(x + 33)}" y="${y + 4}">${escapeText(name)}</text>`;
    x += width;
    return entry;
  });
  return { lines: line + 1, svg: entries.join('') };
}

/** A logarithmic scale from the power of the base below the least value to the one above the greatest. `isTight`: ends at the values. */
function logScale(
  values: readonly number[],
  base: number,
  [from, to]: readonly [number, number],
  isTight = false,
): Scale {
  const log = (value: number) => Math.log(value) / Math.log(base);
  const positive = values.filter((value) => value > 0);
  const first = log(Math.min(...positive));
  const last = log(Math.max(...positive));
  const low = isTight ? first : Math.floor(first + 1e-9);
  const high = Math.max(isTight ? last : Math.ceil(last - 1e-9), low + (isTight ? 1e-9 : 1));
  const ticks: number[] = [];
  if (isTight) {
    ticks.push(...[...new Set(positive)].toSorted((a, b) => a - b));
  } else {
    for (let power = low; power <= high; power++) {
      ticks.push(base ** power);
    }
  }
  const isPoint = high - low < 1e-6;
  const at = (value: number) =>
    isPoint ? (from + to) / 2 : from + ((Math.max(log(value), low) - low) / (high - low)) * (to - from);
  return { ticks, at };
}

/** Drops labels of x ticks that would overlap. */
function thin({ ticks, at }: Scale): number[] {
  const kept: number[] = [];
  for (const tick of ticks) {
    const last = kept.at(-1);
    if (last === undefined || at(tick) - at(last) >= 26) {
      kept.push(tick);
    }
  }
  return kept;
}

function linearScale(greatest: number, [from, to]: readonly [number, number]): Scale {
  const end = greatest > 0 ? greatest : 1;
  const step = niceStep(end / 5);
  const top = Math.ceil(end / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  return { ticks, at: (value) => from + (Math.max(value, 0) / top) * (to - from) };
}

/** The smallest 1, 2 or 5 times a power of ten that is at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * (1 - 1e-9))!;
}

export interface Bar {
  label: string;
  style: number;
  value: number;
}

/** Horizontal bars, one in each line. */
export function barPlot(
  { title, bars, format }: { title: string; bars: readonly Bar[]; format: (value: number) => string },
  id: string,
): string {
  const left = Math.min(300, 20 + Math.max(...bars.map((bar) => bar.label.length)) * LETTER);
  const available = WIDTH - left - 110;
  const greatest = Math.max(...bars.map((bar) => bar.value));
  const rows = bars.map(({ label, style, value }, i) => {
    const y = 8 + i * 30;
    const width = (value / greatest) * available;
    return (
      `<g class="s${style % STYLES}"><text class="tick" x="${round(left - 8)}" y="${y + 15}" text-anchor="end">${escapeText(label)}</text>` +
      `<rect class="fill" x="${round(left)}" y="${y}" width="${round(width)}" height="20" rx="2"/>` +
      `<text class="tick" x="${round(left + width + 8)}" y="${y + 15}">${escapeText(format(value))}</text></g>`
    );
  });
  return `<svg viewBox="0 0 ${WIDTH} ${bars.length * 30 + 12}" role="img" aria-labelledby="${id}"><title id="${id}">${escapeText(title)}</title>${rows.join('\n')}</svg>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

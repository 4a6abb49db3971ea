/** The two kinds of panels: lines over threads or sizes, and rows of dots. Both draw intervals as bars. */

import * as Plot from '@observablehq/plot';
import { dotLook, type Panel } from './draw.ts';
import { BACK } from '../../bench/report/page/palette.ts';
import { FAINT, INK, type Style } from './styles.ts';
import { numberText } from './words.ts';

export interface Value {
  value: number;
  low?: number;
  high?: number;
}

export interface Line {
  style: Style;
  points: (Value & { x: number })[];
}

export interface LinesOptions {
  title: string;
  lines: readonly Line[];
  /** The values of the horizontal axis. They lie evenly apart. */
  xs: readonly number[];
  xLabel: string;
  xText: (x: number) => string;
  yLabel: string;
  /** Greatest x that is as good as measured: threads that have a core each. The panel marks what lies beyond. */
  cores?: number;
}

/** Times of the least value from which on an axis is logarithmic. */
const LOG_TIMES = 20;
const TICKS = [1, 2, 5];

function bounds(values: readonly Value[]): { least: number; most: number } {
  return {
    least: Math.min(...values.map(({ value, low }) => low ?? value)),
    most: Math.max(...values.map(({ value, high }) => high ?? value)),
  };
}

/** 1, 2 and 5 of each decade between the bounds; the decades alone if those would be too many. */
function logTicks(least: number, most: number, count: number): number[] {
  const decades: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    decades.push(power);
  }
  const all = decades.flatMap((power) => TICKS.map((tick) => Number(`${tick}e${power}`)));
  const within = (ticks: number[]) => ticks.filter((tick) => tick >= least && tick <= most);
  const fine = within(all);
  return fine.length <= count ? fine : within(decades.map((power) => Number(`1e${power}`)));
}

function tickText(tick: number): string {
  return tick >= 1e4 ? numberText(tick) : String(tick);
}

interface Axis {
  type: 'log' | 'linear';
  domain: [number, number];
  ticks: number[] | number;
}

/** An axis from zero, or a logarithmic one if the range needs that. */
function axisOf(values: readonly Value[], count: number): Axis {
  const { least, most } = bounds(values);
  if (least > 0 && most > LOG_TIMES * least) {
    const [from, to] = [least / 1.3, most * 1.3];
    return { type: 'log', domain: [from, to], ticks: logTicks(from, to, count + 3) };
  }
  return { type: 'linear', domain: [Math.min(0, least), most * 1.05], ticks: count };
}

/** Pixels between the intervals of two lines at the same x. */
const APART_PX = 4;

export function linesPanel(options: LinesOptions): Panel {
  const { title, lines, xs, xLabel, xText, yLabel, cores = Number.POSITIVE_INFINITY } = options;
  const axis = axisOf(
    lines.flatMap(({ points }) => points),
    4,
  );
  const at = (x: number) => xs.indexOf(x);
  const beyond = xs.filter((x) => x > cores);
  const firstBeyond = beyond.length === 0 ? undefined : at(Math.min(...beyond)) - 0.5;
  const marks = lines.flatMap(({ style, points }, index) => {
    const dx = (index - (lines.length - 1) / 2) * APART_PX;
    const place = { x: ({ x }: { x: number }) => at(x), dx };
    return [
      Plot.line(points, { ...place, y: 'value', stroke: style.colour, strokeWidth: 2 }),
      Plot.ruleX(
        points.filter(({ low }) => low !== undefined),
        { ...place, y1: 'low', y2: 'high', stroke: style.colour, strokeWidth: 2 },
      ),
      Plot.dot(points, { ...place, y: 'value', ...dotLook(style) }),
    ];
  });
  const shade =
    firstBeyond === undefined
      ? []
      : [
          Plot.rect([0], {
            x1: () => firstBeyond,
            x2: () => xs.length - 0.5,
            y1: () => axis.domain[0],
            y2: () => axis.domain[1],
            fill: FAINT.light,
            fillOpacity: 0.16,
          }),
          Plot.text([0], {
            x: () => xs.length - 0.5,
            y: () => axis.domain[1],
            text: () => `more than ${cores} cores`,
            textAnchor: 'end',
            lineAnchor: 'bottom',
            dy: -3,
            fill: INK.light,
          }),
        ];
  return {
    title,
    height: 210,
    plot: {
      marginLeft: 48,
      marginRight: 14,
      marginTop: 40,
      marginBottom: 40,
      x: {
        type: 'linear',
        domain: [-0.5, xs.length - 0.5],
        ticks: xs.map((_, index) => index),
        tickFormat: (index: number) => xText(xs[index]!),
        tickSize: 0,
        label: xLabel,
        labelArrow: 'none',
        labelAnchor: 'center',
      },
      y: {
        ...axis,
        nice: axis.type === 'linear',
        tickFormat: tickText,
        grid: true,
        label: yLabel,
        labelArrow: 'none',
        tickSize: 0,
      },
      marks: [...shade, ...marks],
    },
  };
}

export interface Row {
  label: string;
  /** Beside the label, fainter. */
  note?: string;
  values: (Value & { style: Style; text: string; isHollow?: boolean })[];
}

export interface RowsOptions {
  title: string;
  rows: readonly Row[];
  xLabel: string;
  isLog: boolean;
  /** A line at this value. */
  reference?: number;
  /** Values that lie on the axis, too, so that panels have the same one. */
  others?: readonly Value[];
}

/** Heights of a row's label, and of each dot below it. */
const LABEL_PX = 19;
const VALUE_PX = 18;
/** Free pixels at both ends of the axis, for dots and their texts. */
const INSET_PX = { left: 10, right: 62 } as const;

interface PlacedRow extends Row {
  top: number;
}

/** The labels stand above their dots, so that a phone has the whole width for the axis. */
function placeRows(rows: readonly Row[]): { placed: PlacedRow[]; heightPx: number } {
  let top = 0;
  const placed = rows.map((row): PlacedRow => {
    const here = { ...row, top };
    top += LABEL_PX + row.values.length * VALUE_PX + 6;
    return here;
  });
  return { placed, heightPx: top };
}

export function rowsPanel({ title, rows, xLabel, isLog, reference, others = [] }: RowsOptions): Panel {
  const { placed, heightPx } = placeRows(rows);
  const values = placed.flatMap(({ values: all, top }) =>
    all.map((each, index) => ({ ...each, y: top + LABEL_PX + (index + 0.5) * VALUE_PX })),
  );
  const { least, most } = bounds([...values, ...others, ...(reference === undefined ? [] : [{ value: reference }])]);
  const domain: [number, number] = isLog ? [least, most] : [Math.min(0, least), most];
  const marks = values.flatMap((each) => {
    const { style, isHollow, text, value, high = value, y } = each;
    const bar = { x1: 'low', x2: 'high', y: () => y, stroke: style.colour, strokeWidth: 3 };
    return [
      ...(each.low === undefined ? [] : [Plot.ruleY([each], bar)]),
      Plot.dot([each], { x: 'value', y: () => y, ...dotLook(style, isHollow) }),
      Plot.text([each], {
        x: () => high,
        y: () => y,
        text: () => text,
        dx: 9,
        textAnchor: 'start',
        fill: INK.light,
        stroke: BACK.light,
        strokeWidth: 3,
      }),
    ];
  });
  const labelled = {
    y: ({ top }: PlacedRow) => top + LABEL_PX - 5,
    frameAnchor: 'left',
    lineAnchor: 'bottom',
  } as const;
  const margins = { marginLeft: 2, marginRight: 2, marginTop: 4, marginBottom: 40 };
  return {
    title,
    height: heightPx + margins.marginTop + margins.marginBottom,
    plot: {
      ...margins,
      x: {
        type: isLog ? 'log' : 'linear',
        domain,
        insetLeft: INSET_PX.left,
        insetRight: INSET_PX.right,
        ticks: isLog ? logTicks(least / 1.01, most * 1.01, 7) : 4,
        tickFormat: tickText,
        grid: true,
        tickSize: 0,
        label: xLabel,
        labelArrow: 'none',
        labelAnchor: 'center',
      },
      y: { type: 'linear', domain: [heightPx, 0], axis: null },
      marks: [
        ...(reference === undefined ? [] : [Plot.ruleX([reference], { stroke: INK.light, strokeWidth: 1.5 })]),
        Plot.text(placed, {
          ...labelled,
          text: ({ label, note }: Row) => (note === undefined ? label : `${label}, ${note}`),
          textAnchor: 'start',
          fill: INK.light,
          stroke: BACK.light,
          strokeWidth: 6,
        }),
        ...marks,
      ],
    },
  };
}

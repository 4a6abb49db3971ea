/**
 * Draws a picture: question, warning, legend, panels, foot. Observable Plot draws the panels, into a document without a browser.
 * The result is the same on each machine: no clock, no random number, no font is measured, and coordinates are rounded.
 */

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { BACK } from '../../bench/report/page/palette.ts';
import { ALARM, FAINT, INK, type Style, STYLE_SHEET } from './styles.ts';

export interface Panel {
  title: string;
  height: number;
  plot: Plot.PlotOptions;
}

export interface Picture {
  /** The question that the picture answers. */
  title: string;
  /** What is shown, and which direction is better. */
  lead: string;
  /** Reasons not to trust the figures. */
  doubts: readonly string[];
  legend: readonly { name: string; style: Style; isHollow?: boolean }[];
  panels: readonly Panel[];
  /** Source, date and state of the machine. */
  foot: readonly string[];
  /** Panels side by side in the wide form. */
  columns: number;
}

/** Both fit without being made smaller: a phone of 360 pixels leaves about 328 for a picture, GitHub's page about 830. */
export const WIDTHS = { narrow: 328, wide: 800 } as const;
export type Form = keyof typeof WIDTHS;

export const TEXT_PX = 13;
const TITLE_PX = 17;
const PAD_PX = 12;
const GAP_PX = 16;
/** Widths of characters of the usual fonts, as a share of the size. A little more than the mean, so that no line is too long. */
const CHARACTER = { plain: 0.54, bold: 0.6 } as const;

/** What is used of a document, which is not a browser's. */
interface SvgElement {
  readonly outerHTML: string;
  append(...inner: (SvgElement | string)[]): void;
  querySelector(selector: string): { remove(): void } | null;
  removeAttribute(name: string): void;
  setAttribute(name: string, value: string): void;
}

const { document } = parseHTML('<html><body></body></html>') as unknown as {
  document: { createElementNS(space: string, name: string): SvgElement };
};

function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...inner: (SvgElement | string)[]
): SvgElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, String(value));
  }
  made.append(...inner);
  return made;
}

interface Lettering {
  px?: number;
  isBold?: boolean;
  colour?: string;
}

function characterPx({ px = TEXT_PX, isBold = false }: Lettering): number {
  return px * (isBold ? CHARACTER.bold : CHARACTER.plain);
}

/** Breaks a text into lines of at most `widthPx`. */
export function wrap(text: string, widthPx: number, lettering: Lettering = {}): string[] {
  const most = Math.floor(widthPx / characterPx(lettering));
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > most) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = `${last} ${word}`;
    }
  }
  return lines;
}

/** Piles parts from top to bottom. */
class Pile {
  readonly parts: SvgElement[] = [];
  readonly width: number;
  y: number = PAD_PX;

  constructor(width: number) {
    this.width = width;
  }

  get inner(): number {
    return this.width - 2 * PAD_PX;
  }

  text(text: string, lettering: Lettering = {}, left: number = PAD_PX): void {
    const { px = TEXT_PX, isBold = false, colour = INK.light } = lettering;
    for (const line of wrap(text, this.width - left - PAD_PX, lettering)) {
      const at = { x: left, y: this.y + px, 'font-size': px, fill: colour };
      this.parts.push(element('text', isBold ? { ...at, 'font-weight': 600 } : at, line));
      this.y += Math.round(px * 1.35);
    }
  }

  gap(px: number): void {
    this.y += px;
  }
}

/** The loudest part of a picture: the machine was busy. */
function addAlarm(pile: Pile, doubts: readonly string[]): void {
  if (doubts.length === 0) {
    return;
  }
  const top = pile.y;
  const at = pile.parts.length;
  pile.gap(6);
  pile.text('NOT QUIET: do not trust these figures.', { isBold: true, px: 15 }, 2 * PAD_PX);
  pile.text(`While they were measured: ${doubts.join('; ')}.`, {}, 2 * PAD_PX);
  pile.gap(6);
  const box = { x: PAD_PX, y: top, width: pile.inner, height: pile.y - top, rx: 4, fill: ALARM.light };
  pile.parts.splice(at, 0, element('rect', { ...box, stroke: INK.light }));
  pile.gap(10);
}

function plotOf(options: Plot.PlotOptions, x: number, y: number): SvgElement {
  const svg = Plot.plot({
    ...options,
    document,
    style: { fontSize: `${TEXT_PX}px` },
  } as Plot.PlotOptions) as unknown as SvgElement;
  svg.querySelector('style')?.remove();
  svg.removeAttribute('class');
  svg.setAttribute('x', String(x));
  svg.setAttribute('y', String(y));
  return svg;
}

const LEGEND_ROW_PX = 20;

/** Entries from left to right, in as many rows as needed. */
function addLegend(pile: Pile, legend: Picture['legend']): void {
  if (legend.length === 0) {
    return;
  }
  let x = 8;
  let row = 0;
  const entries = legend.map((entry) => {
    const width = 30 + entry.name.length * characterPx({});
    if (x > 8 && x + width > pile.inner) {
      x = 8;
      row++;
    }
    const place = { ...entry, x, y: LEGEND_ROW_PX / 2 + row * LEGEND_ROW_PX };
    x += width;
    return place;
  });
  const height = (row + 1) * LEGEND_ROW_PX;
  const marks = entries.flatMap(({ name, style, isHollow = false, x: left, y }) => [
    Plot.dot([[left, y]], { ...dotLook(style, isHollow) }),
    Plot.text([[left, y]], { text: () => name, dx: 11, textAnchor: 'start', fill: INK.light }),
  ]);
  const identity = { axis: null, type: 'identity' } as const;
  const plot = { width: pile.inner, height, margin: 0, x: identity, y: identity, marks };
  pile.parts.push(plotOf(plot, PAD_PX, pile.y));
  pile.gap(height + 6);
}

/** A symbol in its colour, with a rim of the page's colour where symbols lie on one another. */
export function dotLook({ colour, shape }: Style, isHollow = false): Plot.DotOptions {
  return isHollow
    ? { symbol: shape, r: 4.5, fill: BACK.light, stroke: colour, strokeWidth: 2 }
    : { symbol: shape, r: 4.5, fill: colour, stroke: BACK.light, strokeWidth: 0.75 };
}

/** Makes the options of a panel fit its width. */
function addPanels(pile: Pile, panels: readonly Panel[], columns: number): void {
  const width = Math.floor((pile.inner - GAP_PX * (columns - 1)) / columns);
  for (let first = 0; first < panels.length; first += columns) {
    const row = panels.slice(first, first + columns);
    const heads = row.map(({ title }, column) => {
      const x = PAD_PX + column * (width + GAP_PX);
      const head = new Pile(x + width + PAD_PX);
      head.y = pile.y;
      head.text(title, { isBold: true, px: 14 }, x);
      return { head, x };
    });
    /* The plots of a row begin at the same height, also if one title takes two lines. */
    const top = Math.max(...heads.map(({ head }) => head.y));
    for (const [column, { height, plot }] of row.entries()) {
      const { head, x } = heads[column]!;
      pile.parts.push(...head.parts, plotOf({ ...plot, width, height }, x, top));
    }
    pile.y = top + Math.max(...row.map(({ height }) => height)) + 10;
  }
}

/** Rounds the numbers in attributes to hundredths of a pixel. Processors differ in the last digits of a logarithm. */
function rounded(svg: string): string {
  return svg.replaceAll(/="[^"]*"/g, (attribute) =>
    attribute.replaceAll(/-?\d+\.\d{3,}(?:e-?\d+)?/g, (number) => String(Number(Number(number).toFixed(2)) + 0)),
  );
}

/** @returns a file of SVG that needs no other file */
export function drawPicture(picture: Picture, form: Form): string {
  const { title, lead, doubts, legend, panels, foot, columns } = picture;
  const pile = new Pile(WIDTHS[form]);
  pile.text(title, { px: TITLE_PX, isBold: true });
  pile.gap(2);
  pile.text(lead, { colour: FAINT.light });
  pile.gap(8);
  addAlarm(pile, doubts);
  addLegend(pile, legend);
  addPanels(pile, panels, form === 'wide' ? columns : 1);
  for (const line of foot) {
    pile.text(line, { colour: FAINT.light });
  }
  pile.gap(PAD_PX);
  const height = Math.ceil(pile.y);
  const { width } = pile;
  const frame = { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, fill: BACK.light, stroke: FAINT.light };
  const svg = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'font-family': "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif",
      'font-size': TEXT_PX,
      color: INK.light,
    },
    element('title', {}, title),
    element('desc', {}, lead),
    element('style', {}, STYLE_SHEET),
    element('rect', { ...frame, 'stroke-opacity': 0.35 }),
    ...pile.parts,
  );
  return `${rounded(svg.outerHTML).replaceAll(/><(?=\/?(?:g|svg)\b|(?:desc|line|path|rect|style|text|title)\b)/g, '>\n<')}\n`;
}

/** Horizontal bars, in a table: the figure stands beside its bar, so the page needs no script and no other text for it. */

import { escapeText } from './page.ts';
import { STYLES } from './palette.ts';

export interface Bar {
  name: string;
  style: number;
  value: number;
  /** Interval of the value. */
  low?: number;
  high?: number;
  text: string;
}

export interface BarFigure {
  caption: string;
  explanation: string;
  bars: readonly Bar[];
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))}%`;

export function htmlBars({ caption, explanation, bars }: BarFigure): string {
  const greatest = Math.max(...bars.map(({ value, high = value }) => high));
  const rows = bars.map(({ name, style, value, low, high, text }) => {
    const whisker =
      low === undefined || high === undefined
        ? ''
        : `<i style="--low:${percent(low / value)};--span:${percent((high - low) / value)}"></i>`;
    return (
      `<tr class="s${style % STYLES}"><th scope="row">${escapeText(name)}</th>` +
      `<td class="bar"><span style="--w:${percent(value / greatest)}">${whisker}</span></td><td>${escapeText(text)}</td></tr>`
    );
  });
  return (
    `<figure><figcaption><b>${escapeText(caption)}</b> ${escapeText(explanation)}</figcaption>` +
    `<table class="bars"><tbody>${rows.join('\n')}</tbody></table></figure>`
  );
}

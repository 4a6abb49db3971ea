/** What a section of docs/findings.md is made of, and what all sections share. */

import { type Extract, type Figure, type Published, distinct, doubtsOf } from './data.ts';
import type { Picture } from './draw.ts';

export interface Section {
  /** Name of docs/data/NAME.json, sections/NAME.md and the pictures. */
  name: string;
  /** Describes the picture to those who do not see it. */
  alt: string;
  /** Figures of result files that the section shows. */
  isWanted: (figure: Figure) => boolean;
  picture: (extract: Extract, published: readonly Published[]) => Picture;
  /** Tables in Markdown. They show every figure of the picture. */
  tables: (extract: Extract, published: readonly Published[]) => string;
}

export function onlyOf(figures: readonly Figure[], measure: Figure['measure']): Figure[] {
  return figures.filter((figure) => figure.measure === measure);
}

export function find(figures: readonly Figure[], key: Partial<Figure>): Figure | undefined {
  return figures.find((figure) => Object.entries(key).every(([name, value]) => figure[name as keyof Figure] === value));
}

export function ascending(values: Iterable<number>): number[] {
  return distinct(values).toSorted((a, b) => a - b);
}

/** "3 runs", "1 to 5 runs". */
export function runsText(figures: readonly Figure[]): string {
  const runs = ascending(figures.map((figure) => figure.runs));
  const [least, most] = [runs[0]!, runs.at(-1)!];
  return least === most ? `${most} run${most === 1 ? '' : 's'}` : `${least} to ${most} runs`;
}

/** The last lines of a picture. */
export function footOf({ sources, figures }: Extract): string[] {
  const dates = distinct(sources.map(({ date }) => date)).toSorted();
  const intervals = figures.some(({ low }) => low !== undefined) ? 'bars are 95 % intervals' : 'too few for intervals';
  return [
    `Medians of ${runsText(figures)}; ${intervals}. ${dates.join(', ')}.`,
    ...distinct(sources.map(({ machine }) => `${machine.name}.`)),
  ];
}

/** The members of a picture that follow from the data alone. */
export function commonOf(extract: Extract): Pick<Picture, 'doubts' | 'foot'> {
  return { doubts: doubtsOf(extract), foot: footOf(extract) };
}

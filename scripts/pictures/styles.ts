/**
 * Colours and shapes of what is compared. Each engine has the same ones in all pictures. The colours are those of the reports'
 * page (bench/report/page/palette.ts), after Okabe and Ito: readers with any kind of colour blindness can tell them apart.
 * Shapes differ, too.
 */

import { BACK, COLOURS } from '../../bench/report/page/palette.ts';

/** Marks have the light colours. A rule of the style sheet replaces them in the dark. */
const NUMBERS: Readonly<Record<string, number>> = {
  'ct-bucket': 0,
  zones: 1,
  shards: 2,
  wheel: 3,
  baseline: 5,
  'ct-scale': 6,
  replicas: 7,
};
/** Open vSwitch's C, and whatever else is not one of our engines. */
const OTHER = 4;

const SYMBOLS = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'wye', 'hexagon'] as const;
export type Shape = (typeof SYMBOLS)[number];

export interface Style {
  colour: string;
  shape: Shape;
}

export const INK = { light: '#1c2128', dark: '#e6edf3' } as const;
/** Lines and texts that are less important. Contrast with the page at least 4.5 to 1. */
export const FAINT = { light: '#57606a', dark: '#9198a1' } as const;
/** Behind the warning that the machine was busy. */
export const ALARM = { light: '#ffd8a8', dark: '#7a3600' } as const;

export function styleOf(number: number): Style {
  return { colour: COLOURS.light[number % COLOURS.light.length]!, shape: SYMBOLS[number % SYMBOLS.length]! };
}

export function engineStyle(engine: string): Style {
  return styleOf(NUMBERS[engine] ?? OTHER);
}

/** Engines in the order of the legend: ours first. */
export function byEngine(a: string, b: string): number {
  const rank = (engine: string) => NUMBERS[engine] ?? OTHER + 100;
  return rank(a) - rank(b);
}

const PAIRS: readonly (readonly [string, string])[] = [
  ...COLOURS.light
    .map((light, index) => [light, COLOURS.dark[index]!] as const)
    .filter(([light]) => light !== INK.light),
  [INK.light, INK.dark],
  [FAINT.light, FAINT.dark],
  [ALARM.light, ALARM.dark],
  [BACK.light, BACK.dark],
];

/** The style sheet of a picture. Programs that know no style sheets show the light picture. */
export const STYLE_SHEET = [
  'text{white-space:pre}',
  '@media(prefers-color-scheme:dark){',
  `svg{color:${INK.dark}}`,
  ...PAIRS.map(([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`),
  '}',
].join('');

/**
 * Colours and shapes of the participants in a plot.
 *
 * The colours are those of Okabe and Ito (2008, "Color Universal Design"). Some are darker or lighter, so that each has a contrast of
 * at least 3 to 1 with the page (WCAG 2.2, 1.4.11). Readers with any kind of colour blindness can tell the first five apart. The
 * shapes differ for all eight.
 */

/** The page behind the colours. */
export const BACK = { light: '#ffffff', dark: '#0d1117' } as const;

export const COLOURS = {
  light: ['#0072b2', '#d55e00', '#009e73', '#c4679b', '#1c2128', '#b07a00', '#3a9bd9', '#8a8000'],
  dark: ['#56b4e9', '#e69f00', '#009e73', '#cc79a7', '#e6edf3', '#d55e00', '#0080c8', '#f0e442'],
} as const;

/** Outlines around the point 0,0, as paths of SVG: circle, square, triangle, diamond, falling triangle, plus, bar, slab. */
export const SHAPES = [
  'M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z',
  'M-4.5 -4.5h9v9h-9Z',
  'M0 -5.5l5.5 9.5h-11Z',
  'M0 -6l6 6l-6 6l-6 -6Z',
  'M0 5.5l-5.5 -9.5h11Z',
  'M-5.5 -2h3.5v-3.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5Z',
  'M-2 -6h4v12h-4Z',
  'M-6 -2h12v4h-12Z',
] as const;

export const STYLES = SHAPES.length;

/** Numbers from eight on repeat the colours, each with the shape of another one. */
export function shapeOf(style: number): string {
  return SHAPES[(style + 3 * Math.floor(style / STYLES)) % STYLES]!;
}

/** The colours of plots can be told apart, also by colour-blind readers, in light and in dark mode. */

import { describe, expect, it } from 'vitest';
import { BACK, COLOURS, SHAPES, shapeOf } from '../../../bench/report/page/palette.ts';

type Triple = [number, number, number];

/** Linear light of a colour such as #0072b2. */
function linear(colour: string): Triple {
  return [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

/** WCAG 2.2. */
function contrast(a: string, b: string): number {
  const [low, high] = [a, b]
    .map((colour) => {
      const [red, green, blue] = linear(colour);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .toSorted((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Vision without one kind of cone, in linear light (Machado, Oliveira and Fernandes, 2009). */
const VISIONS: Record<string, readonly Triple[]> = {
  full: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** CIE 1976 L*a*b*, white D65. */
function labOf(colour: string, vision: readonly Triple[]): Triple {
  const light = linear(colour);
  const [red, green, blue] = vision.map((row) =>
    Math.max(0, row[0] * light[0] + row[1] * light[1] + row[2] * light[2]),
  ) as Triple;
  const root = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
  const y = root(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  const z = root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** A distance of 2.3 is just noticeable side by side. Thin lines apart need several times that. */
const LEAST_DISTANCE = 15;

describe.each(['light', 'dark'] as const)('in %s mode', (mode) => {
  it('each colour has a contrast of at least 3 to 1 with the page', () => {
    expect(COLOURS[mode].filter((colour) => contrast(colour, BACK[mode]) < 3)).toEqual([]);
  });

  it.each(Object.entries(VISIONS))('the first five colours differ to a reader with %s vision', (_name, vision) => {
    const labs = COLOURS[mode].slice(0, 5).map((colour) => labOf(colour, vision));
    const distances = labs.flatMap((a, i) => labs.slice(0, i).map((b) => Math.hypot(...a.map((v, k) => v - b[k]!))));
    expect(Math.min(...distances)).toBeGreaterThan(LEAST_DISTANCE);
  });
});

it('twenty-four participants each have a colour and a shape of their own', () => {
  expect(new Set(SHAPES).size).toBe(COLOURS.light.length);
  const looks = Array.from({ length: 24 }, (_, style) => `${style % COLOURS.light.length} ${shapeOf(style)}`);
  expect(new Set(looks).size).toBe(24);
});

/** The flame graph of two profiles: widths, colours, what is not drawn, and colours that can be read. */

import { describe, expect, it } from 'vitest';
import { FLAME_COLOURS, type FlameFrame, flameClass, htmlFlameGraph } from '../../../bench/report/page/flame-graph.ts';

const frame = (name: string, depth: number, before: number, after: number, own = [before, after]): FlameFrame => ({
  name,
  depth,
  before,
  after,
  ownBefore: own[0]!,
  ownAfter: own[1]!,
});

const FRAMES = [
  frame('root', 0, 1000, 1200, [0, 0]),
  frame('parse', 1, 400, 300),
  frame('judge', 1, 590, 899, [90, 99]),
  frame('create', 2, 500, 800),
  frame('tiny', 1, 10, 1),
  frame('tinyBelow', 2, 1, 1),
];

/** By name: class, left and width in percent, top in em. */
function drawn(html: string): Record<string, [string, number, number, number]> {
  const found = html.matchAll(
    /<b class="(\w+)" style="left:([\d.]+)%;top:([\d.]+)em;width:([\d.]+)%" tabindex="-1" title="(\w+):/g,
  );
  return Object.fromEntries(
    [...found].map(([, look, left, top, width, name]) => [name, [look!, +left!, +width!, +top!]]),
  );
}

describe('the frames', () => {
  const html = htmlFlameGraph({ label: 'insert', frames: FRAMES });
  const frames = drawn(html);

  it('are as wide as their samples in the head, and stand side by side below their caller', () => {
    expect(frames['root']!.slice(1)).toEqual([0, 100, 0]);
    expect(frames['parse']!.slice(1, 3)).toEqual([0, 25]);
    expect(frames['judge']![1]).toBeCloseTo(25, 2);
    expect(frames['create']![1]).toBeCloseTo(25, 2);
    expect(frames['create']![2]).toBeCloseTo((100 * 800) / 1200, 2);
    expect(frames['create']![3]).toBeGreaterThan(frames['judge']![3]);
  });

  it('have the colour of the change in the function itself', () => {
    expect(frames['create']![0]).toBe('more3');
    expect(frames['parse']![0]).toBe('less3');
    expect([frames['root']![0], frames['judge']![0]]).toEqual(['same', 'same']);
  });

  it('that are too small are not drawn, with all that they call, and the page says how many', () => {
    expect(Object.keys(frames)).toEqual(['root', 'parse', 'judge', 'create']);
    expect(html).toContain('2 frames below 0.5 % of the samples are not drawn.');
  });

  it('say their shares and their difference, also in a table', () => {
    expect(html).toContain('create: 50.0 % before, 66.7 % after; difference +30.0 %, in the function itself +30.0 %');
    expect(html).toMatch(/create<\/th><td>50\.0 %<\/td><td>66\.7 %<\/td><td>\+30\.0 %<\/td><td>more/);
  });
});

it('a change that chance explains has no colour', () => {
  const whole = { before: 1000, after: 1000 };
  expect(flameClass(100, 130, whole)).toBe('same');
  expect(flameClass(100, 160, whole)).toBe('more2');
  expect(flameClass(10_000, 10_500, { before: 1_000_000, after: 1 })).toBe('same');
});

it('a profile without samples draws nothing', () => {
  expect(htmlFlameGraph({ label: 'x', frames: [] })).toBe('');
});

/** WCAG 2.2, 1.4.3. */
function contrast(a: string, b: string): number {
  const [low, high] = [a, b]
    .map((colour) => {
      const [red, green, blue] = [1, 3, 5].map((at) => {
        const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      }) as [number, number, number];
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .toSorted((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

it.each(['light', 'dark'] as const)('in %s mode the text on every colour can be read', (mode) => {
  const { text, same, more, less } = FLAME_COLOURS[mode];
  expect([same, ...more, ...less].filter((colour) => contrast(colour, text) < 4.5)).toEqual([]);
});

/** Pictures of invented figures. */

import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { BACK } from '../../bench/report/page/palette.ts';
import { type Extract, readPublished } from '../../scripts/pictures/data.ts';
import { drawPicture, type Form, WIDTHS, wrap } from '../../scripts/pictures/draw.ts';
import { SECTIONS } from '../../scripts/pictures/make.ts';
import type { Section } from '../../scripts/pictures/section.ts';
import { STYLE_SHEET } from '../../scripts/pictures/styles.ts';
import { agingFile, busy, extractOf, insertFile, studyFile } from '../support/picture-data.ts';
import { machineWith, SLOW_MEMORY } from '../support/probe-readings.ts';

const FILES: Readonly<Record<string, () => object>> = {
  split: () => insertFile([1, 2, 4]),
  wheel: agingFile,
  'open-vswitch': () => insertFile([1, 2], ['ct-bucket', 'Open vSwitch']),
  limit: () => insertFile([1]),
  runtime: studyFile,
};
const CASES = SECTIONS.flatMap((section) =>
  (Object.keys(WIDTHS) as Form[]).map((form) => [`${section.name}, ${form}`, section, form] as const),
);

function dataOf({ name, isWanted }: Section, change: (file: object) => object = (file) => file): Extract {
  return extractOf([change(FILES[name]!())], isWanted);
}

function draw(section: Section, form: Form, data = dataOf(section)): string {
  return drawPicture(section.picture(data, readPublished()), form);
}

const drawn = new Map<string, string>();

/** The picture of quiet data, drawn once for all tests. */
function drawOnce(section: Section, form: Form): string {
  const key = `${section.name} ${form}`;
  const svg = drawn.get(key) ?? draw(section, form);
  drawn.set(key, svg);
  return svg;
}

interface Found {
  name: string;
  size: number;
  text: string;
}

/** Every text of a picture with its size in pixels. */
function textsIn(svg: string): Found[] {
  const { document } = parseHTML(svg) as unknown as {
    document: { querySelectorAll(selector: string): Iterable<TextElement> };
  };
  return Array.from(document.querySelectorAll('text'), (element) => {
    const sized = element.closest('[font-size], [style]');
    const style = /font-size:\s*(\d+)px/.exec(sized?.getAttribute('style') ?? '')?.[1];
    return { name: 'text', size: Number(style ?? sized?.getAttribute('font-size')), text: element.textContent };
  });
}

interface TextElement {
  textContent: string;
  closest(selector: string): { getAttribute(name: string): string | null } | null;
}

describe.each(CASES)('the picture %s', (_name, section, form) => {
  it('is the same each time', () => {
    expect(draw(section, form)).toBe(drawOnce(section, form));
  });

  it('has the question as its title, no text below 12 pixels, and no number that is none', () => {
    const svg = drawOnce(section, form);
    const texts = textsIn(svg);
    expect(texts.length).toBeGreaterThan(10);
    expect(texts.filter(({ size }) => !(size >= 12))).toEqual([]);
    expect(svg).toContain(`<title>${section.picture(dataOf(section), readPublished()).title}</title>`);
    expect(section.picture(dataOf(section), readPublished()).title).toMatch(/\?$/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('warns loudly if the machine was busy, and only then', () => {
    expect(drawOnce(section, form)).not.toContain('NOT QUIET');
    const noisy = draw(
      section,
      form,
      dataOf(section, (file) => busy(file, machineWith(SLOW_MEMORY))),
    );
    expect(noisy).toContain('NOT QUIET');
  });

  it('has a page of its own colour, and each of its colours has one for the dark', () => {
    const svg = drawOnce(section, form);
    const [light, dark] = STYLE_SHEET.split('@media');
    expect(light).not.toContain('#');
    const colours = new Set(Array.from(svg.matchAll(/(?:fill|stroke)="(#\w{6})"(?!\])/g), ([, colour]) => colour!));
    expect(colours).toContain(BACK.light);
    expect([...colours].filter((colour) => !dark!.includes(`[fill="${colour}"]`))).toEqual([]);
  });

  it('draws each figure, and its interval', () => {
    const data = dataOf(section);
    const without = {
      ...data,
      figures: data.figures.map(({ low: _low, high: _high, ...figure }) => figure),
    };
    expect(draw(section, form, without).length).toBeLessThan(drawOnce(section, form).length);
  });
});

it.each(SECTIONS)('the tables of $name show every figure of its data that has a place in them', (section) => {
  const data = dataOf(section);
  const tables = section.tables(data, readPublished());
  const doubled = { ...data, figures: data.figures.map((figure) => ({ ...figure, value: figure.value * 7 })) };
  expect(tables).not.toBe(section.tables(doubled, readPublished()));
  const rows = tables.split('\n').filter((line) => line.startsWith('|'));
  expect(rows.length).toBeGreaterThan(3);
  const columns = (row: string) => row.split('|').length;
  for (const table of tables.split('\n\n').filter((part) => part.startsWith('|'))) {
    expect(new Set(table.split('\n').map(columns)).size).toBe(1);
  }
});

it('the picture of the split marks threads without a core', () => {
  const [section] = SECTIONS;
  expect(draw(section!, 'wide')).toContain('more than 2 cores');
  expect(draw(section!, 'wide', extractOf([insertFile([1, 2])], section!.isWanted))).not.toContain('more than');
});

it('an axis is logarithmic if its figures need it', () => {
  const wheel = SECTIONS.find(({ name }) => name === 'wheel')!;
  const ticks = textsIn(draw(wheel, 'narrow')).map(({ text }) => text);
  /* The sweeper takes 0.05 to 5 % of a core, the lag is 250 ms everywhere. */
  expect(ticks).toEqual(expect.arrayContaining(['0.1', '1', '0', '100', '200']));
});

it('a text breaks between words, and only there', () => {
  expect(wrap('one two three', 60)).toEqual(['one two', 'three']);
  expect(wrap('unbreakable-word', 10)).toEqual(['unbreakable-word']);
});

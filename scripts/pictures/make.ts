/**
 * Writes the pictures in docs/pictures and the sections of docs/findings.md that show them, from docs/data. A section without
 * data is absent. The same data give the same files, so a test can compare.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Extract, dataPath, distinct, doubtsOf, readExtract, readPublished, ROOT } from './data.ts';
import { drawPicture, type Form, WIDTHS } from './draw.ts';
import { limit } from './limit.ts';
import { openVSwitch, runtime } from './ratios.ts';
import type { Section } from './section.ts';
import { split } from './split.ts';
import { wheel } from './wheel.ts';

/** All sections, in the order of the page. */
export const SECTIONS: readonly Section[] = [split, wheel, openVSwitch, limit, runtime];

export const PAGE = join('docs', 'findings.md');
/** Windows at least this wide show the wide form. */
const WIDE_WINDOW_PX = 900;

export interface Made {
  /** Path in the repository, and contents. undefined: there must be no such file. */
  files: Map<string, string | undefined>;
  /** A line for each section that has no data. */
  missing: string[];
  /** What a person has to mend. */
  faults: string[];
}

export function picturePath(name: string, form: Form): string {
  return join('docs', 'pictures', form === 'wide' ? `${name}-wide.svg` : `${name}.svg`);
}

export function answerPath(name: string): string {
  return join('scripts', 'pictures', 'sections', `${name}.answer.md`);
}

function readText(path: string): string | undefined {
  const full = join(ROOT, path);
  return existsSync(full) ? readFileSync(full, 'utf8') : undefined;
}

function markerOf(name: string, isEnd: boolean): string {
  return isEnd ? `<!-- end of ${name} -->` : `<!-- ${name}: node scripts/pictures/make.mjs writes this -->`;
}

/** Replaces what stands between the markers. @throws Error if the page lacks them */
export function between(page: string, name: string, text: string): string {
  const [begin, end] = [markerOf(name, false), markerOf(name, true)];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) {
    throw new Error(`${PAGE} lacks the markers "${begin}" and "${end}"`);
  }
  const inner = text.trim() === '' ? '\n' : `\n\n${text.trim()}\n\n`;
  return page.slice(0, from + begin.length) + inner + page.slice(to);
}

/** Markdown has no picture that depends on the width of a window, so this is HTML. */
function pictureTag({ name, alt }: Section): string {
  const file = (form: Form) => picturePath(name, form).replace(/^docs\//, '');
  return [
    '<picture>',
    `  <source media="(min-width: ${WIDE_WINDOW_PX}px)" srcset="${file('wide')}">`,
    `  <img src="${file('narrow')}" alt="${alt}">`,
    '</picture>',
  ].join('\n');
}

/** Commands, dates, machines. */
function measuredText({ sources }: Extract): string {
  const machines = distinct(sources.map(({ machine }) => machine.name));
  const lines = sources.map(({ command, date, machine }) => {
    const state = machine.state === undefined ? '' : `. ${machine.state.replace(/^t/, 'T')}`;
    return `- \`${command}\` (${date})${state}.`;
  });
  return [`Measured on ${machines.join('; and on ')} by`, '', ...lines].join('\n');
}

function doubtLine(extract: Extract): string {
  const doubts = doubtsOf(extract);
  return doubts.length === 0
    ? ''
    : `**NOT QUIET.** While these figures were measured: ${doubts.join('; ')}. Take them with care.`;
}

/** The section in Markdown. `{{answer}}`, `{{doubt}}`, `{{picture}}`, `{{tables}}` and `{{measured}}` of its frame are filled in. */
function sectionText(section: Section, extract: Extract): string {
  const parts: Readonly<Record<string, string>> = {
    answer: readText(answerPath(section.name))?.trim() ?? '',
    doubt: doubtLine(extract),
    picture: pictureTag(section),
    tables: section.tables(extract, readPublished()),
    measured: measuredText(extract),
  };
  const frame = readText(join('scripts', 'pictures', 'sections', `${section.name}.md`))!;
  return frame.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => parts[name]!).replaceAll(/\n{3,}/g, '\n\n');
}

/** Figures of an answer: ratios, numbers with a decimal point, and numbers with a unit. */
export function quotedFigures(answer: string): string[] {
  const forms =
    /×(\d[\d,]*(?:\.\d+)?)|(?<![\w.,])(\d[\d,]*\.\d+)|(?<![\w.,])(\d[\d,]*)(?= (?:ns|us|ms|bytes|%|million))/g;
  return Array.from(answer.matchAll(forms), ([, times, decimal, whole]) => (times ?? decimal ?? whole)!);
}

/** @returns what is wrong with the answer of a section that has data */
export function answerFaults(name: string, answer: string | undefined, tables: string): string[] {
  if (answer === undefined || answer.trim() === '') {
    return [`${name} has figures but no answer: write one into ${answerPath(name)}`];
  }
  const shown = new Set(Array.from(tables.matchAll(/\d[\d,]*(?:\.\d+)?/g), ([number]) => number));
  return quotedFigures(answer)
    .filter((number) => !shown.has(number))
    .map((number) => `${answerPath(name)} says ${number}, which no table of the section shows`);
}

/** The age of the page: the dates that it names. */
export function ageText(page: string): string {
  const dates = distinct(Array.from(page.matchAll(/\b\d{4}-\d\d-\d\d\b/g), ([date]) => date)).toSorted();
  return dates.length === 0
    ? ''
    : `The oldest figures here are of ${dates[0]}, the newest of ${dates.at(-1)}. Each section names its date. The code may have changed since then.`;
}

/** Makes everything in memory. */
export function make(): Made {
  const files: Made['files'] = new Map();
  const missing: string[] = [];
  const faults: string[] = [];
  let page = between(readText(PAGE)!, 'age', '');
  for (const section of SECTIONS) {
    const { name } = section;
    const extract = readExtract(name);
    if (extract === undefined) {
      missing.push(`${name}: not measured yet (${dataPath(name)} does not exist), so its section is absent`);
    } else {
      faults.push(...answerFaults(name, readText(answerPath(name)), section.tables(extract, readPublished())));
    }
    const picture = extract && section.picture(extract, readPublished());
    for (const form of Object.keys(WIDTHS) as Form[]) {
      files.set(picturePath(name, form), picture && drawPicture(picture, form));
    }
    page = between(page, name, extract === undefined ? '' : sectionText(section, extract));
  }
  files.set(PAGE, between(page, 'age', ageText(page)));
  return { files, missing, faults };
}

/** Writes everything. @returns the exit code: 1 if a person has to mend something */
export function writeAll(): number {
  const { files, missing, faults } = make();
  for (const [path, contents] of files) {
    const full = join(ROOT, path);
    if (contents === undefined) {
      rmSync(full, { force: true });
    } else {
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, contents);
      console.log(`wrote ${path}`);
    }
  }
  for (const line of missing) {
    console.log(line);
  }
  for (const line of faults) {
    console.error(line);
  }
  return faults.length === 0 ? 0 : 1;
}

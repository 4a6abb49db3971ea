/** The parts of every page: its frame, text that may stand in HTML, tables, and the list of the machine. */

import { probeLines } from '../../machine/probe-text.ts';
import { short } from '../format.ts';
import type { ResultsFile } from '../results-file.ts';
import type { ReportTable } from '../table-text.ts';
import { explainedColumns } from './column-terms.ts';
import { STYLE } from './style.ts';

export function escapeText(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replaceAll(/[&<>"']/g, (letter) => names[letter]!);
}

/** The browser itself refuses to load anything for the page. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** A complete page made of these parts. */
export function page(title: string, parts: readonly string[]): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    `<title>${escapeText(title)}</title><style>${STYLE}</style></head><body><main>`,
    `<h1>${escapeText(title)}</h1>`,
    ...parts,
    '</main></body></html>',
    '',
  ].join('\n');
}

export function machineList({ machine, options = {} }: Pick<ResultsFile, 'machine' | 'options'>): string {
  const entries: [string, string][] = [
    ['machine', `${machine.cpu}, ${machine.cores} cores, ${short(machine.memoryBytes / 2 ** 30)} GiB`],
    ['system', `kernel ${machine.kernel}, Node ${machine.node}, V8 ${machine.v8}`],
    ['flags', [...(machine.flags ?? []), machine.nodeOptions].filter(Boolean).join(' ') || 'none'],
    [
      'load',
      `${short(machine.loadAverage1m)} in the last minute` +
        (machine.stealPercent === undefined ? '' : `, steal time ${short(machine.stealPercent)} %`),
    ],
    ['state', probeLines(machine).join('; ') || 'not probed'],
    [
      'options',
      Object.entries(options)
        .map(([name, value]) => `${name} ${String(value)}`)
        .join('; '),
    ],
  ];
  return `<dl>${entries.map(([name, value]) => `<dt>${name}</dt><dd>${escapeText(value)}</dd>`).join('')}</dl>`;
}

/** A table in a box of its own. The box scrolls, also by keyboard, so that the page need not. */
export function htmlTable({ title, head, rows }: ReportTable): string {
  const headCells = head.map((cell) => `<th scope="col">${escapeText(cell)}</th>`).join('');
  const bodyRows = rows.map(({ cells: [name, ...cells], isPredicted }) => {
    const values = cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('');
    return `<tr${isPredicted === true ? ' class="predicted"' : ''}><th scope="row">${escapeText(name!)}</th>${values}</tr>`;
  });
  const name = escapeText(title);
  return (
    `<p class="title">${name}</p><div class="table" role="region" tabindex="0" aria-label="${name}">` +
    `<table aria-label="${name}"><thead><tr>${headCells}</tr></thead><tbody>${bodyRows.join('\n')}</tbody></table></div>`
  );
}

/** The table, and below it what its columns mean. */
export function explainedTable(table: ReportTable): string {
  const terms = explainedColumns(table.head);
  return terms.length === 0
    ? htmlTable(table)
    : `${htmlTable(table)}${folded(
        'What the columns mean',
        `<dl class="terms">${terms.map(([name, text]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(text)}</dd>`).join('')}</dl>`,
      )}`;
}

/** A part that the reader opens. */
export function folded(summary: string, content: string): string {
  return `<details><summary>${escapeText(summary)}</summary>${content}</details>`;
}

/** @param content HTML */
export function section(heading: string, content: readonly string[]): string {
  const shown = content.filter((part) => part !== '');
  return shown.length === 0 ? '' : `<section><h2>${escapeText(heading)}</h2>\n${shown.join('\n')}</section>`;
}

/** Sentences as paragraphs. */
export function paragraphs(lines: readonly string[], className = ''): string {
  return lines.map((line) => `<p${className === '' ? '' : ` class="${className}"`}>${escapeText(line)}</p>`).join('\n');
}

/** A warning that nobody overlooks. @param heading HTML */
export function loud(heading: string, lines: readonly string[]): string {
  return `<div class="loud" role="note"><p><strong>${heading}</strong></p>${paragraphs(lines)}</div>`;
}

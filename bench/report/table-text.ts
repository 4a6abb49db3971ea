/** Writes a table of a report as text for a terminal, or as Markdown. */

import Table from 'cli-table3';
import { outputColumns } from '../../src/host/terminal.ts';

export interface ReportTable {
  title: string;
  head: string[];
  /** The first cell of a row is its name. */
  rows: { cells: string[]; isPredicted?: boolean }[];
}

/** One line for each cell, for tables that are wider than the terminal. */
function stackedTable({ title, head, rows }: ReportTable): string {
  const width = Math.max(...head.slice(1).map((name) => name.length));
  const blocks = rows.map(({ cells: [name, ...cells] }) =>
    [
      name,
      ...cells.flatMap((cell, index) => (cell === '' ? [] : [`  ${head[index + 1]!.padEnd(width)}  ${cell}`])),
    ].join('\n'),
  );
  return [title, ...blocks].join('\n');
}

/** @param columns width of the terminal. A wider table gets a line for each cell. Default: the width of standard output, if it is a terminal. */
export function textTable(report: ReportTable, columns: number | undefined = outputColumns()): string {
  const { title, head, rows } = report;
  const table = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (column === 0 ? ('left' as const) : ('right' as const))),
  });
  table.push(...rows.map((row) => row.cells));
  const text = table.toString();
  return columns !== undefined && text.indexOf('\n') > columns ? stackedTable(report) : `${title}\n${text}`;
}

export function markdownTable({ title, head, rows }: ReportTable): string {
  const line = (cells: readonly string[], isPredicted = false) =>
    `| ${cells.map((cell) => (isPredicted && cell !== '' ? `*${escapeCell(cell)}*` : escapeCell(cell))).join(' | ')} |`;
  return [
    `### ${escapeCell(title)}`,
    '',
    line(head),
    `|${head.map((_, column) => (column === 0 ? ' --- |' : ' ---: |')).join('')}`,
    ...rows.map((row) => line(row.cells, row.isPredicted)),
  ].join('\n');
}

function escapeCell(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll(/[|*<>`[\]]/g, String.raw`\$&`)
    .replaceAll('\n', ' ');
}

/** A results file as text, Markdown, JSON, CSV and one page of HTML. */

import { jsonText, type OutputFiles } from '../../src/host/output-files.ts';
import { doubtText, machineLine } from '../machine/probe-text.ts';
import { analyse } from './analysis.ts';
import { csvReport } from './csv.ts';
import { htmlReport } from './html.ts';
import type { ResultsFile } from './results-file.ts';
import { markdownTable, textTable } from './table-text.ts';
import { reportTables } from './tables.ts';

export interface ReportFiles {
  json?: string;
  csv?: string;
  markdown?: string;
  html?: string;
}

/** Writes the files that the user asked for. @throws UsageError */
export function writeReports(results: ResultsFile, outputs: OutputFiles): void {
  outputs.write({
    json: () => jsonText(results),
    csv: () => csvReport(results),
    markdown: () => markdownReport(results),
    html: () => htmlReport(results),
  });
}

/** @param options.isBrief only measured figures, without laws and predictions */
export function textReport(results: ResultsFile, { isBrief = false } = {}): string {
  const doubt = doubtText(results.machine);
  const tables = reportTables(results, analyse(results), isBrief).map((table) => textTable(table));
  const foot = [machineLine(results.machine), doubt].filter((line) => line !== undefined);
  return [...(doubt === undefined ? [] : [doubt]), ...tables, ...(foot.length === 0 ? [] : [foot.join('\n')])].join(
    '\n\n',
  );
}

export function printReport(results: ResultsFile, options: { isBrief?: boolean } = {}): void {
  console.log(textReport(results, options));
}

export function markdownReport(results: ResultsFile): string {
  const { cpu, cores, node, kernel } = results.machine;
  const doubt = doubtText(results.machine);
  const line = machineLine(results.machine);
  return [
    `## ct-bucket bench ${results.benchmark}`,
    `${cpu}, ${cores} cores, Node ${node}, kernel ${kernel}`,
    ...(line === undefined ? [] : [line]),
    ...(doubt === undefined ? [] : [`**${doubt}**`]),
    ...reportTables(results, analyse(results)).map(markdownTable),
    '',
  ].join('\n\n');
}

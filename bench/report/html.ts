/** The report as one page of HTML that needs nothing but itself. */

import { analyse } from './analysis.ts';
import type { ResultsFile } from './results-file.ts';
import { reportTables, type ReportTable } from './tables.ts';

export function htmlReport(results: ResultsFile): string {
  return reportTables(results, analyse(results)).map(htmlTable).join('\n');
}

function htmlTable(_table: ReportTable): string {
  return '';
}

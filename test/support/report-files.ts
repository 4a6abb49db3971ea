/** Results of `bench` from test/fixtures/reports, and what a reader finds in their page. */

import { join } from 'node:path';
import { htmlReport } from '../../bench/report/html.ts';
import type { PlotData } from '../../bench/report/page/plot-data.ts';
import type { ResultsFile } from '../../bench/report/results-file.ts';
import { readResultsFile } from '../../bench/report/results-reader.ts';

export const REPORTS = ['one-engine', 'three-engines', 'more-threads-than-cores', 'one-run', 'busy-machine'] as const;

export type ReportName = (typeof REPORTS)[number];

export function resultsOf(name: ReportName): ResultsFile {
  return readResultsFile(join(import.meta.dirname, '..', 'fixtures', 'reports', `${name}.json`));
}

const pages = new Map<ReportName, string>();

/** The page of a file. Predictions take seconds, so each page is made once. */
export function pageOf(name: ReportName): string {
  const page = pages.get(name) ?? htmlReport(resultsOf(name));
  pages.set(name, page);
  return page;
}

export interface FoundPlot {
  id: string;
  caption: string;
  /** Names of the lines, in the order of `data.series`. */
  names: string[];
  data: PlotData;
  /** Cells of the table below the plot. */
  cells: string[];
}

const textOf = (html: string): string => html.replaceAll(/<[^>]*>/g, '');

export function plotsIn(page: string): FoundPlot[] {
  return Array.from(page.matchAll(/<figure data-plot id="([^"]+)"[^]*?<\/figure>/g), ([figure, id]) => ({
    id: id!,
    caption: textOf(/<figcaption><b[^>]*>([^]*?)<\/b>/.exec(figure)![1]!),
    names: Array.from(figure.matchAll(/<button [^>]*>([^]*?)<\/button>/g), ([, button]) => textOf(button!)),
    data: JSON.parse(/<script type="application\/json">([^]*?)<\/script>/.exec(figure)![1]!) as PlotData,
    cells: Array.from(figure.matchAll(/<td>([^]*?)<\/td>/g), ([, cell]) => textOf(cell!)),
  }));
}

/** The text below a heading, up to the next one. */
export function sectionOf(page: string, heading: string): string {
  const [, content = ''] = page.split(`<h2>${heading}</h2>`);
  return textOf(content.split('</section>')[0]!.replaceAll(/<script[^]*?<\/script>/g, ''));
}

/** The report as one self-contained page of HTML: no script, and no font or picture from elsewhere. */

import { doubtText, probeLines } from '../machine/probe-text.ts';
import { analyse, unique, type WorkloadAnalysis } from './analysis.ts';
import { agingFigures, memoryFigure, workloadFigures, type Figure } from './figures.ts';
import { groups, short } from './format.ts';
import { escapeText } from './plot.ts';
import type { ResultsFile } from './results-file.ts';
import { STYLE } from './style.ts';
import type { ReportTable } from './table-text.ts';
import { checkTable, lawTable, predictionTable } from './prediction-tables.ts';
import { agingTable, detailsTable, peerTable, threadsTable } from './tables.ts';

export function htmlReport(results: ResultsFile): string {
  const workloads = analyse(results);
  const engines = unique([...results.results, ...(results.aging ?? [])].map((result) => result.engine));
  const styleOf = (engine: string) => engines.indexOf(engine);
  const memory = memoryFigure(results.results, styleOf, 'memory');
  const title = `ct-bucket bench ${results.benchmark}`;
  return page(title, [
    machineList(results),
    ...workloads.map((workload, i) =>
      workloadSection(
        results,
        workload,
        workloadFigures(workload, styleOf, { cores: results.machine.cores, idPrefix: `w${i}` }),
      ),
    ),
    memory === undefined ? '' : `<section><h2>Memory</h2><div class="side">${htmlFigure(memory)}</div></section>`,
    agingSection(results, styleOf),
    rawSamples(results),
  ]);
}

/** A complete page made of these parts. */
export function page(title: string, parts: readonly string[]): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeText(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escapeText(title)}</h1>`,
    ...parts,
    '</body></html>',
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

const SUM_ONLY_NOTE =
  'Two numbers of threads cannot tell contention from coherence. So the band of the scaling law reaches from contention ' +
  'alone to coherence alone.';

function workloadSection(results: ResultsFile, workload: WorkloadAnalysis, figures: readonly Figure[]): string {
  const { cores } = results.machine;
  const notes = [
    doubtText(results.machine) ?? '',
    workload.threads.some((threads) => threads > cores)
      ? `With more than ${cores} threads on ${cores} cores, points measure the scheduler as well. The law is not fitted to them.`
      : '',
    workload.engines.some((engine) => engine.law?.fit.isSumOnly === true) ? SUM_ONLY_NOTE : '',
  ].filter(Boolean);
  const tables = [
    threadsTable(workload, cores),
    detailsTable(results, workload, cores),
    peerTable(results, workload),
    lawTable(workload),
    predictionTable(workload),
    checkTable(workload),
  ].filter((table) => table !== undefined);
  return [
    `<section><h2>${escapeText(workload.workload)}</h2>`,
    ...notes.map((note) => `<p class="soft">${escapeText(note)}</p>`),
    `<div class="side">${figures.map(htmlFigure).join('\n')}</div>`,
    `<div class="tables">${tables.map(htmlTable).join('\n')}</div></section>`,
  ].join('\n');
}

function agingSection(results: ResultsFile, styleOf: (engine: string) => number): string {
  const table = agingTable(results);
  if (table === undefined) {
    return '';
  }
  const figures = agingFigures(results.aging!, styleOf);
  return (
    `<section><h2>Aging</h2><div class="side">${figures.map(htmlFigure).join('\n')}</div>` +
    `<div class="tables">${htmlTable(table)}</div></section>`
  );
}

function rawSamples({ results }: ResultsFile): string {
  return `<details><summary>Every run</summary>${htmlTable({
    title: 'Times of all runs, ms',
    head: ['workload', 'engine', 'threads', 'packets', 'runs'],
    rows: results.map(({ workload, engine, threads, packets, runsMs }) => ({
      cells: [workload, engine, String(threads), groups(packets), runsMs.map((ms) => ms.toFixed(1)).join('  ')],
    })),
  })}</details>`;
}

function htmlFigure({ caption, svg }: Figure): string {
  return `<figure><figcaption>${escapeText(caption)}</figcaption>${svg}</figure>`;
}

export function htmlTable({ title, head, rows }: ReportTable): string {
  const headCells = head.map((cell) => `<th scope="col">${escapeText(cell)}</th>`).join('');
  const bodyRows = rows.map(({ cells: [name, ...cells], isPredicted }) => {
    const values = cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('');
    return `<tr${isPredicted === true ? ' class="predicted"' : ''}><th scope="row">${escapeText(name!)}</th>${values}</tr>`;
  });
  return (
    `<div class="table"><table><caption>${escapeText(title)}</caption><thead><tr>${headCells}</tr></thead>` +
    `<tbody>${bodyRows.join('\n')}</tbody></table></div>`
  );
}

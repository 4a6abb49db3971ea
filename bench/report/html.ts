/**
 * The report as one page of HTML, which needs no other file and no network. It answers a reader's questions in their order: which
 * engine is fastest, how does it scale, may I believe it? Everything else follows, folded.
 */

import { analyse, unique, type WorkloadAnalysis } from './analysis.ts';
import { groups } from './format.ts';
import { type Circumstances, comparedThreads, fastestSentences, scalingSentence } from './page/answers.ts';
import { htmlBars } from './page/bars.ts';
import * as figures from './page/figures.ts';
import { escapeText, explainedTable, folded, loud, machineList, page, paragraphs, section } from './page/page.ts';
import { plotScripts, plotStyle } from './page/page-texts.ts';
import { htmlPlot, isLine, type Plot } from './page/plot.ts';
import { shownPredictions, withKnownLaws } from './page/predictions.ts';
import { trustChecks, trustSentence } from './page/trust.ts';
import { checkTable, lawTable } from './prediction-tables.ts';
import { rateTables } from './rate-tables.ts';
import type { ResultsFile } from './results-file.ts';
import { busyText, stateLines } from './machine-state.ts';
import { agingTable, detailsTable, peerTable, threadsTable } from './tables.ts';

/** What the parts of the page share. */
interface Report extends Circumstances {
  results: ResultsFile;
  workloads: WorkloadAnalysis[];
  styleOf: figures.StyleOf;
  /** Adds a plot. Each gets an id of its own. */
  plot: (plot: Plot) => string;
}

export function htmlReport(results: ResultsFile): string {
  const engines = unique([...results.results, ...(results.aging ?? [])].map((result) => result.engine));
  let plots = 0;
  const report: Report = {
    results,
    workloads: analyse(results),
    cores: results.machine.cores,
    isBusy: busyText(results.machine) !== undefined,
    styleOf: (engine) => engines.indexOf(engine),
    plot: (plot) => htmlPlot(plot, `plot-${plots++}`),
  };
  const parts = [
    summary(report),
    banner(report),
    section('Which is fastest?', fastest(report)),
    section('How does it scale?', scaling(report)),
    section('May I believe it?', trust(report)),
    section('What does a connection cost?', memory(report)),
    section('When do expired connections go?', aging(report)),
    section('What would more cores bring?', predictions(report)),
    section(
      'All figures',
      results.rate === undefined
        ? report.workloads.flatMap((workload) => allFigures(report, workload))
        : rateTables(results.rate).map(explainedTable),
    ),
    section('How was it measured?', [machineList(results)]),
  ];
  const withPlots = plots === 0 ? parts : [plotStyle(), NO_SCRIPT, ...parts, plotScripts()];
  return page(`ct-bucket bench ${results.benchmark}`, withPlots);
}

/** Stands in pages with plots. */
export const NO_SCRIPT =
  '<noscript><style>:is(.plot,.legend,.at,.unit){display:none}</style><p>The plots need JavaScript. Their figures stand in the tables below them.</p></noscript>';

function summary({ results: { machine, options }, workloads }: Report): string {
  const connections = workloads[0]?.connections;
  const parts = [
    `${machine.cpu}, ${machine.cores} core${machine.cores === 1 ? '' : 's'}, Node ${machine.node.replace(/^v/, '')}`,
    ...(connections === undefined ? [] : [`${groups(connections)} connections`]),
    ...(typeof options?.['batch'] === 'number' ? [`batches of ${options['batch']} packets`] : []),
  ];
  return `<p class="soft">${escapeText(parts.join('; '))}</p>`;
}

/** May I believe it? In a sentence, and loudly if not. */
function banner({ results, workloads }: Report): string {
  const checks = trustChecks(results, workloads);
  const answer = escapeText(trustSentence(checks));
  const state = stateLines(results.machine);
  const reasons = checks.filter(({ state }) => state === 'no').map(({ text }) => text);
  return reasons.length === 0
    ? `<p><strong>May I believe it?</strong> ${answer}</p>${paragraphs(state, 'soft')}`
    : loud(`May I believe it? ${answer}`, [...reasons, ...state]);
}

function fastest(report: Report): string[] {
  const { results, workloads, styleOf, cores } = report;
  const hasIntervals = results.results.some(({ runsMs }) => runsMs.length > 1);
  const bars = workloads.map((workload) => {
    const explanation = fastestSentences(workload, report);
    const threads = comparedThreads(workload, cores);
    return htmlBars({ ...figures.fastestBars(workload, styleOf, threads), explanation });
  });
  return bars.length === 0
    ? []
    : [
        `<p>Million packets per second (Mpps) of all threads together. A longer bar is faster.${hasIntervals ? ' The line at its end is its 95 % interval.' : ''}</p>`,
        `<div class="side">${bars.join('\n')}</div>`,
      ];
}

function scaling(report: Report): string[] {
  const { workloads, styleOf, cores } = report;
  return workloads
    .filter(({ threads }) => threads.length > 1)
    .map((workload) => {
      const plots = [figures.ratePlot(workload, styleOf, cores), figures.speedUpPlot(workload, styleOf, cores)];
      const drawn = plots.filter((plot) => isLine(plot) && plot.series.some(({ kind }) => kind === 'measured'));
      return [
        `<h3>${escapeText(workload.workload)}</h3>`,
        paragraphs([scalingSentence(workload, report)]),
        `<div class="side">${drawn.map(report.plot).join('\n')}</div>`,
      ].join('\n');
    });
}

function trust(report: Report): string[] {
  const { results, workloads } = report;
  const checks = trustChecks(results, workloads);
  const items = checks.map(
    ({ state, text }) => `<li class="${state}"><b>${state}</b><span>${escapeText(text)}</span></li>`,
  );
  const runs = workloads.map(figures.runsPlot).filter(isLine);
  return [
    `<p><strong>${escapeText(trustSentence(checks))}</strong></p>`,
    `<ul class="checks">${items.join('')}</ul>`,
    runs.length === 0
      ? ''
      : folded('Every run, in order', `<div class="side">${runs.map(report.plot).join('\n')}</div>`),
  ];
}

function memory({ results, styleOf }: Report): string[] {
  const bars = figures.memoryBars(results.results, styleOf);
  return bars === undefined ? [] : [`<div class="side">${htmlBars(bars)}</div>`];
}

function aging({ results, styleOf, plot }: Report): string[] {
  const table = agingTable(results);
  if (table === undefined) {
    return [];
  }
  const lines = figures.agingPlots(results.aging!, styleOf);
  const shown = lines.every(isLine) ? lines.map(plot) : figures.agingBars(results.aging!, styleOf).map(htmlBars);
  return [`<div class="side">${shown.join('\n')}</div>`, explainedTable(table)];
}

function predictions(report: Report): string[] {
  const { workloads, styleOf, isBusy } = report;
  const parts = workloads.flatMap((workload) => {
    const { series, notes } = shownPredictions(workload, styleOf, isBusy);
    const drawn = series.length === 0 ? '' : report.plot(figures.predictionPlot(workload, styleOf, series));
    return series.length === 0 && notes.length === 0
      ? []
      : [`<div><h3>${escapeText(workload.workload)}</h3>`, drawn, paragraphs(notes, 'soft'), '</div>'];
  });
  return parts.length === 0 ? [] : [`<div class="side">${parts.join('\n')}</div>`];
}

/** The tables of a workload. Predicted rates stand in the tables of their plots. */
function allFigures({ results, isBusy, cores }: Report, workload: WorkloadAnalysis): string[] {
  const tables = [
    threadsTable(workload, cores),
    detailsTable(results, workload, cores),
    peerTable(results, workload),
    isBusy ? undefined : lawTable(withKnownLaws(workload)),
    checkTable(workload),
  ].filter((table) => table !== undefined);
  return [folded(workload.workload, tables.map(explainedTable).join('\n'))];
}

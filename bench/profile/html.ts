/** A profile as one page that needs no network: tables, a heat map of the buckets, and histograms. */

import { binStart } from '../../src/shared/sync/lock-profile.ts';
import { busyText } from '../report/machine-state.ts';
import { escapeText, htmlTable, loud, machineList, page } from '../report/page/page.ts';
import type { ProfileAnalysis } from './analysis.ts';
import type { Times } from '../../src/core/inspect/lock-records.ts';
import { costLine, type ProfileFile } from './run.ts';
import { profileTables, type TableOptions, time } from './tables.ts';

const SMALLEST_CELL = 14;
const LARGEST_CELL = 56;
const MAP_WIDTH = 480;
const MOST_COLUMNS = 64;
const BAR_WIDTH = 7;
const BAR_HEIGHT = 120;

export function profileHtml(file: ProfileFile, analysis: ProfileAnalysis, options: TableOptions): string {
  const histograms = analysis.locks
    .filter(({ figures }) => figures.wait.count + figures.hold.count > 0)
    .slice(0, options.top)
    .flatMap(({ name, figures }) => [
      histogram(`${name} lock: holds (sampled)`, figures.hold),
      histogram(`${name} lock: waits`, figures.wait),
    ]);
  const busy = busyText(file.machine);
  return page(`ct-bucket profile: ${file.what}`, [
    busy === undefined ? '' : loud('The machine was not quiet. Do not trust the times on this page.', [busy]),
    machineList({ ...file, options: file.options }),
    `<p class="soft">${escapeText(costLine(file))}. Total waiting time: ${time(analysis.waitNs)}, of which the sweeper held the lock for ${(analysis.sweeperShare * 100).toFixed(1)} %.</p>`,
    `<section><h2>Buckets</h2>${heatMap(analysis)}</section>`,
    `<section><h2>Locks, sites, threads</h2><div class="tables">${profileTables(analysis, options).map(htmlTable).join('\n')}</div></section>`,
    `<section><h2>Times</h2><div class="side">${histograms.join('\n')}</div></section>`,
  ]);
}

/** A square for each bucket, in order of number. A fuller square was waited for longer, or taken more often if no thread waited. */
function heatMap({ buckets, waitNs }: ProfileAnalysis): string {
  if (buckets.length === 0) {
    return '<p class="soft">no buckets</p>';
  }
  const isWaiting = waitNs > 0 && buckets.some((bucket) => bucket.waitNs > 0);
  const heat = isWaiting ? (b: (typeof buckets)[number]) => b.waitNs : (b: (typeof buckets)[number]) => b.acquisitions;
  const most = Math.max(1, ...buckets.map(heat));
  const columns = Math.min(MOST_COLUMNS, Math.ceil(Math.sqrt(buckets.length)));
  const cell = Math.min(LARGEST_CELL, Math.max(SMALLEST_CELL, Math.floor(MAP_WIDTH / columns)));
  const cells = buckets.map((bucket) => {
    const x = (bucket.bucket % columns) * cell;
    const y = Math.floor(bucket.bucket / columns) * cell;
    const title = `bucket ${bucket.bucket}: ${bucket.entries} entries, ${bucket.acquisitions} acquisitions, ${bucket.contended} contended, waited ${time(bucket.waitNs)}`;
    return (
      `<rect class="s1 fill" x="${x}" y="${y}" width="${cell - 1}" height="${cell - 1}" ` +
      `fill-opacity="${(0.06 + 0.94 * (heat(bucket) / most)).toFixed(3)}"><title>${title}</title></rect>`
    );
  });
  const width = columns * cell;
  const height = Math.ceil(buckets.length / columns) * cell;
  return (
    `<figure><figcaption>Each square is a bucket. A fuller square was ${isWaiting ? 'waited for longer' : 'taken more often'} (most: ${isWaiting ? time(most) : most})</figcaption>` +
    `<svg viewBox="0 0 ${width} ${height}" style="max-width:${width}px" role="img" aria-label="heat map of the buckets">${cells.join('')}</svg></figure>`
  );
}

function histogram(caption: string, times: Times): string {
  if (times.count === 0) {
    return '';
  }
  const first = times.bins[0]![0];
  const last = times.bins.at(-1)![0];
  const most = Math.max(...times.bins.map(([, count]) => count));
  const bars = times.bins.map(([bin, count]) => {
    const height = Math.max(1, (count / most) * BAR_HEIGHT);
    return (
      `<rect class="s0 fill" x="${(bin - first) * BAR_WIDTH}" y="${(BAR_HEIGHT - height).toFixed(1)}" width="${BAR_WIDTH - 1}" height="${height.toFixed(1)}">` +
      `<title>${time(binStart(bin))} to ${time(binStart(bin + 1))}: ${count}</title></rect>`
    );
  });
  const width = Math.max(300, (last - first + 1) * BAR_WIDTH);
  return (
    `<figure><figcaption>${escapeText(caption)}</figcaption><svg viewBox="0 0 ${width} ${BAR_HEIGHT + 18}" style="max-width:${width}px" role="img" aria-label="histogram">` +
    `${bars.join('')}<text class="tick" x="0" y="${BAR_HEIGHT + 14}">${time(binStart(first))}</text>` +
    `<text class="tick" x="${width}" y="${BAR_HEIGHT + 14}" text-anchor="end">${time(binStart(last + 1))}</text></svg></figure>`
  );
}

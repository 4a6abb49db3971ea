/**
 * Changes as points with their intervals, one below the other on a common axis (a forest plot), between the thresholds that judge
 * them. No script. Each row says its figures in text too.
 */

import { escapeText } from './page.ts';

export interface ForestRow {
  name: string;
  /** How the point looks: worse, better than the limit, or not to be told. */
  look: 'bad' | 'good' | 'open';
  /** Change in percent, with the ends of its interval if there is one. */
  change: number;
  low: number | null;
  high: number | null;
  /** The thresholds, in percent. */
  tolerate: number;
  alarm: number;
  /** The figures as text. */
  text: string;
}

/** The axis shows this many times the largest alarm. What lies beyond is drawn at the edge, with an arrow. */
const SHOWN_ALARMS = 3;
const MOST_TICKS = 3;

export const FOREST_STYLE = `<style>
.forest{border:0;margin:.5em 0 1em;max-width:100%}.forest>div{align-items:center;border-bottom:1px solid var(--grid);display:grid;gap:.1em 1em;grid-template-columns:minmax(8em,16em) minmax(10em,1fr) minmax(12em,18em);padding:.3em 0}
.forest>div>*{min-width:0;overflow-wrap:anywhere}.track{height:1.6em;overflow:hidden;position:relative}.track *{position:absolute}
.track .zero{background:var(--soft);bottom:0;top:0;width:1px}.track :is(.tolerate,.alarm){bottom:0;border-left:2px dashed var(--soft);top:0}.track .alarm{border-left:2px solid var(--edge)}
.track i{background:var(--ink);height:3px;top:calc(50% - 1.5px)}.track b{background:var(--ink);border:2px solid var(--ink);height:13px;margin-left:-6.5px;top:calc(50% - 6.5px);width:13px}
.track .good{border-radius:50%}.track .open{background:var(--back);border-radius:50%}.track .beyond{background:none;border:solid transparent;border-left-color:var(--ink);border-width:7px 0 7px 11px;height:0;margin-left:-12px;top:calc(50% - 7px);width:0}.track .below{border-left-width:0;border-left-color:transparent;border-right:11px solid var(--ink);margin-left:1px}
.row-bad{--ink:var(--c1)}.row-good{--ink:var(--c2)}.row-open{--ink:var(--soft)}.axis .track span{color:var(--soft);font-size:.85em;position:absolute;transform:translateX(-50%);white-space:nowrap}
.forest-keys{display:flex;flex-wrap:wrap;gap:.2em 1.4em;list-style:none;margin:.4em 0;padding:0}.forest-keys li{align-items:center;display:flex;gap:.5em}.forest-keys .track{display:inline-block;width:26px}
@media(max-width:640px){.forest>div{grid-template-columns:1fr}.forest .axis>:not(.track){display:none}}
</style>`;

const left = (percent: number, most: number): string => `left:${(((percent + most) / (2 * most)) * 100).toFixed(2)}%`;

/** The plot. Empty if there are no rows. */
export function htmlForest(rows: readonly ForestRow[]): string {
  if (rows.length === 0) {
    return '';
  }
  const most = SHOWN_ALARMS * Math.max(...rows.map(({ alarm }) => alarm));
  const ticks = Array.from({ length: 2 * MOST_TICKS - 1 }, (_, i) => ((i + 1) / MOST_TICKS - 1) * most);
  const axis = ticks
    .map((tick) => `<span style="${left(tick, most)}">${tick > 0 ? '+' : ''}${Number(tick.toPrecision(3))} %</span>`)
    .join('')
    .replaceAll('>-', '>−');
  return [
    '<div class="forest">',
    `<div class="axis" aria-hidden="true"><span></span><div class="track">${axis}</div><span></span></div>`,
    ...rows.map((row) => htmlRow(row, most)),
    '</div>',
    legend(),
  ].join('\n');
}

function htmlRow({ name, look, change, low, high, tolerate, alarm, text }: ForestRow, most: number): string {
  const inside = (percent: number): number => Math.max(-most, Math.min(most, percent));
  const interval =
    low === null || high === null
      ? ''
      : `<i style="${left(inside(low), most)};width:${(((inside(high) - inside(low)) / (2 * most)) * 100).toFixed(2)}%"></i>`;
  const shape = change > most ? 'beyond' : change < -most ? 'beyond below' : look;
  return (
    `<div class="row-${look}"><span>${escapeText(name)}</span><div class="track" aria-hidden="true">` +
    `<span class="zero" style="${left(0, most)}"></span><span class="tolerate" style="${left(tolerate, most)}"></span>` +
    `<span class="alarm" style="${left(alarm, most)}"></span>${interval}` +
    `<b class="${shape}" style="${left(inside(change), most)}"></b></div><span class="value">${escapeText(text)}</span></div>`
  );
}

function legend(): string {
  const point = (look: string): string =>
    `<span class="track row-${look}"><b class="${look}" style="left:50%"></b></span>`;
  const line = (name: string): string => `<span class="track"><span class="${name}" style="left:50%"></span></span>`;
  const entries = [
    [point('bad'), 'regressed'],
    [point('good'), 'fine, or accepted'],
    [point('open'), 'not certain'],
    [line('tolerate'), 'tolerated'],
    [line('alarm'), 'alarm'],
  ];
  return `<ul class="forest-keys" aria-hidden="true">${entries.map(([mark, text]) => `<li>${mark}<span>${text}</span></li>`).join('')}</ul>`;
}

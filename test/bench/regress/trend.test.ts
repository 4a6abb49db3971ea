/** The page of `regress trend`. */

import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../bench/regress/report/result-file.ts';
import { htmlTrend } from '../../../bench/regress/report/trend.ts';
import { deviates } from './made-up-noise.ts';

interface MadeHistory {
  entries: number;
  figures: readonly string[];
  /** From this entry on the first figure is half as slow again. */
  slowFrom?: number;
  machine?: string;
}

function history({ entries, figures, slowFrom = entries, machine = 'a machine' }: MadeHistory): HistoryEntry[] {
  const deviate = deviates(entries);
  return Array.from({ length: entries }, (_, i) => ({
    time: new Date(Date.UTC(2026, 0, 1) + i * 86_400_000).toISOString(),
    commit: i.toString(16).padEnd(40, 'c'),
    machine,
    verdict: 'fine',
    timesMs: Object.fromEntries(
      figures.map((figure, at) => [figure, 10 * (i >= slowFrom && at === 0 ? 1.5 : 1) * Math.exp(0.01 * deviate())]),
    ),
  }));
}

describe('the page', () => {
  it('names the commit at which a figure changed, and by how much', () => {
    const html = htmlTrend(history({ entries: 30, figures: ['insert, udp', 'lookup, udp'], slowFrom: 18 }));
    const [, changes] = /<h2>What changed\?<\/h2>([^]*?)<\/section>/.exec(html)!;
    expect(changes!.match(/<tr>/g)?.length).toBe(2);
    expect(changes).toMatch(/insert, udp.*\+(4[789]|5[012])\.\d %.*12c{8}, 2026-01-19/);
  });

  it('says so if nothing changed', () => {
    const html = htmlTrend(history({ entries: 30, figures: ['insert, udp'] }));
    expect(html).toMatch(/No figure changed its level/);
    expect(html).toMatch(/Its level did not change\. Less is better\./);
  });

  it('has a plot for each figure of each machine', () => {
    const one = history({ entries: 12, figures: ['a', 'b'], machine: 'one' });
    const html = htmlTrend([...one, ...history({ entries: 12, figures: ['a'], machine: '<two>' })]);
    expect(html.match(/<figure data-plot/g)?.length).toBe(3);
    expect(html).toMatch(/<h2>one<\/h2>[^]*<h2>&lt;two&gt;<\/h2>/);
  });

  it('needs no network, and stays below 1 MB however long the history is', () => {
    const figures = Array.from({ length: 12 }, (_, i) => `case ${i}, a figure with a long name ${i}`);
    const html = htmlTrend(history({ entries: 400, figures, slowFrom: 300 }));
    expect(html.length).toBeLessThan(1_000_000);
    expect(html).toMatch(/The first 200 entries are not drawn/);
    expect(html).not.toMatch(/(?:src|href)=/);
    expect(html).toMatch(/default-src 'none'/);
  });

  it('of an empty history says that it is empty', () => {
    expect(htmlTrend([])).toMatch(/The history is empty/);
  });
});

/** `ct-bucket profile diff A B`: the changes at each site. */

import type { ReportTable } from '../report/table-text.ts';
import { analyseProfile, type NamedFigures } from './analysis.ts';
import { meanOf } from './model.ts';
import type { ProfileFile } from './run.ts';
import { time } from './tables.ts';

export function profileDiff(a: ProfileFile, b: ProfileFile): ReportTable {
  const [before, after] = [a, b].map(({ profile, durationMs }) => analyseProfile(profile, durationMs).sites);
  const names = [...new Set([...before!, ...after!].map(({ name }) => name))];
  const find = (sites: NamedFigures[], name: string) => sites.find((site) => site.name === name)?.figures;
  const pair = (value: (figures: NamedFigures['figures']) => string, name: string) =>
    [before!, after!].map((sites) => {
      const figures = find(sites, name);
      return figures === undefined ? '–' : value(figures);
    });
  return {
    title: `A: ${a.what}; B: ${b.what}`,
    head: [
      'site',
      'acquisitions A',
      'B',
      'contended A',
      'B',
      'wait/acquisition A',
      'B',
      'longest wait A',
      'B',
      'hold mean A',
      'B',
    ],
    rows: names.map((name) => ({
      cells: [
        name,
        ...pair(({ acquisitions }) => String(acquisitions), name),
        ...pair(
          ({ contended, acquisitions }) => `${((100 * contended) / Math.max(1, acquisitions)).toFixed(3)}\u00a0%`,
          name,
        ),
        ...pair(({ wait, acquisitions }) => time(wait.total / Math.max(1, acquisitions)), name),
        ...pair(({ wait }) => time(wait.max), name),
        ...pair(({ hold }) => time(meanOf(hold)), name),
      ],
    })),
  };
}

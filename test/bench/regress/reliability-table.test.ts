/** The tables of docs/findings.md about the reliability of `regress` say what the recorded verdicts and searches say. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BisectionLine, SelftestLine } from '../../../bench/regress/selftest/selftest-report.ts';
import { REPOSITORY } from '../../support/child.ts';

function linesOf<Line>(name: string): Line[] {
  const text = readFileSync(join(REPOSITORY, 'docs', 'selftest', `${name}.jsonl`), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** Cells of the rows of a table, by the text of its first column's head. */
function rowsOf(firstHead: string): string[][] {
  const page = readFileSync(join(REPOSITORY, 'docs', 'findings.md'), 'utf8');
  const section = page.split('## How reliable are the verdicts of `regress`?')[1]!.split('\n## ')[0]!;
  const table = section.split('\n\n').find((part) => part.startsWith(`| ${firstHead} |`))!;
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function secondsText(seconds: readonly number[]): string {
  const sorted = seconds.toSorted((a, b) => a - b);
  return `${sorted[sorted.length >> 1]!.toFixed(0)} s, ${sorted.at(-1)!.toFixed(0)} s`;
}

/** One row for each slowdown of a file. */
function verdictRows(where: string, name: string): string[][] {
  const lines = linesOf<SelftestLine>(name);
  const slowdowns = [...new Set(lines.map(({ slowdownPercent }) => slowdownPercent))].toSorted((a, b) => a - b);
  return slowdowns.map((percent) => {
    const of = lines.filter((line) => line.slowdownPercent === percent);
    const count = (verdict: string) => String(of.filter((line) => line.verdict === verdict).length);
    const named = of.filter(({ namesSite }) => namesSite !== undefined);
    return [
      where,
      `${percent} %`,
      String(of.length),
      count('regressed'),
      count('inconclusive'),
      count('fine'),
      secondsText(of.map(({ tookSeconds }) => tookSeconds)),
      ...(named.length === 0 ? [''] : [`${named.filter(({ namesSite }) => namesSite).length} of ${named.length}`]),
    ];
  });
}

it('verdicts', () => {
  expect(rowsOf('machine')).toEqual([
    ...verdictRows('no other work', 'quiet'),
    ...verdictRows('two busy processes', 'busy'),
    ...verdictRows('no other work, in one lock', 'hold'),
  ]);
});

it('searches', () => {
  const lines = linesOf<BisectionLine>('bisections');
  const of = (percent: number) => lines.filter(({ slowdownPercent }) => slowdownPercent === percent);
  const slowdowns = [...new Set(lines.map(({ slowdownPercent }) => slowdownPercent))].toSorted((a, b) => a - b);
  expect(rowsOf('slowdown of one commit')).toEqual(
    slowdowns.map((percent) => [
      `${percent} %`,
      String(of(percent).length),
      String(of(percent).filter(({ isRight }) => isRight).length),
      secondsText(of(percent).map(({ tookSeconds }) => tookSeconds)),
      String(Math.max(...of(percent).map(({ builds }) => builds))),
      String(Math.max(...of(percent).map(({ pairs }) => pairs))),
    ]),
  );
});

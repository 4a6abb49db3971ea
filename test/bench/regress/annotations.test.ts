/** A verdict where CI shows it. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { annotationLines, codeQuality, markedMarkdown } from '../../../bench/regress/report/annotations.ts';
import { CT_BUCKET } from '../../support/child.ts';
import { resultOf } from './made-up-results.ts';

const SLOW = resultOf({ source: 'bench/a,b.mjs', changes: { parse: 0.3, print: 0, 'two words': 0.3 } });

describe('annotations', () => {
  it('are an error for each regression, on the file of the cases', () => {
    expect(annotationLines(SLOW)).toEqual([
      expect.stringMatching(
        /^::error file=bench\/a%2Cb\.mjs,title=regress%3A parse::parse, time: time: regressed, \+35\.0\s%25 \(.*\)$/,
      ),
      expect.stringMatching(/,title=regress%3A two words::two words, time: time/),
    ]);
  });

  it('stay on one line, whatever a figure is named', () => {
    const [line] = annotationLines(resultOf({ changes: { parse: 0.3 }, figure: 'odd: 5%\r\nnew' }));
    expect(line).toMatch(/::parse, time: odd: 5%25%0D%0Anew: regressed, /);
  });

  it('are warnings for what is inconclusive', () => {
    const [line] = annotationLines(resultOf({ pairs: 2, changes: { parse: 0.01 } }));
    expect(line).toMatch(/^::warning file=ct-bucket\.regress\.json,title=regress%3A parse::parse, .*inconclusive/);
  });

  it('are none for a verdict of fine', () => {
    expect(annotationLines(resultOf({ changes: { parse: 0 } }))).toEqual([]);
  });
});

it('a code quality report has the regressions, each with a fingerprint of its own', () => {
  const issues = JSON.parse(codeQuality(SLOW)) as { fingerprint: string; location: object; severity: string }[];
  expect(issues.length).toBe(2);
  expect(new Set(issues.map(({ fingerprint }) => fingerprint)).size).toBe(2);
  expect(issues[0]).toMatchObject({ severity: 'major', location: { path: 'bench/a,b.mjs', lines: { begin: 1 } } });
});

it('Markdown begins with a mark', () => {
  expect(markedMarkdown(SLOW)).toMatch(/^<!-- ct-bucket regress -->\n## ct-bucket regress: regressed\n/);
  expect(markedMarkdown(SLOW, 'arm64')).toMatch(/^<!-- ct-bucket regress: arm64 -->\n/);
});

describe('a command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-annotations-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'slow.json');
  const summary = join(folder, 'summary.md');
  writeFileSync(file, JSON.stringify(SLOW));
  const merge = (path: string) => {
    const args = [...CT_BUCKET, 'regress', 'merge', file, '--annotate', '--code-quality', 'quality.json'];
    const env = { ...process.env, GITHUB_STEP_SUMMARY: path };
    return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', env });
  };

  it('annotates, appends to the summary of the job, and writes the code quality report', () => {
    writeFileSync(summary, 'before\n');
    const { status, stdout } = merge(summary);
    expect(status).toBe(1);
    expect(stdout.match(/^::error /gm)?.length).toBe(2);
    expect(readFileSync(summary, 'utf8')).toMatch(
      /^before\n<!-- ct-bucket regress -->\n## ct-bucket regress: regressed/,
    );
    expect(JSON.parse(readFileSync(join(folder, 'quality.json'), 'utf8'))).toHaveLength(2);
  });

  it('keeps its exit code if the summary cannot be written', () => {
    const { status, stderr } = merge(join(folder, 'nowhere', 'summary.md'));
    expect(stderr).toMatch(/cannot write GITHUB_STEP_SUMMARY: ENOENT/);
    expect(status).toBe(1);
  });
});

/** docs/pictures and the sections of docs/findings.md are what scripts/pictures makes of docs/data. Nobody edits them by hand. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { answerFaults, make, quotedFigures, SECTIONS } from '../../scripts/pictures/make.ts';
import { REPOSITORY } from '../support/child.ts';

const made = make();

function committed(path: string): string | undefined {
  const full = join(REPOSITORY, path);
  return existsSync(full) ? readFileSync(full, 'utf8') : undefined;
}

function namesIn(folder: string): string[] {
  const full = join(REPOSITORY, folder);
  return existsSync(full) ? readdirSync(full) : [];
}

describe('node scripts/pictures/make.mjs', () => {
  it.each([...made.files.keys()])('would not change %s', (path) => {
    expect(committed(path), 'run node scripts/pictures/make.mjs').toBe(made.files.get(path));
  });

  it('makes all files of docs/pictures, and reads all files of docs/data', () => {
    const pictures = namesIn('docs/pictures').map((name) => join('docs', 'pictures', name));
    expect(pictures.filter((path) => !made.files.has(path))).toEqual([]);
    const data = ['published', ...SECTIONS.map(({ name }) => name)].map((name) => `${name}.json`);
    expect(namesIn('docs/data').filter((name) => !data.includes(name))).toEqual([]);
  });

  it('finds nothing that a person has to mend', () => {
    expect(made.faults).toEqual([]);
  });
});

describe('an answer', () => {
  const tables = '| ct-bucket | 5.93 (5.80 to 6.10) | ×1.81 (1.70 to 1.90) | 1,028 | 95 |';

  it('is asked for as soon as there are figures', () => {
    expect(answerFaults('split', undefined, tables)).toEqual([
      expect.stringMatching(/^split has figures but no answer/),
    ]);
    expect(answerFaults('split', ' \n', tables)).toHaveLength(1);
  });

  it('quotes no ratio and no time that the tables do not show', () => {
    expect(
      answerFaults('split', 'On 2 threads it is ×1.81 as fast (1.70 to 1.90), at 1,028 ns, 95 %.', tables),
    ).toEqual([]);
    expect(answerFaults('split', 'It is ×1.82 as fast, at 96 ns.', tables)).toEqual([
      expect.stringMatching(/split\.answer\.md says 1\.82, which no table/),
      expect.stringMatching(/says 96/),
    ]);
    expect(quotedFigures('4 threads, 16 zones, 2 cores')).toEqual([]);
  });
});

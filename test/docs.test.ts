/** Checks the links and paths in all Markdown files of the repository. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from './support/child.ts';

const FOLDERS = ['.', 'docs', 'src', 'bench', 'test', 'examples'];
const TEXTS = FOLDERS.flatMap((folder) =>
  (readdirSync(join(REPOSITORY, folder), { recursive: folder !== '.' }) as string[])
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
).toSorted();

const read = (text: string): string => readFileSync(join(REPOSITORY, text), 'utf8');

/** Targets of links in this repository, without the part behind `#`. */
function linksIn(text: string): string[] {
  return Array.from(text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, target]) => target!).filter(
    (target) => !/^\w+:/.test(target),
  );
}

/** Paths in backticks that begin with a folder of the repository. Patterns do not match. */
function pathsIn(text: string): string[] {
  return Array.from(text.matchAll(/`((?:src|bench|test|docs|scripts|examples)\/[\w./-]+)`/g), ([, path]) => path!);
}

describe.each(TEXTS)('%s', (text) => {
  it('links to files that exist', () => {
    const missing = linksIn(read(text)).filter((target) => !existsSync(join(REPOSITORY, dirname(text), target)));
    expect(missing).toEqual([]);
  });

  it('names paths that exist', () => {
    expect(pathsIn(read(text)).filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
  });
});

/** The READMEs of source folders. */
const ROOMS = TEXTS.filter((text) => /^(src|bench)\/.*README\.md$/.test(text));

it.each(ROOMS)('%s names exactly the files of its folder', (text) => {
  const files = readdirSync(join(REPOSITORY, dirname(text))).filter((name) => /\.m?ts$/.test(name));
  const named = Array.from(read(text).matchAll(/^\| (.*?) \|/gm), ([, cell]) => cell!).flatMap((cell) =>
    Array.from(cell.matchAll(/`([\w.-]+\.m?ts)`/g), ([, name]) => name!),
  );
  expect(named.toSorted()).toEqual(files.toSorted());
});

it('linksIn and pathsIn find links and paths', () => {
  expect(linksIn('see [a](docs/none.md#part) and [b](https://example.org)')).toEqual(['docs/none.md']);
  expect(pathsIn('in `src/none.ts` and `npm test`')).toEqual(['src/none.ts']);
});

it('ARCHITECTURE.md has at most 150 lines', () => {
  expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(150);
});

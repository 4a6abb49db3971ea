/** The command line of extract.mjs. */

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../../src/core/errors.ts';
import { dataPath, ROOT } from './data.ts';
import { extract } from './extract.ts';
import { SECTIONS } from './make.ts';

const USAGE = 'usage: node scripts/pictures/extract.mjs SECTION RESULTS.json... [--command TEXT] [--date YYYY-MM-DD]';

function write(args: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { command: { type: 'string' }, date: { type: 'string' } },
  });
  const [name, ...paths] = positionals;
  const section = SECTIONS.find((each) => each.name === name);
  if (name === undefined || paths.length === 0) {
    throw new UsageError(USAGE);
  }
  if (section === undefined) {
    throw new UsageError(`there is no section ${name}; there are ${SECTIONS.map((each) => each.name).join(', ')}`);
  }
  const data = extract(paths, section.isWanted, values);
  const path = dataPath(name);
  const full = join(ROOT, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(`${full}.new`, `${JSON.stringify(data, undefined, 1)}\n`);
  renameSync(`${full}.new`, full);
  console.log(`wrote ${path}: ${data.figures.length} figures of ${data.sources.length} files`);
}

/** @returns the exit code */
export function runExtract(args: readonly string[]): number {
  try {
    write(args);
    return 0;
  } catch (error) {
    const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    if (isUsage !== true) {
      throw error;
    }
    console.error(`extract: ${(error as Error).message}`);
    return 2;
  }
}

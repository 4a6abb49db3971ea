/**
 * Runs a part of the tests on another release of Node. Prints `passed,failed,skipped` on standard output, and everything else on
 * standard error. Exit code 1 if something failed.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultCache } from '../../bench/machine/cache-folder.ts';
import { thisPlatform } from '../../bench/runtimes/packages.ts';
import { runtimeOf } from '../../bench/runtimes/runtime.ts';
import { UsageError } from '../../src/core/errors.ts';
import { REPOSITORY } from '../support/child.ts';
import { allSkipped, type Counts, PARTS, sumOf } from './parts.ts';
import { endOfLife, isPastEndOfLife, majorOf, otherRelease } from './releases.ts';

function say(line: string): void {
  console.error(line);
}

function sayRelease(version: string, what: string): void {
  const major = majorOf(version);
  const past = isPastEndOfLife(major, new Date()) ? `, past its end of life since ${endOfLife(major)}` : '';
  say(`Node ${version}: ${what}${past}`);
}

/** @returns undefined if the release cannot be fetched */
async function findOther(): Promise<{ program: string; version: string } | undefined> {
  const { engines } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  const name = otherRelease(majorOf(process.version), engines.node);
  const path = process.env['CT_OTHER_NODE'];
  try {
    return await runtimeOf(path === undefined ? { name } : { name, path }, {
      cache: defaultCache(),
      platform: thisPlatform(),
      say,
    });
  } catch (error) {
    if (error instanceof UsageError && path === undefined) {
      say(`skipped on ${name}: ${error.message}`);
      return undefined;
    }
    throw error;
  }
}

async function runParts(node: string, version: string): Promise<Counts> {
  const all: Counts[] = [];
  for (const { name, run } of PARTS) {
    const startMs = performance.now();
    const counts = await run(node);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
    say(`Node ${version}, ${name}: ${counts.passed} right, ${counts.failed} wrong, ${seconds} s`);
    all.push(counts);
  }
  return sumOf(all);
}

sayRelease(process.versions.node, 'everything runs on it');
const other = await findOther();
let counts = allSkipped(PARTS);
if (other !== undefined) {
  sayRelease(other.version, 'a part runs on it');
  counts = await runParts(other.program, other.version);
}
console.log(`${counts.passed},${counts.failed},${counts.skipped}`);
process.exitCode = counts.failed > 0 ? 1 : 0;

/** Counts of the part that runs on another release of Node. */

import { describe, expect, it } from 'vitest';
import { REPOSITORY, run } from '../support/child.ts';
import { allSkipped, countsOf, PARTS, sumOf, whole } from './parts.ts';
import { countsBefore } from '../summary-reporter.ts';

describe('a part on another Node', () => {
  it('that is a command passes or fails as a whole', async () => {
    expect(await whole('/bin/sh', ['-c', 'exit 0'])).toEqual({ passed: 1, failed: 0, skipped: 0 });
    expect(await whole('/bin/sh', ['-c', 'exit 1'])).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(await whole('/nowhere/node', [])).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  it('that is a run of tests fails if a file cannot be loaded, although no test has failed', () => {
    const report = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 1, numTodoTests: 1 };
    expect(countsOf({ ...report, success: true })).toEqual({ passed: 3, failed: 0, skipped: 2 });
    expect(countsOf({ ...report, success: false })).toEqual({ passed: 3, failed: 1, skipped: 2 });
    expect(countsOf({ ...report, success: false, numFailedTests: 4 })).toEqual({ passed: 3, failed: 4, skipped: 2 });
  });

  it('counts as skipped, not as passed, if the release cannot be fetched', () => {
    expect(allSkipped(PARTS)).toEqual({ passed: 0, failed: 0, skipped: PARTS.length });
  });

  it('is added up with the others', () => {
    expect(
      sumOf([
        countsOf({ success: true, numPassedTests: 3, numFailedTests: 0, numPendingTests: 2, numTodoTests: 0 }),
        allSkipped(PARTS.slice(0, 1)),
      ]),
    ).toEqual({ passed: 3, failed: 0, skipped: 3 });
  });
});

describe('the last line of the test command', () => {
  it('has the counts of the other Node in it', () => {
    expect(countsBefore('7,0,2')).toEqual({ passed: 7, failed: 0, skipped: 2 });
    expect(countsBefore(undefined)).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });

  it.each(['', '7,0', '7,0,x', '7,0,2,1'])('does not accept %j for these counts', (text) => {
    expect(() => countsBefore(text)).toThrow(/CT_COUNTS_BEFORE/);
  });
});

it('the run says that a program is missing which CT_OTHER_NODE names', async () => {
  const args = ['--import', 'tsx', 'test/other-node/run.ts'];
  const { code, stdout, stderr } = await run('/usr/bin/env', [
    `-C${REPOSITORY}`,
    'CT_OTHER_NODE=/nowhere/node',
    process.execPath,
    ...args,
  ]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/cannot execute \/nowhere\/node \(ENOENT\)/);
});

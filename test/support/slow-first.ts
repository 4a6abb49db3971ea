/**
 * The order of test files. vitest remembers how long each took and begins with the longest, but a fresh clone remembers nothing, and
 * then a large file counts as a long one. A short file that takes long would run at the end, beside nothing.
 */

import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take long for their size. */
const SLOW = [
  /\/test\/explorer\/(mutants|explorer)\.test\.ts$/,
  /\/test\/cli\/(stopping-commands|capture\/pipes)\.test\.ts$/,
  /\/test\/reference\/vectors\.test\.ts$/,
  /\/test\/bench\/regress\/(power|project|bisect-command|counter-gate)\.test\.ts$/,
];

function isSlow({ moduleId }: TestSpecification): boolean {
  return SLOW.some((pattern) => pattern.test(moduleId));
}

/** Slow files first. Groups of projects still run in their order, since vitest begins a group when all of the one before has ended. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

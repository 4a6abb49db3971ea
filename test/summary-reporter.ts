/**
 * Prints the line `N passed, N failed, N skipped` at the end of the test command. It includes what ran before on another Node
 * (`CT_COUNTS_BEFORE=passed,failed,skipped`, see test/other-node).
 */

import type { Reporter, TestModule } from 'vitest/node';

/** @param text the value of CT_COUNTS_BEFORE */
export function countsBefore(text: string | undefined): { passed: number; failed: number; skipped: number } {
  if (text === undefined) {
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const [, passed, failed, skipped] = /^(\d+),(\d+),(\d+)$/.exec(text) ?? [];
  if (skipped === undefined) {
    throw new Error(`CT_COUNTS_BEFORE must be passed,failed,skipped, not ${JSON.stringify(text)}`);
  }
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const before = countsBefore(process.env['CT_COUNTS_BEFORE']);
    const counts = { ...before, failed: before.failed + unhandledErrors.length, pending: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) {
        counts.failed++;
      }
      for (const suite of module.children.allSuites()) {
        counts.failed += suite.errors().length;
      }
      for (const test of module.children.allTests()) {
        counts[test.result().state]++;
      }
    }
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped + counts.pending} skipped`);
  }
}

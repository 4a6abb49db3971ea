/** Prints the line `N passed, N failed, N skipped` at the end of the test command. */

import type { Reporter, TestModule } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
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

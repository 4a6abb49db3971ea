/** `ct-bucket verify`: scenario files against the tracker. */

import { readFileSync } from 'node:fs';
import { UsageError } from '../core/errors.ts';
import type { EngineName } from '../core/engines/engine.ts';
import type { Reclaim } from '../core/memory.ts';
import { concludeWith } from '../host/command-end.ts';
import { showProgress } from '../host/terminal.ts';
import { ExitCode } from './exit-code.ts';
import { runScenario, type ScenarioResult } from './scenario.ts';

export interface VerifyOptions {
  reclaim: Reclaim;
  engine: EngineName;
  json: boolean;
}

interface FileReport extends Partial<ScenarioResult> {
  file: string;
  passed: boolean;
  /** Set when it is not a scenario file. */
  error?: string;
}

function reportOf(file: string, { reclaim, engine }: VerifyOptions): FileReport {
  try {
    const result = runScenario(readFileSync(file, 'utf8'), { reclaim, engine });
    return { file, passed: result.difference === undefined, ...result };
  } catch (error) {
    if (error instanceof UsageError || (error as NodeJS.ErrnoException).code !== undefined) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return { file, passed: false, error: isMissing ? 'no such file' : (error as Error).message };
    }
    throw error;
  }
}

function describe(report: FileReport): string {
  if (report.error !== undefined) {
    return `${report.file}: ${report.error}`;
  }
  const { operation, field, expected, got } = report.difference!;
  return `${report.file}: operation ${operation}: ${field}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`;
}

/** Runs the files in order, prints what differs, and returns the exit code. */
export function verify(files: readonly string[], options: VerifyOptions): ExitCode {
  const reports = files.map((file) => {
    showProgress(file, { firstAfterMs: 20_000 });
    const report = reportOf(file, options);
    showProgress('');
    if (report.error !== undefined) {
      console.error(`ct-bucket: ${describe(report)}`);
    } else if (!options.json && !report.passed) {
      console.log(describe(report));
    }
    return report;
  });
  const passed = reports.filter((report) => report.passed).length;
  const failed = reports.length - passed;
  if (options.json) {
    console.log(JSON.stringify({ passed, failed, files: reports }, undefined, 2));
  } else {
    const counts = `${passed} passed, ${failed} failed`;
    concludeWith(counts);
    console.log(counts);
  }
  if (reports.some((report) => report.error !== undefined)) {
    return ExitCode.usage;
  }
  return failed === 0 ? ExitCode.ok : ExitCode.notSo;
}
